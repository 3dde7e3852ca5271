/**
 * One endpoint that messages arrive through: the link, who wants what, and the way of each message from the packet to the end of
 * its chain. What differs between subscribe and pull is in the two classes that extend this one.
 *
 *     packet -> route (who wants it) -> room (in flight, limits, admit) -> chain -> order of its topic -> handlers
 */
import type { Operation, Series } from './counters.ts';
import { BusError } from './errors.ts';
import { admit, letGo, reportFailure } from './incoming.ts';
import { Intake } from './intake.ts';
import type { Kernel } from './kernel.ts';
import { KINDS_BY_NUMBER } from './kinds.ts';
import type { MessagePattern } from './kinds.ts';
import { LinkKeeper } from './link-keeper.ts';
import type { Release } from './middleware.ts';
import type { DecodedPacket, DecodedRecord } from './packet.ts';
import { ReceiveContext } from './receive-context.ts';
import type { Delivery } from './receive-context.ts';
import { Roster } from './roster.ts';
import type { Route } from './routes.ts';
import { Routes } from './routes.ts';
import type { Subscriber } from './subscriber.ts';
import type { IncomingPacket, LinkSpec, ReceiveSpec, Receiver } from './transport.ts';

/** How a receiving channel is made. */
export interface ReceivingOptions {
  readonly operation: Operation;
  readonly pattern: MessagePattern;
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly hwmPackets: number;
  open(spec: ReceiveSpec): Promise<Receiver>;
}

/** A message with its place: who gets it, and its turn within its topic. */
class Arrival implements Delivery {
  readonly #channel: ReceivingChannel;
  readonly route: Route;
  readonly subscribers: readonly Subscriber[];
  readonly ticket: number;

  constructor(channel: ReceivingChannel, route: Route) {
    this.#channel = channel;
    this.route = route;
    this.subscribers = route.subscribers;
    this.ticket = route.gate.issue();
  }

  deliver(ctx: ReceiveContext): Promise<void> | undefined {
    const turn = this.route.gate.turn(this.ticket);
    if (turn !== undefined) return turn.then(() => this.#enter(ctx));
    return this.#enter(ctx);
  }

  #enter(ctx: ReceiveContext): Promise<void> | undefined {
    this.route.gate.pass(this.ticket);
    // A step that did not wait has ended the chain: the message is counted as dropped, so it must not be handled too.
    if (ctx.settled) return undefined;
    return this.#channel.run(ctx, this.subscribers);
  }
}

/** See the head of this file. */
export abstract class ReceivingChannel {
  readonly endpoint: string;
  readonly operation: Operation;
  readonly keeper: LinkKeeper<Receiver>;
  readonly routes: Routes;
  protected readonly kernel: Kernel;
  readonly intake: Intake;
  readonly #pattern: MessagePattern;
  readonly #running = new Roster<ReceiveContext>();
  #closing = false;
  /** When the packet in hand was read. */
  #readAt = 0;

  constructor(kernel: Kernel, options: ReceivingOptions) {
    this.kernel = kernel;
    this.endpoint = options.endpoint;
    this.operation = options.operation;
    this.#pattern = options.pattern;
    this.intake = new Intake(kernel.settings.hwmInbound);
    this.routes = new Routes((topic) => this.#series(topic));
    this.keeper = new LinkKeeper(kernel, {
      operation: options.operation,
      endpoint: options.endpoint,
      mode: options.mode,
      hwmPackets: options.hwmPackets,
      reopens: true,
      open: (spec: LinkSpec) =>
        options.open({
          ...spec,
          onPacket: (incoming) => this.onPacket(incoming),
          onMalformed: (error) => {
            const dropped = new BusError('MALFORMED_PACKET', error.message, { endpoint: this.endpoint, cause: error });
            kernel.reporter.inboundDropped(dropped, this.operation);
          },
        }),
      onLink: (link) => {
        if (link !== undefined) this.onLink(link);
      },
    });
  }

  abstract add(subscriber: Subscriber): void;
  abstract remove(subscriber: Subscriber): void;
  /** The handlers' turn: every step before them has passed and it is this message's place in its topic. */
  abstract run(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> | undefined;

  /** Stops reading, and answers when what runs has settled. */
  async drain(): Promise<void> {
    this.#closing = true;
    await this.intake.idle();
  }

  /** Aborts the signal of every message that is still being handled; answers how many. */
  cancelRunning(reason: unknown): number {
    const running = this.#running.all();
    for (const ctx of running) ctx.cancel(reason);
    return running.length;
  }

  protected abstract onPacket(incoming: IncomingPacket): Promise<void> | void;
  protected abstract onLink(link: Receiver): void;
  /** Who gets a message of this route, or why nobody does; false passes it over. */
  protected abstract wants(route: Route): boolean;

  /** Takes the records of a packet one after the other; a promise means that the link must not read on yet. */
  protected take(
    topicOf: (record: DecodedRecord) => string,
    packet: DecodedPacket,
    from = 0,
  ): Promise<void> | undefined {
    this.#readAt = this.kernel.clock.now();
    for (let index = from; index < packet.records.length; index++) {
      const record = packet.records[index];
      if (record === undefined) break;
      const pause = this.#takeRecord(topicOf(record), record, packet, packet.firstSequence + index);
      if (pause !== undefined) return pause.then(() => this.take(topicOf, packet, index + 1));
    }
    return this.intake.breather();
  }

  #takeRecord(
    topic: string,
    record: DecodedRecord,
    packet: DecodedPacket,
    sequence: number,
  ): Promise<void> | undefined {
    const route = this.routes.for(topic);
    if (this.#closing || !this.wants(route)) return undefined;
    route.received.value++;
    const ctx = new ReceiveContext({
      pattern: this.#pattern,
      kind: KINDS_BY_NUMBER[record.kind] ?? 'message',
      topic,
      headers: record.headers,
      payload: record.payload,
      endpoint: this.endpoint,
      epoch: packet.epoch,
      sequence,
      sentAtUs: packet.sentAtUs,
      receivedAt: this.#readAt,
      subscription: route.subscribers[0]?.pattern,
    });
    const arrival = new Arrival(this, route);
    ctx.destination = arrival;
    const room = this.intake.enter();
    if (room !== undefined) return room.then(() => this.#enterLimits(ctx, arrival, 0));
    return this.#enterLimits(ctx, arrival, 0);
  }

  #enterLimits(ctx: ReceiveContext, arrival: Arrival, from: number): Promise<void> | undefined {
    const { subscribers } = arrival;
    for (let index = from; index < subscribers.length; index++) {
      const wait = subscribers[index]?.limiter?.enter();
      if (wait !== undefined) return wait.then(() => this.#enterLimits(ctx, arrival, index + 1));
    }
    let release: ReturnType<typeof admit>;
    try {
      release = admit(this.kernel.admits, ctx);
    } catch (error) {
      this.#refuse(ctx, arrival, error);
      return undefined;
    }
    if (release instanceof Promise) {
      return release.then(
        (settled) => {
          void this.#work(ctx, arrival, settled);
        },
        (error: unknown) => {
          this.#refuse(ctx, arrival, error);
        },
      );
    }
    void this.#work(ctx, arrival, release);
    return undefined;
  }

  async #work(ctx: ReceiveContext, arrival: Arrival, release: Release | undefined): Promise<void> {
    const place = this.#running.add(ctx);
    try {
      await this.kernel.chains.receive(ctx);
    } catch (error) {
      reportFailure(this.kernel, ctx, this.operation, error);
    } finally {
      this.#running.delete(place);
      letGo(this.kernel, release, this.operation);
      this.#leave(arrival);
    }
  }

  #refuse(ctx: ReceiveContext, arrival: Arrival, error: unknown): void {
    reportFailure(this.kernel, ctx, this.operation, error);
    this.#leave(arrival);
  }

  #leave(arrival: Arrival): void {
    arrival.route.gate.pass(arrival.ticket);
    for (const { limiter } of arrival.subscribers) limiter?.leave();
    this.intake.leave();
  }

  #series(topic: string): Series {
    return this.kernel.counters.received.series(this.operation, topic);
  }
}
