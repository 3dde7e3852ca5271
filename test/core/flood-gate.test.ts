import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodGate } from '../../src/core/flood-gate.ts';
import { FakeClock } from '../support/fake-clock.ts';

function passes(gate: FloodGate, kind: string, times: number): (number | undefined)[] {
  return Array.from({ length: times }, () => gate.pass(kind));
}

test('ten of a kind pass in a second, whatever happens to other kinds', () => {
  const gate = new FloodGate(new FakeClock());
  const ten = new Array<number>(10).fill(0);
  assert.deepEqual(passes(gate, 'a', 12), [...ten, undefined, undefined]);
  assert.deepEqual(passes(gate, 'b', 10), ten);
});

test('the first that passes in a later second says how many were left out, once', () => {
  const clock = new FakeClock();
  const gate = new FloodGate(clock);
  passes(gate, 'a', 1000);
  clock.advance(999);
  assert.equal(gate.pass('a'), undefined, 'the second is not over');
  clock.advance(1);
  assert.deepEqual(passes(gate, 'a', 3), [991, 0, 0]);
});

test('a second begins with the first of its kind, not with the gate', () => {
  const clock = new FakeClock();
  const gate = new FloodGate(clock);
  passes(gate, 'a', 10);
  clock.advance(900);
  passes(gate, 'b', 10);
  clock.advance(100);
  assert.deepEqual([gate.pass('a'), gate.pass('b')], [0, undefined]);
});

test('what was left out can be asked for, and is told only once', () => {
  const clock = new FakeClock();
  const gate = new FloodGate(clock);
  passes(gate, 'a', 13);
  passes(gate, 'b', 10);
  assert.deepEqual([...gate.untold()], [['a', 3]]);
  assert.deepEqual([...gate.untold()], []);
  clock.advance(1000);
  assert.equal(gate.pass('a'), 0);
});
