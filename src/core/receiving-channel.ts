/**
 * One endpoint that messages arrive through: the link, who wants what, and the way of each message from the packet to the end of
 * its chain. What differs between subscribe and pull is in the two classes that extend this one.
 *
 *     packet -> route (who wants it) -> room (in flight, limits, admit) -> chain -> order of its topic -> handlers
 */
import type { Reader } from './arrival.ts';
import { Arrival, closedBefore, PacketInHand } from './arrival.ts';
import type { Operation } from './counters.ts';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import { admit, letGo, reportFailure } from './incoming.ts';
import { Intake } from './intake.ts';
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS, KINDS_BY_NUMBER } from './kinds.ts';
import type { MessagePattern } from './kinds.ts';
import { LinkKeeper } from './link-keeper.ts';
import type { Release } from './middleware.ts';
import type { DecodedPacket, DecodedRecord } from './packet.ts';
import { ReceiveContext } from './receive-context.ts';
import type { ReceivingOptions } from './receiving-options.ts';
import { Roster } from './roster.ts';
import type { Route } from './routes.ts';
import { Routes } from './routes.ts';
import type { Subscriber } from './subscriber.ts';
import type { IncomingPacket, LinkSpec, Receiver } from './transport.ts';
import { unreadable } from './unreadable.ts';

/** See the head of this file. */
export abstract class ReceivingChannel implements Reader {
  readonly endpoint: string;
  readonly operation: Operation;
  readonly keeper: LinkKeeper<Receiver>;
  readonly routes: Routes;
  protected readonly kernel: Kernel;
  readonly intake: Intake;
  /** How many messages are missing before the packet in hand: its first message is told. */
  protected missed = 0;
  readonly #pattern: MessagePattern;
  readonly #inHand = new Roster<ReceiveContext>();
  readonly #pausing = new Roster<PacketInHand>();
  /** No handler starts any more. */
  #closed = false;

  constructor(kernel: Kernel, options: ReceivingOptions) {
    this.kernel = kernel;
    this.endpoint = options.endpoint;
    this.operation = options.operation;
    this.#pattern = options.pattern;
    this.intake = new Intake(kernel.settings.hwmInbound);
    this.routes = new Routes((topic) => kernel.counters.received.series(options.operation, topic));
    this.keeper = new LinkKeeper(kernel, {
      operation: options.operation,
      endpoint: options.endpoint,
      mode: options.mode,
      hwmPackets: options.hwmPackets,
      reopens: true,
      open: (spec: LinkSpec) =>
        options.open({
          ...spec,
          // A handler that ends at once may close the bus, which waits for the rest of the packet too.
          onPacket: (incoming) => this.intake.holding(() => this.onPacket(incoming)),
          onMalformed: (error) => {
            kernel.reporter.inboundDropped(unreadable(error, this.endpoint), this.operation);
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

  /** Answers when everything that was read has been handled, the rest of a packet included. */
  async drain(): Promise<void> {
    await this.intake.idle();
    this.#closed = true;
  }

  /**
   * Aborts the signal of every message that is still being handled; answers how many. What was read and has not reached a
   * handler yet never will: it is counted as dropped.
   */
  cancelRunning(reason: unknown): number {
    this.#closed = true;
    let running = 0;
    for (const ctx of this.#inHand.all()) {
      if (ctx.cancelled) continue;
      ctx.cancel(reason);
      if (ctx.handled) running++;
      else this.#unhandled(ctx.topic, ctx);
    }
    for (const rest of this.#pausing.all()) while (rest.hasNext(this)) void this.#takeRecord(rest);
    return running;
  }

  protected abstract onPacket(incoming: IncomingPacket): Promise<void> | void;
  protected abstract onLink(link: Receiver): void;
  abstract begins(packet: PacketInHand): boolean;
  /** Who gets a message of this route, or why nobody does; false passes it over. */
  protected abstract wants(route: Route): boolean;

  /** Why a record is no message, if it is none. */
  protected fault(_topic: string, record: DecodedRecord): BusError | undefined {
    if (record.kind === KIND_NUMBERS.message) return undefined;
    const kind = KINDS_BY_NUMBER[record.kind] ?? `record of kind ${String(record.kind)}`;
    return new BusError('MALFORMED_PACKET', `a ${kind} where a message was expected`, { endpoint: this.endpoint });
  }

  /** Takes the records of a packet one after the other; a promise means that the link must not read on yet. */
  protected take(topic: string | undefined, packet: DecodedPacket): Promise<void> | undefined {
    return this.#takeRest(new PacketInHand(topic, packet, this.kernel.clock.now()));
  }

  #takeRest(rest: PacketInHand): Promise<void> | undefined {
    while (rest.hasNext(this)) {
      const pause = this.#takeRecord(rest);
      if (pause !== undefined) return this.#pause(pause, rest);
    }
    return this.intake.breather();
  }

  #pause(pause: Promise<void>, rest: PacketInHand): Promise<void> {
    if (rest.next === rest.packet.records.length) return pause.then(() => this.intake.breather());
    const place = this.#pausing.add(rest);
    this.intake.hold();
    return pause.then(() => {
      this.#pausing.delete(place);
      const more = this.#takeRest(rest);
      this.intake.unhold();
      return more;
    });
  }

  #takeRecord(rest: PacketInHand): Promise<void> | undefined {
    const { packet, sequence } = rest;
    const record = packet.records[rest.next++];
    if (record === undefined) return undefined;
    const topic = rest.topic ?? record.headers.getText('topic') ?? '';
    const fault = this.fault(topic, record);
    if (fault !== undefined) {
      this.kernel.reporter.inboundDropped(fault, this.operation);
      return undefined;
    }
    const route = this.routes.for(topic);
    if (!this.wants(route)) return undefined;
    route.received.value++;
    if (this.#closed) {
      this.#unhandled(topic);
      return undefined;
    }
    const ctx = new ReceiveContext({
      pattern: this.#pattern,
      kind: 'message',
      topic,
      headers: record.headers,
      payload: record.payload,
      endpoint: this.endpoint,
      epoch: packet.epoch,
      sequence,
      sentAtUs: packet.sentAtUs,
      receivedAt: rest.readAt,
      subscription: route.subscribers[0]?.pattern,
      link: route.link,
      socket: this,
    });
    ctx.missed = this.missed;
    this.missed = 0;
    const arrival = new Arrival(this, route, this.#inHand.add(ctx));
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
      // The bus may have closed while it waited.
      release = ctx.cancelled ? undefined : admit(this.kernel.admits, ctx);
    } catch (error) {
      this.#refuse(ctx, arrival, error);
      return undefined;
    }
    if (release instanceof Promise) {
      return release.then(
        (settled) => {
          this.#work(ctx, arrival, settled);
        },
        (error: unknown) => {
          this.#refuse(ctx, arrival, error);
        },
      );
    }
    this.#work(ctx, arrival, release);
    return undefined;
  }

  #work(ctx: ReceiveContext, arrival: Arrival, release: Release | undefined): void {
    const running = ctx.cancelled ? DONE : this.kernel.chains.receive(ctx);
    if (running === DONE) this.#done(arrival, release);
    else {
      const failed = (error: unknown): void => {
        this.#failed(ctx, error);
      };
      void running.catch(failed).finally(() => {
        this.#done(arrival, release);
      });
    }
  }

  #done(arrival: Arrival, release: Release | undefined): void {
    if (release !== undefined) letGo(this.kernel, release, this.operation);
    this.#leave(arrival);
  }

  #refuse(ctx: ReceiveContext, arrival: Arrival, error: unknown): void {
    this.#failed(ctx, error);
    this.#leave(arrival);
  }

  #failed(ctx: ReceiveContext, error: unknown): void {
    // One that the closing bus gave up was counted there.
    if (ctx.handled || !ctx.cancelled) reportFailure(this.kernel, ctx, this.operation, error);
  }

  #leave(arrival: Arrival): void {
    this.#inHand.delete(arrival.place);
    arrival.route.gate.pass(arrival.ticket);
    for (const { limiter } of arrival.subscribers) limiter?.leave();
    this.intake.leave();
  }

  /** A message was read, and the bus has closed before a handler got it. */
  #unhandled(topic: string, ctx?: ReceiveContext): void {
    this.kernel.reporter.inboundDropped(closedBefore(topic, this.endpoint), this.operation, ctx);
  }
}
