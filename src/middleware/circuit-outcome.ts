/** What an error says about the other side, for `circuitBreaker`: the destination of a call, or the handlers of a topic. */
import { BusError } from '../core/errors.ts';
import type { BusErrorCode } from '../core/errors.ts';
import type { Outcome } from './circuit.ts';

/** Failures of the message itself or of its caller: they say nothing about the other side. */
const NOT_ITS_FAULT: ReadonlySet<BusErrorCode> = new Set<BusErrorCode>([
  'ABORTED',
  'CANCELLED',
  'CIRCUIT_OPEN',
  'CLOSED',
  'EXPIRED',
  'HEADERS_FROZEN',
  'INVALID_BODY',
  'INVALID_HEADER',
  'INVALID_TOPIC',
  'MESSAGE_TOO_LARGE',
  'MIDDLEWARE_MISUSE',
  'REJECTED',
  'SERIALIZE_FAILED',
  'UNSUPPORTED',
  'VALIDATION_FAILED',
]);

/** Whatever a handler throws is its failure; where it is sent, an error without a code is one of the steps on this side. */
export function outcomeOf(error: unknown, direction: 'send' | 'receive'): Outcome {
  if (!(error instanceof BusError)) return direction === 'receive' ? 'failure' : 'neither';
  return NOT_ITS_FAULT.has(error.code) ? 'neither' : 'failure';
}
