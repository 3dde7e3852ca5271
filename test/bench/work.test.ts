/** Every row does the same work: bodies, topics, and what a receiver makes of losses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodiesOf, decodeBody, encodeBody, readBody, topicsOf } from '../../bench/body.ts';
import type { Load } from '../../bench/load.ts';
import { Receiving, ask, send } from '../../bench/peers/drivers.ts';
import { UsageMeter } from '../../bench/peers/usage.ts';
import { ROWS, rowOf } from '../../bench/rows.ts';
import type { RowId } from '../../bench/rows.ts';
import { chosen } from '../../bench/suite.ts';
import { TARGETS } from '../../bench/targets.ts';
import { WORKLOADS, workloadOf } from '../../bench/workloads.ts';
import type { WorkloadId } from '../../bench/workloads.ts';

const LOAD: Load = workloadOf('publish-100b').load;
const ids = Object.keys(WORKLOADS) as WorkloadId[];

test('a body measures what its load says, encoded, and carries its number and time through', () => {
  for (const load of ids.map((id) => workloadOf(id).load)) {
    const payload = Buffer.from(encodeBody(bodiesOf(load)(12_345, 0)));
    assert.ok(Math.abs(payload.length / load.bytes - 1) < 0.03, `${payload.length} for ${load.bytes}`);
    const { n, at } = readBody(decodeBody(payload, load.body));
    assert.deepEqual([n, at], [12_345, 0]);
  }
});

test('topics come in runs or at random, and the random ones are the same for every row', () => {
  const runs = topicsOf({ ...LOAD, topics: 3, run: 2 });
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map(runs),
    ['t0', 't0', 't1', 't1', 't2', 't2', 't0'].map((name) => `price.${name}`),
  );
  const [one, other] = [topicsOf({ ...LOAD, topics: 1000 }), topicsOf({ ...LOAD, topics: 1000 })];
  const drawn = Array.from({ length: 5000 }, (_, i) => one(i));
  assert.deepEqual(
    drawn,
    drawn.map((_, i) => other(i)),
  );
  assert.ok(new Set(drawn).size > 950);
});

function receiving(count: number, numberOf: (i: number) => number): Receiving {
  const meter = new UsageMeter();
  const receiver = new Receiving(LOAD, meter, 20);
  const bodyOf = bodiesOf(LOAD);
  receiver.begin();
  for (let i = 0; i < count; i++) receiver.onBody(bodyOf(numberOf(i), 0));
  return receiver;
}

test('a message that is lost, comes twice or was never sent is an error, not a slow row', async () => {
  await assert.rejects(receiving(299, (i) => i).expect(300), /299 of 300 messages arrived/);
  await assert.rejects(receiving(301, (i) => i).expect(300), /301 of 300 messages arrived/);
  await assert.rejects(receiving(300, (i) => (i === 299 ? 0 : i)).expect(300), /other messages arrived than were sent/);
  assert.equal((await receiving(300, (i) => i).expect(300))['seen'], 300);
});

test('the sending driver waits where a system makes it wait, and says how many it sent', async () => {
  const taken: number[] = [];
  let waits = 0;
  const sender = {
    address: '',
    send(_topic: string, body: unknown) {
      taken.push(readBody(body).n);
      return taken.length % 2 === 0 ? undefined : Promise.resolve(waits++);
    },
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const { sent } = await send(sender, LOAD, new UsageMeter(), 1);
  assert.equal(sent, taken.length);
  assert.deepEqual(
    taken,
    taken.map((_, i) => i),
  );
  assert.ok(waits > 0);
});

test('a reply that reaches another caller is an error', async () => {
  const close = () => Promise.resolve();
  const load = { ...LOAD, inFlight: 3 };
  const right = { ask: (body: unknown) => Promise.resolve(body), close };
  const { sent } = await ask(right, load, new UsageMeter(), 100);
  assert.ok(Number(sent) >= 3);
  const bodyOf = bodiesOf(load);
  const wrong = { ask: () => Promise.resolve(bodyOf(1, 0)), close };
  await assert.rejects(ask(wrong, load, new UsageMeter(), 5000), /the reply to request 1 reached request 0/);
});

test('every row is in a workload, no label stands twice in one, and every target compares rows of its workload', () => {
  const used = new Set<RowId>();
  for (const id of ids) {
    const { rows } = workloadOf(id);
    for (const row of rows) used.add(row);
    assert.equal(new Set(rows.map((row) => rowOf(row).label)).size, rows.length, id);
  }
  assert.deepEqual([...used].sort(), Object.keys(ROWS).sort());
  for (const { workload, row, against } of TARGETS) {
    const { rows } = workloadOf(workload);
    assert.ok(rows.includes(row) && rows.includes(against), `${workload}: ${row}, ${against}`);
  }
});

test('rows are chosen by a part of their name, and left out by what they need', () => {
  const names = (only: string[], without: Parameters<typeof chosen>[0]['without'] = []) =>
    chosen({ only, without }).map(({ workload, row }) => `${workload}/${row}`);
  assert.deepEqual(names(['push']), ['push-100b/libzmq', 'push-100b/raw', 'push-100b/tracebus', 'push-100b/pack-200']);
  assert.deepEqual(names(['push-100b'], ['libzmq']).at(0), 'push-100b/raw');
  assert.deepEqual(names(['nothing']), []);
  assert.equal(
    names([]).length,
    ids.reduce((sum, id) => sum + workloadOf(id).rows.length, 0),
  );
});
