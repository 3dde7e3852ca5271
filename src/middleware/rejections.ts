/**
 * What a step does with a message that is not authentic: outwardly one error that says nothing, the reason in a metric, and in the log one
 * line per reason and minute. A sender who could tell the reasons apart could probe for keys.
 */
import type { Operation } from '../core/counters.ts';
import { BusError } from '../core/errors.ts';
import type { MessagePattern } from '../core/kinds.ts';
import type { MiddlewareHost } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';

/** Why a message was refused: the values of `messagebus.reason`. docs/security.md explains each. */
export type RejectionReason =
  | 'algorithm'
  | 'ciphertext'
  | 'commitment'
  | 'future'
  | 'key_disabled'
  | 'key_expired'
  | 'key_not_allowed'
  | 'keys_unavailable'
  | 'malformed'
  | 'missing'
  | 'replayed'
  | 'sender'
  | 'signature'
  | 'stale'
  | 'streams_full'
  | 'unknown_key';

const OPERATIONS: Readonly<Record<MessagePattern, Operation>> = {
  publish: 'subscribe',
  push: 'pull',
  request: 'respond',
  reply: 'request',
};

const LINE_EVERY_MS = 60_000;

/** The same for every reason, and for every key. */
const HINT =
  'Check that both sides have the same keys, `audience` and protected topics, and clocks that agree; ' +
  'the log and `messagebus.unverified` of the side that refused it name the reason, docs/security.md explains it.';

interface Told {
  at: number;
  since: number;
}

/** See the head of this file. */
export class Rejections {
  readonly #step: string;
  readonly #told = new Map<RejectionReason, Told>();
  #host: MiddlewareHost | undefined;

  constructor(step: string) {
    this.#step = step;
  }

  attach(host: MiddlewareHost): void {
    this.#host = host;
  }

  /** Counts a refused message, and answers the error to throw. */
  of(ctx: ReceiveContext, reason: RejectionReason): BusError {
    const { topic, endpoint, pattern } = ctx;
    this.#host?.counters.unverified.add(OPERATIONS[pattern], reason);
    this.#tell(reason, topic);
    return new BusError('UNVERIFIED', 'the message could not be authenticated', { topic, endpoint, hint: HINT });
  }

  #tell(reason: RejectionReason, topic: string): void {
    if (this.#host === undefined) return;
    const { clock, logger } = this.#host;
    const now = clock.now();
    const told = this.#told.get(reason);
    if (told !== undefined && now - told.at < LINE_EVERY_MS) {
      told.since++;
      return;
    }
    const more = told === undefined || told.since === 0 ? '' : ` (and ${String(told.since)} since the last such line)`;
    this.#told.set(reason, { at: now, since: 0 });
    logger.warn(`${this.#step} refused a message of ${JSON.stringify(topic)}: ${reason}${more}`);
  }
}
