import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turn } from '../../src/core/turn.ts';
import { turns } from '../support/fake-clock.ts';

/** A writer that notes when the turn ended for it, and what it then does. */
function writer(log: string[], name: string, then: () => void = () => undefined): { onTurnEnd(): void } {
  return {
    onTurnEnd() {
      log.push(name);
      then();
    },
  };
}

test('whoever asks is told at the end of the turn, once, in the order of asking', async () => {
  const turn = new Turn();
  const log: string[] = [];
  for (const name of ['a', 'b', 'c']) turn.atEnd(writer(log, name));
  await Promise.resolve();
  assert.deepEqual(log, []);
  await turns(1);
  assert.deepEqual(log, ['a', 'b', 'c']);
  await turns(3);
  assert.deepEqual(log, ['a', 'b', 'c']);
});

test('who asks while a turn ends is told at the end of the next', async () => {
  const turn = new Turn();
  const log: string[] = [];
  const late = writer(log, 'late');
  turn.atEnd(writer(log, 'early', () => turn.atEnd(late)));
  await turns(1);
  assert.deepEqual(log, ['early']);
  await turns(1);
  assert.deepEqual(log, ['early', 'late']);
});

test('the number changes with a turn that was marked, and with no other', async () => {
  const turn = new Turn();
  await turns(2);
  assert.equal(turn.number, 0);
  turn.mark();
  turn.mark();
  await turns(2);
  assert.equal(turn.number, 1);
});

test('it is free for one writer at a time, and for nobody while something is to leave', async () => {
  const turn = new Turn();
  const [a, b] = [writer([], 'a'), writer([], 'b')];
  assert.ok(turn.isFreeFor(a) && turn.isFreeFor(b));
  turn.leave(a);
  assert.deepEqual([turn.isFreeFor(a), turn.isFreeFor(b)], [true, false], 'what a sent has not had its turn yet');
  await turns(1);
  assert.ok(turn.isFreeFor(b));
  turn.atEnd(b);
  assert.deepEqual([turn.isFreeFor(a), turn.isFreeFor(b)], [false, false]);
  await turns(2);
  assert.deepEqual([turn.isFreeFor(a), turn.isFreeFor(b)], [true, true], 'the turn after');
  turn.leaving = 1;
  assert.deepEqual([turn.isFreeFor(a), turn.isFreeFor(b)], [false, false], 'somebody has more to hand over');
});

test('in the turn in which the messages of one have left at its end it is free for that one alone, of several for nobody', async () => {
  const turn = new Turn();
  const free: boolean[][] = [];
  const [a, b] = [writer([], 'a', () => free.push([turn.isFreeFor(a), turn.isFreeFor(b)])), writer([], 'b')];
  turn.atEnd(a);
  await turns(2);
  turn.atEnd(a);
  turn.atEnd(b);
  await turns(2);
  assert.deepEqual(free, [
    [true, false],
    [false, false],
  ]);
});
