/** The Python decoder of docs/wire-format.md reads what a native publisher sends to a raw pyzmq SUB. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageBus } from '../../src/index.ts';
import { PythonPeer } from './python-peer.ts';

interface Packet {
  readonly topic: string;
  readonly frames: number;
  readonly epoch: number;
  readonly first_sequence: number;
  readonly sent_at_us: number;
  readonly records: {
    kind: string;
    topic: string | null;
    sequence: number;
    headers: Record<string, string>;
    payload: { base64: string };
  }[];
}

const bodyOf = (payload: { base64: string }): unknown =>
  JSON.parse(Buffer.from(payload.base64, 'base64').toString()) as unknown;

describe('native packets', () => {
  it('are read by the Python decoder: records, headers, sequences and large payloads', async (t) => {
    const bus = new MessageBus('feed', { endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } }, publish: true });
    t.after(() => bus.close({ timeoutMs: 1000 }));
    await bus.ready();
    const address = bus.describe().links[0]?.address;
    assert.ok(address);
    const peer = new PythonPeer(t, 'native_sub', address, 'price.tick');
    await bus.ready({ topic: 'price.tick', timeoutMs: 20_000 });

    const before = Date.now();
    const bodies = Array.from({ length: 50 }, (_, n) => ({ n, text: n === 25 ? 'ü'.repeat(20_000) : 'small' }));
    for (const body of bodies) {
      // Unawaited, so that they share packets; the promise of a publish may be left alone.
      void bus.publish('price.tick', body, { headers: { 'x-lot': `lot-${String(body.n)}` } });
      void bus.publish('price.tick.of.another.topic', body);
    }
    const packets: Packet[] = [];
    while (packets.flatMap(({ records }) => records).length < 50) packets.push(await peer.next<Packet>());
    await bus.publish('price.tick', 'alone');
    for (let n = 0; n < 10; n++) void bus.publish('price.tick', n);
    const together: Packet[] = [];
    while (together.flatMap(({ records }) => records).length < 11) together.push(await peer.next<Packet>());

    const records = packets.flatMap((packet) => packet.records);
    assert.deepEqual(
      records.map(({ payload }) => bodyOf(payload)),
      bodies,
    );
    assert.deepEqual(
      records.map(({ kind, headers }) => [kind, headers['sender'], headers['x-lot']]),
      bodies.map(({ n }) => ['message', 'feed', `lot-${String(n)}`]),
    );
    assert.deepEqual(new Set(packets.map(({ topic }) => topic)), new Set(['price.tick\0']));
    assert.deepEqual(
      packets
        .filter(({ frames }) => frames === 2)
        .flatMap((packet) => packet.records)
        .some((one) => one.headers['x-lot'] === 'lot-25'),
      true,
      'the large payload is a frame of its own',
    );
    assert.ok(together.length < 11, 'several records in one packet');

    let next = packets[0]!.first_sequence;
    for (const {
      epoch,
      first_sequence,
      sent_at_us,
      records: { length },
    } of [...packets, ...together]) {
      assert.deepEqual([epoch, first_sequence], [packets[0]!.epoch, next]);
      assert.ok(Math.abs(sent_at_us / 1000 - before) < 60_000, String(sent_at_us));
      next += length;
    }
  });

  it('of several topics are read by the Python decoder: topics, sequences, order', async (t) => {
    const bus = new MessageBus('feed', { endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } }, publish: true });
    t.after(() => bus.close({ timeoutMs: 1000 }));
    await bus.ready();
    const address = bus.describe().links[0]?.address;
    assert.ok(address);
    const peer = new PythonPeer(t, 'native_sub', address, 'größe.');
    await bus.ready({ topic: 'größe.x', timeoutMs: 20_000 });
    const topics = ['größe.x', 'größe.y', 'größe.x', 'other', 'größe.länge.z', 'größe.x'];
    for (let n = 0; n < 30; n++) void bus.publish(topics[n % 6]!, n === 20 ? 'ü'.repeat(20_000) : n);
    const packets: Packet[] = [];
    while (packets.flatMap(({ records }) => records).length < 25) packets.push(await peer.next<Packet>());
    const sequences = new Map<string, number>();
    const expected = Array.from({ length: 30 }, (_, n) => {
      const topic = topics[n % 6]!;
      sequences.set(topic, (sequences.get(topic) ?? 0) + 1);
      return [topic, sequences.get(topic), n === 20 ? 'ü'.repeat(20_000) : n];
    }).filter(([topic]) => topic !== 'other');
    assert.deepEqual(
      packets.flatMap(({ records }) =>
        records.map(({ topic, sequence, payload }) => [topic, sequence, bodyOf(payload)]),
      ),
      expected,
    );
    assert.deepEqual(new Set(packets.map(({ topic }) => topic)), new Set(['größe.']));
    assert.ok(packets.length < 15, 'several topics in one packet');
  });
});
