/**
 * Publishing to one endpoint: settles when the bounded queue has accepted the message, as zmq_send does. Adds heartbeats
 * with the last sequence of each topic that moved, so that subscribers find lost tails too, and answers ready probes. As a
 * full subscriber loses heartbeats like everything else, each names some topics again that did not move. A heartbeat may
 * overtake messages in the queue: it names only sequences that the transport has taken.
 */
import type { ClockTimer } from './clock.ts';
import { BusError } from './errors.ts';
import { MessageHeaders } from './headers.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { Kernel } from './kernel.ts';
import type { OutgoingPacket } from './outgoing-packet.ts';
import { outsideTraces } from './outside-traces.ts';
import type { SendContext } from './send-context.ts';
import { SendingChannel } from './sending-channel.ts';
import type { Slot, SlotOwner } from './slot.ts';
import { topicFault } from './topics.ts';
import type { Sender } from './transport.ts';
import type { Wait } from './wait.ts';

/** The topic of heartbeats; every native subscriber subscribes to it. */
export const HEARTBEAT_TOPIC = '_tb.heartbeat';

/** Streams named in one heartbeat record, at most: keeps it below the size of a packet. */
export const STREAMS_PER_HEARTBEAT = 500;

/** Streams that a heartbeat names again although they did not move: with so few topics each heartbeat names all. */
const REPEATED_STREAMS = 50;

/** Ready probes that are answered at once: those of more are tried again, with other topics. */
const MAX_PROBES = 1000;

/** Records per packet of published messages: the decoder's own limit. */
const MAX_RECORDS = 8192;

/** See the head of this file. */
export class PublishChannel extends SendingChannel<Sender> {
  /** Names this publisher to those who wait for several behind a forwarder. */
  readonly #id: string = globalThis.crypto.randomUUID();
  readonly #subscriberWaits = new Set<() => void>();
  #heartbeat: ClockTimer = undefined;
  /** The last heartbeat. */
  #told: Slot | undefined = undefined;
  /** Topics of ready probes whose echo has not left yet. */
  readonly #probes = new Set<string>();
  #closed = false;

  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect') {
    const { settings, transport } = kernel;
    const native = transport.features.wire === 'native';
    super(kernel, {
      operation: 'publish',
      endpoint,
      mode,
      hwmPackets: kernel.packedHwm,
      writer: { maxRecords: native ? MAX_RECORDS : 1, order: settings.order, byTopic: true },
      open: (spec) =>
        transport.openPublisher({
          ...spec,
          slowSubscribers: settings.slowSubscribers,
          patienceMs: settings.publishTimeoutMs / 4,
          patienceRecoveryMs: settings.failedSocketCooldownMs,
          onReadyProbe: (topic) => {
            this.#echo(topic);
          },
          onSubscribersChanged: () => {
            for (const check of this.#subscriberWaits) check();
          },
        }),
    });
    if (native) this.#beat();
  }

  /** Resolves when `topic` has at least `least` subscribers. Rejects with the signal's reason. */
  async subscribers(topic: string, least: number, signal: AbortSignal): Promise<void> {
    await this.keeper.ensure(topic);
    const enough = (): boolean => (this.keeper.link?.subscriberCount(topic) ?? 0) >= least;
    if (enough()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!enough()) return;
        done();
        resolve();
      };
      const abort = (): void => {
        done();
        reject(signal.reason as Error);
      };
      const done = (): void => {
        this.#subscriberWaits.delete(check);
        signal.removeEventListener('abort', abort);
      };
      this.#subscriberWaits.add(check);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
    });
  }

  override async close(flushed: Promise<void>): Promise<ReadonlyMap<string, number>> {
    this.#closed = true;
    if (this.#heartbeat !== undefined) this.kernel.clock.clearTimeout(this.#heartbeat);
    // The last sequences go out after the last messages: a subscriber that missed the end learns it now or never.
    await Promise.race([this.writer.flushed(), flushed]);
    if (this.keeper.link !== undefined) this.#tellSequences();
    return super.close(flushed);
  }

  protected enqueue(ctx: SendContext, slot: Slot): Promise<void> | undefined {
    if (this.kernel.settings.requireSubscribers && this.keeper.link?.subscriberCount(ctx.topic) === 0) {
      return this.#enqueueWhenWanted(ctx, slot);
    }
    slot.owner = this;
    if (this.fill(slot)) {
      ctx.accepted = true;
      return this.writer.turn();
    }
    return this.waitFor(ctx, slot, 'queued').promise;
  }

  protected givenUp(_wait: Wait, _error: BusError): void {
    // A full queue says that subscribers are slow, not that the endpoint has failed: no cool-down (docs/decisions.md).
  }

  protected mayReplace(): boolean {
    return true;
  }

  protected override onTaken(packet: OutgoingPacket): void {
    // All topics of a packet go to the same subscribers, so the first one speaks for them.
    const topic = packet.topic ?? packet.mixed?.runs[0]?.topic;
    if (topic === undefined || topic.startsWith('_tb.')) return;
    super.onTaken(packet);
    if (this.keeper.link?.subscriberCount(topic) === 0) {
      this.kernel.counters.unrouted.add('publish', undefined, packet.records.length);
    }
  }

  async #enqueueWhenWanted(ctx: SendContext, slot: Slot): Promise<void> {
    const given = new AbortController();
    const giveUp = (error: BusError): void => {
      const late = error.code === 'SEND_TIMEOUT';
      given.abort(late ? noSubscribers(ctx, this.endpoint, this.kernel.settings.publishTimeoutMs) : error);
    };
    ctx.waiting = { giveUp };
    try {
      await this.subscribers(ctx.topic, 1, given.signal);
    } catch (error) {
      slot.release();
      throw error;
    } finally {
      ctx.waiting = undefined;
    }
    this.expectWanted(ctx, slot);
    slot.owner = this;
    if (this.fill(slot)) ctx.accepted = true;
    else await this.waitFor(ctx, slot, 'queued').promise;
  }

  #beat(): void {
    const { clock, settings } = this.kernel;
    this.#heartbeat = outsideTraces(() =>
      clock.setTimeout(
        () => {
          if (this.keeper.link !== undefined) this.#tellSequences();
          if (!this.#closed) this.#beat();
        },
        settings.heartbeatMs,
        { keepAlive: false },
      ),
    );
  }

  #tellSequences(): void {
    // While one is stuck in the queue another would tell nothing, and many would fill it.
    if (this.#told?.state === 'queued' || this.#told?.state === 'waiting') return;
    const streams = [...new Set([...this.streams.takeChanged(), ...this.streams.takeTurn(REPEATED_STREAMS)])];
    for (let from = 0; from === 0 || from < streams.length; from += STREAMS_PER_HEARTBEAT) {
      const part = streams.slice(from, from + STREAMS_PER_HEARTBEAT);
      const told = part.map(({ topic, epoch, last }) => [topic, epoch, last]);
      const { heartbeatMs: ms } = this.kernel.settings;
      this.#told = this.#control(HEARTBEAT_TOPIC, 'heartbeat', JSON.stringify({ id: this.#id, ms, streams: told }));
    }
  }

  /** Answers a probe. Probes come from outside, and a queue that is stuck must not grow with them. */
  #echo(topic: string): void {
    if (this.#probes.has(topic) || this.#probes.size >= MAX_PROBES || topicFault(topic) !== undefined) return;
    const forget = (): void => {
      this.#probes.delete(topic);
    };
    this.#probes.add(topic);
    this.#control(topic, 'ready', JSON.stringify({ id: this.#id }), {
      onQueued: ignore,
      onSent: forget,
      onFailed: forget,
    });
  }

  /** Sends a record of the bus's own: never counted, never seen by middleware; a lost one is sent again by the next heartbeat or probe. */
  #control(topic: string, kind: 'heartbeat' | 'ready', payload: string, owner?: SlotOwner): Slot {
    const slot = this.writer.reserve(topic);
    slot.headers = new MessageHeaders();
    slot.headerBlock = slot.headers.encode(KIND_NUMBERS[kind]);
    slot.payload = Buffer.from(payload);
    slot.control = true;
    slot.owner = owner;
    this.writer.fill(slot);
    return slot;
  }
}

function ignore(): void {
  // Nobody waits for the bus's own records.
}

function noSubscribers(ctx: SendContext, endpoint: string, limitMs: number): BusError {
  return new BusError('NO_SUBSCRIBERS', 'nobody has subscribed', {
    topic: ctx.topic,
    endpoint,
    limitMs,
    hint: 'Start a subscriber, or leave `requireSubscribers` out: publishing into the void then counts as unrouted.',
  });
}
