/**
 * The times of a bus's messages: how long a send, a handler or a call took, how long a message was on its way (transport lag)
 * and how long it waited for its handler (dwell). Where they go is decided when the bus starts: into buckets of our own where
 * somebody exports those (histogram-store.ts), else through `histogram.record`. Never both: the totals would be double.
 *
 * All that is the same for the messages of an endpoint and destination is looked up once per message. The clock is asked for
 * the start and the end, and by a received message for the start of its handler; when it was read is known anyway.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import type { Operation } from '../core/counters.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { ATTR, OTHER_DESTINATION, OTHER_METHOD, SPANS } from '../core/semconv.ts';
import type { DurationMetric, SpanKey } from '../core/semconv.ts';
import { DestinationCache } from './destination-cache.ts';
import { endpointAttributes } from './endpoint-attributes.ts';
import { destinationAttributes, receivedDestination, rpcAttributes } from './message-attributes.ts';
import type { RecorderFactory } from './recorders.ts';
import { Timing } from './timing.ts';

/** Both sides write whole microseconds, so a lag may come out as much as that below 0. */
const RESOLUTION_US = 2;

/** Nothing is on its way for a day: the sender's clock is wrong, or the header was forged to spoil the sum. */
const NEVER_US = 86_400e6;

/** For so long what the two clocks are apart is not looked at again. */
const OFFSET_HOLDS_MS = 10_000;

const METRIC_OF: Readonly<Record<SpanKey, DurationMetric>> = {
  publish: 'operation',
  push: 'operation',
  process: 'process',
  request: 'clientCall',
  respond: 'serverCall',
};

const SPAN_OF = { subscribe: 'process', pull: 'process', respond: 'respond' } as const;
const RECEIVED = { publish: 'subscribe', push: 'pull', request: 'respond' } as const;

/** The durations of one bus. */
export class Durations {
  readonly #sends: Readonly<Record<'publish' | 'push' | 'request', DestinationCache<Timing>>>;
  readonly #receives: Readonly<Record<keyof typeof RECEIVED, DestinationCache<Timing>>>;
  /** What has to be added to the bus's monotonic time for the time since 1970. */
  #wallOffsetUs = 0;
  /** When that was read, and has to be read anew: the system's time may be set while the bus runs. */
  #offsetReadAt = -Infinity;
  readonly #clock: Clock;

  constructor(recorderOf: RecorderFactory, system: string, clock: Clock) {
    this.#clock = clock;
    const cache = (key: SpanKey, operation?: Operation) =>
      new DestinationCache((endpoint, destination) => {
        const ok = durationAttributes(key, system, endpoint, destination);
        const what = destination === OTHER_METHOD ? OTHER_DESTINATION : (destination ?? OTHER_DESTINATION);
        const arrival = { [ATTR.systemName]: system, [ATTR.operationName]: operation, ...destinationAttributes(what) };
        return new Timing(
          clock,
          (type) =>
            recorderOf(METRIC_OF[key], Object.freeze(type === undefined ? ok : { ...ok, [ATTR.errorType]: type })),
          operation && ((metric) => recorderOf(metric, Object.freeze(arrival))),
        );
      });
    const received = (pattern: keyof typeof RECEIVED) => cache(SPAN_OF[RECEIVED[pattern]], RECEIVED[pattern]);
    this.#sends = { publish: cache('publish'), push: cache('push'), request: cache('request') };
    this.#receives = { publish: received('publish'), push: received('push'), request: received('request') };
  }

  /** Where the time of an outgoing message goes; undefined for a reply, which has none of its own. */
  sent({ pattern, endpoint, topic }: SendContext): Timing | undefined {
    return pattern === 'reply' ? undefined : this.#sends[pattern].get(endpoint, topic);
  }

  /** Where the time of an incoming message goes, after its lag has been recorded. */
  received(ctx: ReceiveContext): Timing | undefined {
    const { pattern, endpoint, sentAtUs, receivedAt } = ctx;
    if (pattern === 'reply') return undefined;
    const timing = this.#receives[pattern].get(endpoint, receivedDestination(ctx));
    ctx.watch = timing;
    if (sentAtUs === 0) return timing; // plain peers do not say when
    if (receivedAt - this.#offsetReadAt > OFFSET_HOLDS_MS) {
      this.#wallOffsetUs = wallOffsetUs(this.#clock);
      this.#offsetReadAt = receivedAt;
    }
    const lagUs = receivedAt * 1000 + this.#wallOffsetUs - sentAtUs;
    // Less than nothing means that the clocks of two machines disagree: that says nothing about the message.
    if (lagUs >= -RESOLUTION_US && lagUs < NEVER_US) timing.lag?.record(Math.max(0, lagUs) / 1e6);
    return timing;
  }
}

/** The least of three tries, because the thread may pause between the two clocks. */
function wallOffsetUs(clock: Clock): number {
  const tries = [1, 2, 3].map(() => {
    const now = clock.now();
    return clock.wallUs() - now * 1000;
  });
  return Math.min(...tries);
}

function durationAttributes(
  key: SpanKey,
  system: string,
  endpoint: string,
  destination: string | undefined,
): Attributes {
  const { operation, type } = SPANS[key];
  const { [ATTR.networkTransport]: _transport, ...server } = endpointAttributes(endpoint);
  const what =
    operation === undefined || type === undefined
      ? rpcAttributes(destination ?? OTHER_METHOD)
      : {
          [ATTR.operationName]: operation,
          [ATTR.operationType]: type,
          ...destinationAttributes(destination ?? OTHER_DESTINATION),
        };
  return { [ATTR.systemName]: system, ...what, ...server };
}
