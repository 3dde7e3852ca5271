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
  readonly records: { kind: string; headers: Record<string, string>; payload: { base64: string } }[];
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
});
