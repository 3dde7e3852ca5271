import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Circuits } from '../../src/middleware/circuits.ts';

const limits = { failures: 1, windowMs: Infinity, openMs: 100, halfOpenProbes: 1 };

test('a circuit is remembered from its first failure on', () => {
  const circuits = new Circuits(limits);
  assert.deepEqual([circuits.isEmpty, circuits.find('a')], [true, undefined]);
  const circuit = circuits.failing('a', undefined);
  assert.deepEqual([circuits.isEmpty, circuits.find('a')], [false, circuit]);
  assert.equal(circuits.failing('a', undefined), circuit);
});

test('beyond a thousand the one whose failure is longest ago is forgotten', () => {
  const circuits = new Circuits(limits);
  for (let key = 0; key < 1000; key++) circuits.failing(String(key), undefined);
  circuits.failing('0', circuits.find('0'));
  for (let key = 1000; key < 1500; key++) circuits.failing(String(key), undefined);
  const known = Array.from({ length: 1500 }, (_, key) => circuits.find(String(key)) !== undefined);
  assert.equal(known.filter(Boolean).length, 1000);
  assert.deepEqual([known[0], known[1], known[500], known[501], known[1499]], [true, false, false, true, true]);
});
