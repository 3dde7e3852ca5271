/**
 * Subscriptions to one endpoint: every handler whose pattern matches gets the message. Watches the sequences of each
 * (epoch, topic) for gaps; where a payload step verifies messages, only verified ones move that watch, and heartbeats do not.
 */
import type { PacketInHand } from './arrival.ts';
import { GapDetector } from './gap-detector.ts';
import type { Gap } from './gap-detector.ts';
import { BusError, messageOf } from './errors.ts';
import { HandlerErrors } from './incoming.ts';
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { DecodedPacket, DecodedRecord } from './packet.ts';
import { HEARTBEAT_TOPIC, STREAMS_PER_HEARTBEAT } from './publish-channel.ts';
import type { ReceiveContext } from './receive-context.ts';
import { ReceivingChannel } from './receiving-channel.ts';
import type { Route } from './routes.ts';
import { ATTR, SPAN_EVENTS } from './semconv.ts';
import { addSpanEvent } from './span-event.ts';
import type { Subscriber } from './subscriber.ts';
import { settling } from './subscriber.ts';
import { isReserved, matchesPattern, messageTopicFault } from './topics.ts';
import type { IncomingPacket, Receiver } from './transport.ts';

/** See the head of this file. */
export class SubscribeChannel extends ReceivingChannel {
  readonly #gaps: GapDetector;
  /** How many subscribers there are of each pattern. */
  readonly #patterns = new Map<string, number>();

  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect') {
    super(kernel, {
      operation: 'subscribe',
      pattern: 'publish',
      endpoint,
      mode,
      hwmPackets: kernel.packedHwm,
      open: (spec) => kernel.transport.openSubscriber(spec),
    });
    this.#gaps = new GapDetector(endpoint, (gap) => {
      this.#tell(gap);
    });
  }

  add(subscriber: Subscriber): void {
    const { pattern } = subscriber;
    const known = this.#patterns.get(pattern) ?? 0;
    if (known === 0) {
      const others = [...this.#patterns.keys()];
      // What nobody asked for until now was not missed.
      this.#gaps.reset((topic) => matchesPattern(pattern, topic) && !others.some((one) => matchesPattern(one, topic)));
      this.keeper.link?.subscribe(pattern);
    }
    this.#patterns.set(pattern, known + 1);
    this.routes.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    const left = (this.#patterns.get(subscriber.pattern) ?? 1) - 1;
    this.routes.delete(subscriber);
    if (left > 0) {
      this.#patterns.set(subscriber.pattern, left);
      return;
    }
    this.#patterns.delete(subscriber.pattern);
    this.keeper.link?.unsubscribe(subscriber.pattern);
  }

  run(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> | undefined {
    if (this.kernel.chains.verifiesPayload && ctx.epoch !== 0) {
      const missed = this.#gaps.observe(ctx.topic, ctx.epoch, ctx.sequence, ctx.sequence);
      // A repeated delivery observes nothing new.
      if (missed > 0) {
        ctx.missed = missed;
        addSpanEvent(ctx, SPAN_EVENTS.gap, { [ATTR.missed]: missed });
      }
    }
    const only = subscribers[0];
    if (subscribers.length === 1 && only !== undefined) return settling(only.handle(ctx));
    return this.#runAll(ctx, subscribers);
  }

  protected onLink(link: Receiver): void {
    for (const pattern of this.#patterns.keys()) link.subscribe(pattern);
  }

  protected wants(route: Route): boolean {
    // The subscription was closed while the packet was on its way.
    if (route.subscribers.length === 0) return false;
    if (route.subscribers.every(({ handler }) => handler === undefined)) {
      const { reporter, settings } = this.kernel;
      reporter.noHandler('subscribe', settings.logLevelNoHandler, `no handler for topic ${route.topic}`);
    }
    return true;
  }

  protected onPacket({ topic, packet }: IncomingPacket): Promise<void> | undefined {
    if (topic === undefined && packet.runs === undefined) return undefined;
    if (topic !== undefined && isReserved(topic)) {
      if (topic === HEARTBEAT_TOPIC) this.#heartbeat(packet);
      return undefined;
    }
    return this.take(topic, packet);
  }

  begins({ topic = '', packet: { epoch }, sequence, next, end }: PacketInHand): boolean {
    this.missed = 0;
    // A prefix filter brings topics that no pattern asks for.
    if (!this.routes.wants(topic)) return false;
    if (epoch !== 0 && !this.kernel.chains.verifiesPayload) {
      this.missed = this.#gaps.observe(topic, epoch, sequence, sequence + end - next - 1);
    }
    return true;
  }

  async #runAll(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> {
    // Handlers that have done their part are not called again when a middleware repeats the message.
    const done = (ctx.state['tracebus.done'] ??= new Set()) as Set<Subscriber>;
    const errors: unknown[] = [];
    const running = subscribers.map(async (subscriber) => {
      if (done.has(subscriber)) return;
      try {
        await subscriber.handle(ctx);
        done.add(subscriber);
      } catch (error) {
        errors.push(error);
      }
    });
    await Promise.all(running);
    if (errors.length > 1)
      throw new HandlerErrors(errors, `${String(errors.length)} handlers failed: ${errors.map(messageOf).join('; ')}`);
    if (errors.length === 1) throw errors[0];
  }

  #heartbeat(packet: DecodedPacket): void {
    // Nobody has signed a heartbeat: where messages are verified before they move the watch, it may not (docs/decisions.md).
    if (this.kernel.chains.verifiesPayload) return;
    for (const record of packet.records) {
      for (const [topic, epoch, last] of this.#readHeartbeat(record)) {
        if (this.routes.wants(topic)) this.#gaps.heartbeat(topic, epoch, last);
      }
    }
  }

  /** The streams that a heartbeat names; one that is not what a bus sends is counted as dropped and told as nothing. */
  #readHeartbeat({ kind, payload }: DecodedRecord): readonly StreamEnd[] {
    const refused = (what: string, cause?: unknown): readonly StreamEnd[] => {
      const error = new BusError('MALFORMED_PACKET', what, { endpoint: this.endpoint, cause });
      this.kernel.reporter.inboundDropped(error, 'subscribe');
      return [];
    };
    if (kind !== KIND_NUMBERS.heartbeat) return refused('a record that is no heartbeat where heartbeats are');
    try {
      const { streams } = JSON.parse(payload.toString('utf8')) as { streams?: unknown };
      if (!Array.isArray(streams)) return refused('a heartbeat names no streams');
      if (streams.length > STREAMS_PER_HEARTBEAT) return refused('a heartbeat names more streams than one may');
      return streams.every(isStreamEnd) ? streams : refused('a heartbeat names what is no stream');
    } catch (error) {
      return refused('a heartbeat is not readable', error);
    }
  }

  #tell(gap: Gap): void {
    const { counters, logger, settings, reporter } = this.kernel;
    const { onGap } = settings;
    counters.gaps.series('subscribe', gap.topic).value += gap.count;
    logger.info(`missed ${String(gap.count)} message(s) of ${gap.topic} from ${gap.endpoint}`);
    if (onGap !== undefined) reporter.call('onGap', 'subscribe', () => onGap(gap));
  }
}

type StreamEnd = readonly [topic: string, epoch: number, last: number];

function isStreamEnd(value: unknown): value is StreamEnd {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [topic, epoch, last] = value as unknown[];
  return typeof topic === 'string' && messageTopicFault(topic) === undefined && isCount(epoch, 1) && isCount(last, 0);
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}
