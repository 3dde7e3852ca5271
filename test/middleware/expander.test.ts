import assert from 'node:assert/strict';
import * as zlib from 'node:zlib';
import { describe, it } from 'node:test';
import { compression } from '../../src/middleware/compression.ts';
import { Expander } from '../../src/middleware/expander.ts';
import { until } from './memory-bus.ts';
import { arrived, outgoing, sent } from './over-the-wire.ts';

const MIB = 1024 * 1024;
const gzip = compression('gzip')!;
const gates = (): { opened: Promise<void>; open: () => void } => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
};

/** Messages that are expanded and then stay with their handler until it is let go. */
async function scene(maxOutputBytes: number, maxExpandedBytes: number) {
  const expander = new Expander(maxOutputBytes, maxExpandedBytes);
  const held: (() => void)[] = [];
  let bytes = 0;
  const receive = async (payload: Buffer, kind: 'message' | 'reply' = 'message'): Promise<void> => {
    const ctx = arrived(await sent([], outgoing({ payload, kind, headers: { 'content-encoding': 'gzip' } })));
    await expander.expand(ctx, gzip, async () => {
      const { opened, open } = gates();
      held.push(open);
      bytes += ctx.payload.length;
      await opened;
      bytes -= ctx.payload.length;
    });
  };
  return { receive, held, bytes: () => bytes };
}

/** So that what could start has started. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('the expander', () => {
  for (const [what, payload] of [
    ['in the pool', zlib.gzipSync(Buffer.alloc(MIB))],
    ['at once', zlib.gzipSync(Buffer.alloc(100_000))],
  ] as const) {
    it(`holds no more expanded bytes (${what}) than it may, and lets all through in the end`, async () => {
      const { receive, held, bytes } = await scene(MIB, 4 * MIB);
      const size = zlib.gunzipSync(payload).length;
      const most = Math.floor((4 * MIB) / size);
      const all = Array.from({ length: 100 }, () => receive(payload));
      let done = 0;
      for (const one of all) void one.then(() => done++);
      await until(() => bytes() >= (most - 1) * size);
      await settled();
      assert.ok(bytes() <= 4 * MIB, String(bytes()));
      assert.ok(held.length < 100);
      for (let opened = 0; opened < 100; opened += 1) {
        await until(() => held.length > opened);
        assert.ok(bytes() <= 4 * MIB, String(bytes()));
        held[opened]!();
      }
      await Promise.all(all);
      assert.deepEqual([done, bytes()], [100, 0]);
    });
  }

  it('lets replies through while handlers hold all the bytes there are', async () => {
    const { receive, held } = await scene(MIB, MIB);
    const bomb = zlib.gzipSync(Buffer.alloc(MIB));
    const first = receive(bomb);
    await until(() => held.length === 1);
    const second = receive(bomb);
    const reply = receive(bomb, 'reply');
    await until(() => held.length === 2);
    held[1]!();
    await reply;
    assert.equal(held.length, 2, 'the second message waits');
    held[0]!();
    await until(() => held.length === 3);
    held[2]!();
    await Promise.all([first, second]);
  });

  it('gives back what those had that cannot be expanded', async () => {
    const { receive, held } = await scene(MIB, MIB);
    const tooLarge = zlib.gzipSync(Buffer.alloc(2 * MIB));
    for (let index = 0; index < 10; index += 1) {
      await assert.rejects(receive(tooLarge), { code: 'MESSAGE_TOO_LARGE' });
      await assert.rejects(receive(Buffer.from('no gzip')), { code: 'DESERIALIZE_FAILED' });
      await assert.rejects(receive(Buffer.alloc(20_000)), { code: 'DESERIALIZE_FAILED' });
    }
    const good = receive(zlib.gzipSync(Buffer.alloc(MIB)));
    await until(() => held.length === 1);
    held[0]!();
    await good;
  });
});
