import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OrderGate } from '../../src/core/order-gate.ts';

test('whose turn it is enters at once; the others wait until all before them have passed', async () => {
  const gate = new OrderGate();
  const [first, second, third] = [gate.issue(), gate.issue(), gate.issue()];
  const log: string[] = [];
  assert.equal(gate.turn(first), undefined);
  const later = gate.turn(third)!.then(() => log.push('third'));
  const next = gate.turn(second)!.then(() => log.push('second'));
  gate.pass(first);
  await next;
  assert.deepEqual(log, ['second']);
  gate.pass(second);
  await later;
  assert.deepEqual(log, ['second', 'third']);
});

test('a ticket that will never come is passed over, also when it is not its turn yet', async () => {
  const gate = new OrderGate();
  const [first, second, third] = [gate.issue(), gate.issue(), gate.issue()];
  gate.pass(second);
  const turn = gate.turn(third);
  assert.notEqual(turn, undefined);
  gate.pass(first);
  await turn;
  gate.pass(third);
  assert.equal(gate.turn(gate.issue()), undefined);
});

test('a ticket that is given up while somebody waits with it lets them go at once, and is remembered no longer', async () => {
  const gate = new OrderGate();
  const [first, second, third] = [gate.issue(), gate.issue(), gate.issue()];
  const log: string[] = [];
  const givenUp = gate.turn(second)!.then(() => log.push('second'));
  gate.pass(second);
  await givenUp;
  assert.deepEqual(log, ['second']);
  assert.equal(gate.turn(second), undefined, 'asked for afterwards it waits for nobody either');
  const last = gate.turn(third)!.then(() => log.push('third'));
  assert.equal(gate.idle, false);
  gate.pass(first);
  await last;
  gate.pass(third);
  assert.equal(gate.idle, true);
});

test('passing twice does nothing', () => {
  const gate = new OrderGate();
  const [first, second] = [gate.issue(), gate.issue()];
  gate.pass(first);
  gate.pass(first);
  assert.equal(gate.turn(second), undefined);
  gate.pass(second);
  gate.pass(second);
  const third = gate.issue();
  assert.equal(gate.turn(third), undefined, 'nobody was skipped');
});

test('who has passed may enter again: a message that is handled once more', () => {
  const gate = new OrderGate();
  const first = gate.issue();
  gate.pass(first);
  assert.equal(gate.turn(first), undefined);
});

test('whatever arrives first and whoever gives up: those that enter do so in the order of their tickets', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }).chain((count) =>
        fc.tuple(
          fc.shuffledSubarray(
            Array.from({ length: count }, (_, index) => index),
            { minLength: count, maxLength: count },
          ),
          fc.array(fc.boolean(), { minLength: count, maxLength: count }),
        ),
      ),
      async ([arrivals, givesUp]) => {
        const gate = new OrderGate();
        for (const _ of arrivals) gate.issue();
        const entered: number[] = [];
        const enter = (ticket: number): void => {
          entered.push(ticket);
          gate.pass(ticket);
        };
        const waits = arrivals.map(async (ticket) => {
          if (givesUp[ticket] === true) gate.pass(ticket);
          else {
            await gate.turn(ticket);
            enter(ticket);
          }
        });
        await Promise.all(waits);
        const expected = [...arrivals].sort((a, b) => a - b).filter((ticket) => givesUp[ticket] !== true);
        assert.deepEqual(entered, expected);
      },
    ),
    { numRuns: 200 },
  );
});
