/** The stack of a bus: what may stand in it, and in which order its steps run. */
import { BusError } from './errors.ts';
import type { Middleware } from './middleware.ts';
import { RECEIVE_STAGES, SEND_STAGES } from './middleware.ts';

/** Where the built-in payload steps stand, whatever the order of `use`; a user's own stand innermost. */
const PAYLOAD_RANKS: ReadonlyMap<string, number> = new Map([
  ['compress', 10],
  ['encrypt', 20],
  ['sign', 30],
]);
const USER_RANK = 100;

/** @throws BusError INVALID_PIPELINE that names the middleware and says what to do */
export function checkStack(stack: readonly Middleware[]): void {
  const names = new Set<string>();
  let serializer: string | undefined;
  for (const middleware of stack) {
    const { name, stage } = middleware;
    if (names.has(name)) throw invalid(`Two middleware are named "${name}"`, 'Give each a name of its own.');
    names.add(name);
    if (!SEND_STAGES.includes(stage)) {
      throw invalid(`Middleware "${name}" has the unknown stage "${stage}"`, `Stages are ${SEND_STAGES.join(', ')}.`);
    }
    if (stage === 'serialize') {
      if (serializer !== undefined) {
        throw invalid(`"${serializer}" and "${name}" both serialize`, 'Keep one; a Codec that combines them is one.');
      }
      serializer = name;
    }
    if (middleware.verifies === true && stage !== 'payload') {
      throw invalid(
        `Middleware "${name}" verifies at stage "${stage}"`,
        'Verify at stage payload: what stands before it trusts nothing.',
      );
    }
    if (middleware.repeatable !== undefined && stage !== 'body') {
      throw invalid(
        `Middleware "${name}" repeats at stage "${stage}"`,
        'Repeat at stage body: from there every later stage runs afresh for each attempt.',
      );
    }
  }
  for (const { name, excludes = {} } of stack) {
    for (const [other, why] of Object.entries(excludes)) {
      if (names.has(other)) throw invalid(`"${name}" cannot stand beside "${other}"`, why);
    }
  }
}

/** The steps of the way out, outermost first: by stage, then by rank, then in the order of `use`. */
export function sendOrder(stack: readonly Middleware[]): Middleware[] {
  return SEND_STAGES.flatMap((stage) => {
    const group = stack.filter((one) => one.stage === stage);
    // Array.prototype.sort is stable: equal ranks keep the order of use.
    return stage === 'payload' ? group.sort((a, b) => rankOf(a) - rankOf(b)) : group;
  });
}

/** The steps of the way in, outermost first. Within a stage, what was used last is undone first. */
export function receiveOrder(stack: readonly Middleware[]): Middleware[] {
  const sending = sendOrder(stack);
  return RECEIVE_STAGES.flatMap((stage) => sending.filter((one) => one.stage === stage).reverse());
}

function rankOf({ name }: Middleware): number {
  return PAYLOAD_RANKS.get(name) ?? USER_RANK;
}

function invalid(what: string, hint: string): BusError {
  return new BusError('INVALID_PIPELINE', what, { hint });
}
