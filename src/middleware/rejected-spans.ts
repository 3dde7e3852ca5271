/**
 * Spans of messages that were dropped before the trace step could look at them: refused by a step of the payload stage, expired, too many.
 * Nothing of their headers is believed or repeated: such a span is a root, without link and captured headers. There are few of them,
 * because whoever can reach the endpoint can send what is rejected.
 */
import { ROOT_CONTEXT } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import type { Failure } from '../core/reporter.ts';
import { ATTR } from '../core/semconv.ts';
import { spanKeyOf } from './message-attributes.ts';
import { isRecording, markFailed, quietly } from './message-span.ts';
import type { SpanStarter } from './span-starter.ts';
import { hrTime } from './span-times.ts';
import type { TraceHooks } from './trace-hooks.ts';

/** So many a second, and as many at once after a quiet second: enough to see what is going on. */
export const REJECTED_SPANS_PER_SECOND = 10;

/** See the head of this file. */
export class RejectedSpans {
  readonly #starter: SpanStarter;
  readonly #hooks: TraceHooks;
  readonly #clock: Clock;
  #tokens = REJECTED_SPANS_PER_SECOND;
  #filledAt: number;
  /** Rejected messages since the last span. */
  #suppressed = 0;

  constructor(starter: SpanStarter, hooks: TraceHooks, clock: Clock) {
    this.#starter = starter;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  /** Makes the span of a dropped message that has none. */
  note({ isDropped, context: ctx, error }: Failure): void {
    if (!isDropped || ctx?.direction !== 'receive' || ctx.traced) return;
    const key = spanKeyOf(ctx);
    // A cancel is no request, and a reply has no span.
    if (key === undefined || ctx.kind === 'cancel' || !this.#hooks.wants(ctx)) return;
    if (!this.#mayMake()) {
      this.#suppressed++;
      return;
    }
    const added = this.#suppressed === 0 ? undefined : { [ATTR.suppressed]: this.#suppressed };
    this.#suppressed = 0;
    const startTime = hrTime(this.#clock.wallUs());
    const span = this.#starter.start(key, ctx, { parent: ROOT_CONTEXT, startTime, added });
    if (span === undefined || !isRecording(span)) return;
    markFailed(span, ctx, error, startTime);
    quietly(() => {
      span.end(startTime);
    });
  }

  /** A token bucket. */
  #mayMake(): boolean {
    const now = this.#clock.now();
    const earned = (Math.max(0, now - this.#filledAt) * REJECTED_SPANS_PER_SECOND) / 1000;
    this.#tokens = Math.min(REJECTED_SPANS_PER_SECOND, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
