/**
 * What a system must offer to be measured. The adapters are thin: what is counted, checked and timed is in the drivers (sending.ts,
 * receiving.ts, requesting.ts), the same for all.
 */
import type { Spec } from '../load.ts';

/** A publisher or pusher. */
export interface Sender {
  /** Where receivers find it; '' when it connects. */
  readonly address: string;
  /** Waits where the system's own users would have to; a system that never makes its callers wait answers undefined. */
  send(topic: string, body: unknown): Promise<unknown> | undefined;
  /** Everything sent has left this process's queues, or will without further calls. */
  flush(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** A subscriber or puller that hands each decoded body to a function. */
export interface Receiver {
  readonly address: string;
  close(): Promise<unknown>;
}

export interface Requester {
  /** Sends the body, resolves with the reply's. */
  ask(body: unknown): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Answers each request with its own body. */
export interface Responder {
  readonly address: string;
  close(): Promise<unknown>;
}

/** One system. What it lacks it leaves out. */
export interface System {
  openSender?(spec: Spec): Promise<Sender>;
  openReceiver?(spec: Spec, onBody: (body: unknown) => void): Promise<Receiver>;
  openRequester?(spec: Spec): Promise<Requester>;
  openResponder?(spec: Spec): Promise<Responder>;
}
