/**
 * Where the links of a memory transport meet: who has bound which endpoint, and who waits for it.
 *
 * A connecting link names an endpoint and is joined to whoever binds it, now or later, and again after a restart of the
 * binding side. Only counterparts are joined (a puller at a publisher's endpoint counts a failed handshake).
 *
 * Everything that a link tells its bus happens on a later turn of the event loop, in the async context of the hub, so that
 * no event comes out of a call into the transport and no message inherits the trace context of whoever sent it.
 */
import { AsyncResource } from 'node:async_hooks';
import { BusError } from '../../core/errors.ts';
import { outsideTraces } from '../../core/outside-traces.ts';
import { Pipe } from './pipe.ts';

/** What a link is to the others. */
export type Role = 'publish' | 'subscribe' | 'push' | 'pull' | 'request' | 'respond';

const COUNTERPART: Readonly<Record<Role, Role>> = {
  publish: 'subscribe',
  subscribe: 'publish',
  push: 'pull',
  pull: 'push',
  request: 'respond',
  respond: 'request',
};

/** One link's end of a connection. */
export interface End {
  /** The same at both ends, unique in the hub. */
  readonly id: string;
  readonly remote: Member;
  readonly out: Pipe;
  readonly in: Pipe;
}

/** A link as the hub and the links at the other end see it. */
export interface Member {
  readonly role: Role;
  /** Bounds what this link sends to one peer. */
  readonly hwmPackets: number;
  /** Closed or closing: it gets no new peers. */
  readonly closed: boolean;
  attach(end: End): void;
  detach(end: End): void;
  /** It met a link that is not its counterpart. */
  refuse(): void;
  /** Whether it asks for packets on this topic. */
  wants(topic: string): boolean;
  /** The answer of the peer's `wants` may have changed. */
  interestChanged(): void;
}

/** The range of ports that systems give out by themselves; here only numbers. */
const FIRST_FRESH_PORT = 49_152;
const FRESH_PORTS = 65_536 - FIRST_FRESH_PORT;

/** A meeting place of memory transports: buses on one hub reach each other, and nobody else. */
export class MemoryHub {
  readonly #bound = new Map<string, Member>();
  readonly #connecting = new Map<string, Set<Member>>();
  readonly #runTask: (task: () => void) => void = outsideTraces(() => AsyncResource.bind((task: () => void) => task()));
  #connections = 0;
  #freshPorts = 0;

  /** The endpoints that are bound now: none when every bus on the hub has closed. */
  get endpoints(): string[] {
    return [...this.#bound.keys()];
  }

  /** Runs a task on a later turn, after those already waiting. @internal */
  later(task: () => void): void {
    setImmediate(this.#runTask, task);
  }

  /** Answers with the endpoint in effect: a `*` at the end becomes a number nobody has. @internal */
  bind(wanted: string, member: Member): string {
    const endpoint = wanted.endsWith('*') ? this.#fresh(wanted.slice(0, -1)) : wanted;
    if (endpoint === undefined || this.#bound.has(endpoint)) {
      throw new BusError('BIND_FAILED', 'The endpoint is taken', {
        endpoint: wanted,
        hint: 'Give this bus an endpoint of its own, or let it connect to the one that has bound it.',
      });
    }
    this.#bound.set(endpoint, member);
    for (const other of this.#connecting.get(endpoint) ?? []) this.#join(member, other);
    return endpoint;
  }

  /** Whoever has bound or will bind the endpoint becomes its peer. @internal */
  connect(endpoint: string, member: Member): void {
    const waiting = this.#connecting.get(endpoint) ?? new Set();
    this.#connecting.set(endpoint, waiting.add(member));
    const bound = this.#bound.get(endpoint);
    if (bound !== undefined) this.#join(bound, member);
  }

  /** Forgets a link; its connections are its own to end. @internal */
  leave(endpoint: string, member: Member): void {
    if (this.#bound.get(endpoint) === member) this.#bound.delete(endpoint);
    const waiting = this.#connecting.get(endpoint);
    waiting?.delete(member);
    if (waiting?.size === 0) this.#connecting.delete(endpoint);
  }

  #join(bound: Member, connecting: Member): void {
    if (bound.closed || connecting.closed) return;
    if (COUNTERPART[bound.role] !== connecting.role) {
      connecting.refuse();
      return;
    }
    const id = `memory-${String(++this.#connections)}`;
    const down = new Pipe(bound.hwmPackets);
    const up = new Pipe(connecting.hwmPackets);
    bound.attach({ id, remote: connecting, out: down, in: up });
    connecting.attach({ id, remote: bound, out: up, in: down });
  }

  #fresh(prefix: string): string | undefined {
    for (let tries = 0; tries < FRESH_PORTS; tries++) {
      const endpoint = prefix + String(FIRST_FRESH_PORT + (this.#freshPorts++ % FRESH_PORTS));
      if (!this.#bound.has(endpoint)) return endpoint;
    }
    return undefined;
  }
}
