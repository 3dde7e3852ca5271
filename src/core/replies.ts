/**
 * The way back: replies and error replies run the same send chain as everything else and wait in one bounded queue per
 * peer. Where the queue is full the reply waits for room, and its request keeps its place in the intake: so what a
 * requester that does not read can make a responder keep is bounded. A refusal, which holds no place, is dropped there.
 * Nothing waits longer than `replySendTimeoutMs`.
 */
import { DONE } from './done.ts';
import { BusError, messageOf } from './errors.ts';
import { MessageHeaders } from './headers.ts';
import type { Kernel } from './kernel.ts';
import { sendOut } from './outgoing.ts';
import type { ReceiveContext } from './receive-context.ts';
import { replyCode } from './reply-code.ts';
import { ReplyQueue } from './reply-queue.ts';
import { SendContext } from './send-context.ts';
import type { Peer } from './transport.ts';

/** A reply whose chain waits. */
interface Sending {
  readonly channel: ReplyQueue;
  readonly peer: Peer;
  readonly request: ReceiveContext;
  readonly kind: 'reply' | 'error';
}

const TOO_LATE = 'the bus was closed before the reply could leave';

/** See the head of this file. */
export class Replies {
  readonly #kernel: Kernel;
  readonly #endpoint: string;
  readonly #peers = new Map<string, ReplyQueue>();
  #closed = false;

  constructor(kernel: Kernel, endpoint: string) {
    this.#kernel = kernel;
    this.#endpoint = endpoint;
  }

  /**
   * Sends a reply (its body) or an error reply (the error). Never rejects: what fails is counted and told. Answers with the error that the
   * caller was sent in place of a reply, undefined otherwise, and at once where the queue has the reply.
   */
  send(peer: Peer, request: ReceiveContext, kind: 'reply' | 'error', answer: unknown): Promise<unknown> | undefined {
    const { topic, correlation } = request;
    if (this.#closed) {
      this.#lost(topic);
      return undefined;
    }
    const ctx = new SendContext({
      pattern: 'reply',
      kind,
      topic,
      body: kind === 'error' ? this.#errorBody(answer) : answer,
      headers:
        kind === 'error' ? MessageHeaders.from({ 'error-code': replyCode(answer, request) }) : new MessageHeaders(),
      endpoint: this.#endpoint,
      correlation,
      clock: this.#kernel.clock,
      timeoutMs: this.#kernel.settings.replySendTimeoutMs,
      request,
    });
    const channel = this.#channel(peer);
    if (kind === 'error' && isRefusal(answer, request) && channel.crowded) {
      // It has been told where it was refused; a peer that reads nothing would not read why either.
      this.#kernel.reporter.outboundDropped(answer, 'respond');
      return undefined;
    }
    ctx.channel = channel;
    ctx.slot = channel.writer.reserve(topic);
    const sending = sendOut(this.#kernel, ctx, 'respond');
    return sending === DONE ? undefined : this.#watch(sending, { channel, peer, request, kind });
  }

  async #watch(sending: Promise<unknown>, { channel, peer, request, kind }: Sending): Promise<unknown> {
    channel.underWay++;
    try {
      await sending;
      return undefined;
    } catch (error) {
      const { topic } = request;
      this.#kernel.reporter.report(error, 'respond', `a reply to "${topic}" could not be sent`, { context: request });
      // The caller should not have to wait for its time-out because the answer has no encoding.
      if (kind !== 'reply' || isGone(error)) return undefined;
      await this.send(peer, request, 'error', error);
      return error;
    } finally {
      channel.underWay--;
    }
  }

  get queued(): number {
    let sum = 0;
    for (const { writer } of this.#peers.values()) sum += writer.queued;
    return sum;
  }

  forget(peer: Peer): void {
    const channel = this.#peers.get(peer.id);
    this.#peers.delete(peer.id);
    channel?.abandon('PEER_GONE', 'the requester has disconnected');
  }

  /** What is queued leaves until `flushed` settles; then the rest is given up. */
  async close(flushed: Promise<void>): Promise<void> {
    const peers = [...this.#peers.values()];
    await Promise.race([Promise.all(peers.map(({ writer }) => writer.flushed())), flushed]);
    this.#closed = true;
    for (const peer of this.#peers.values()) peer.abandon('CLOSED', TOO_LATE);
    this.#peers.clear();
  }

  /** A handler has answered after its bus had closed. */
  #lost(topic: string): void {
    const error = new BusError('CLOSED', TOO_LATE, { topic, endpoint: this.#endpoint });
    this.#kernel.reporter.outboundDropped(error, 'respond');
    this.#kernel.reporter.report(error, 'respond', `a reply to "${topic}" was lost`, { level: 'warn' });
  }

  #channel(peer: Peer): ReplyQueue {
    let channel = this.#peers.get(peer.id);
    if (channel === undefined) {
      channel = new ReplyQueue(this.#kernel, this.#endpoint, peer);
      this.#peers.set(peer.id, channel);
    }
    return channel;
  }

  /** Code and message of an error, never its stack; bytes where the stack has no serializer. */
  #errorBody(error: unknown): unknown {
    const code = remoteCodeOf(error);
    const body = {
      ...(code !== undefined && { code }),
      message: error instanceof BusError ? error.what : messageOf(error),
    };
    return this.#kernel.chains.serializes ? body : Buffer.from(JSON.stringify(body));
  }
}

/** Nobody is there, or nobody reads: another answer would not arrive either. */
function isGone(error: unknown): boolean {
  return (
    error instanceof BusError &&
    (error.code === 'PEER_GONE' || error.code === 'CLOSED' || error.code === 'SEND_TIMEOUT')
  );
}

/** The request was turned away at the door: it holds no place that would bound how many such answers there are. */
function isRefusal(answer: unknown, { handled }: ReceiveContext): boolean {
  return !handled && answer instanceof BusError && (answer.code === 'OVERFLOW' || answer.code === 'CLOSED');
}

/** The code that the handler gave its error. */
function remoteCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  try {
    const { code } = error as { readonly code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    // A getter of the application's that throws; there is the message still.
    return undefined;
  }
}
