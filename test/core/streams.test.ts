import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Streams } from '../../src/core/streams.ts';

const summary = (streams: Streams): string[] =>
  streams.takeChanged().map(({ topic, last }) => `${topic} ${String(last)}`);

test('a sequence begins at 1, and is used up by what the transport took, not by a stamp', () => {
  const streams = new Streams();
  assert.equal(streams.stamp('a', 0).firstSequence, 1);
  assert.equal(streams.stamp('a', 0).firstSequence, 1);
  streams.advance('a', 3);
  assert.equal(streams.stamp('a', 0).firstSequence, 4);
});

test('each topic counts by itself, in the epoch of its sender, so that topics can share packets', () => {
  const streams = new Streams();
  streams.advance('a', 5);
  const [a, b] = [streams.stamp('a', 7), streams.stamp('b', 8)];
  assert.deepEqual([a.firstSequence, b.firstSequence], [6, 1]);
  assert.deepEqual([a.sentAtUs, b.sentAtUs], [7, 8]);
  assert.equal(a.epoch, b.epoch);
});

test('epochs are safe integers above 0, which stands for none, and differ between publishers', () => {
  const epochs = Array.from({ length: 200 }, () => new Streams().stamp('a', 0).epoch);
  for (const epoch of epochs) assert.ok(Number.isSafeInteger(epoch) && epoch > 0);
  assert.equal(new Set(epochs).size, 200);
});

test('the epoch of a topic stays while it is in the table', () => {
  const streams = new Streams(4);
  const { epoch } = streams.stamp('a', 0);
  for (const topic of ['b', 'c', 'a', 'd', 'a']) streams.advance(topic, 1);
  assert.equal(streams.stamp('a', 0).epoch, epoch);
  assert.equal(streams.stamp('a', 0).firstSequence, 3);
});

test('beyond its bound the least recently used topic is forgotten, and comes back in a new epoch from 1', () => {
  const streams = new Streams(3);
  const first = Object.fromEntries(['a', 'b', 'c'].map((topic) => [topic, streams.stamp(topic, 0).epoch]));
  for (const topic of ['a', 'b', 'c']) streams.advance(topic, 2);
  streams.advance('a', 1);
  streams.advance('d', 1);
  assert.equal(streams.stamp('a', 0).epoch, first['a'], 'used lately');
  assert.equal(streams.stamp('c', 0).epoch, first['c']);
  const again = streams.stamp('b', 0);
  assert.notEqual(again.epoch, first['b'], 'longest unused');
  assert.equal(again.firstSequence, 1);
});

test('takeChanged tells each stream that moved since the last call once', () => {
  const streams = new Streams();
  streams.stamp('untouched', 0);
  streams.advance('a', 2);
  streams.advance('b', 1);
  streams.advance('a', 1);
  assert.deepEqual(summary(streams), ['a 3', 'b 1']);
  assert.deepEqual(summary(streams), []);
  streams.advance('b', 1);
  assert.deepEqual(summary(streams), ['b 2']);
});

test("the bus's own topics are no streams: heartbeats do not tell of heartbeats, and ready topics evict nothing", () => {
  const streams = new Streams(2);
  const { epoch } = streams.stamp('a', 0);
  for (let index = 0; index < 100; index++) {
    const topic = `_tb.ready.${String(index)}`;
    assert.ok(streams.stamp(topic, 0).epoch > 0);
    streams.advance(topic, 1);
  }
  streams.advance('_tb.heartbeat', 1);
  assert.deepEqual(summary(streams), []);
  assert.equal(streams.stamp('a', 0).epoch, epoch);
});

test('takeTurn goes round the streams, moved or not', () => {
  const streams = new Streams();
  for (const topic of ['a', 'b', 'c']) streams.advance(topic, 1);
  const turn = (count: number): string =>
    streams
      .takeTurn(count)
      .map(({ topic }) => topic)
      .join('');
  assert.deepEqual([turn(2), turn(2), turn(2)], ['ab', 'ca', 'bc']);
  assert.equal(Array.from(turn(10)).sort().join(''), 'abc', 'each once');
  assert.deepEqual(new Streams().takeTurn(5), []);
});

test('whatever is evicted, no topic comes back in an epoch that it had, and the others keep theirs', () => {
  const streams = new Streams(10);
  const had = new Map<string, Set<number>>();
  const known = new Map<string, number>();
  let returns = 0;
  for (let round = 0; round < 2000; round++) {
    const topic = `t${String(Math.imul(round, 7919) % 37)}`;
    const { epoch, firstSequence } = streams.stamp(topic, 0);
    const epochs = had.get(topic) ?? new Set();
    if (firstSequence === 1) {
      assert.ok(!epochs.has(epoch), `${topic} has had epoch ${String(epoch)}`);
      if (epochs.size > 0) returns++;
    } else {
      assert.equal(epoch, known.get(topic));
    }
    had.set(topic, epochs.add(epoch));
    known.set(topic, epoch);
    streams.advance(topic, 1);
  }
  assert.ok(returns > 100, String(returns));
  const all = new Set([...had.values()].flatMap((epochs) => [...epochs]));
  assert.ok(all.size < 500, `${String(all.size)} epochs: topics that are made together share one`);
});

test('the bytes of a topic are made once', () => {
  const stream = new Streams().of('größe');
  assert.equal(Buffer.from(stream.topicBytes).toString(), 'größe');
  assert.equal(stream.topicBytes, stream.topicBytes);
});
