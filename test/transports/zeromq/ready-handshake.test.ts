import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KIND_NUMBERS } from '../../../src/core/kinds.ts';
import { encodePacket, decodePacket } from '../../../src/core/packet.ts';
import type { DecodedPacket } from '../../../src/core/packet.ts';
import { ReadyHandshake } from '../../../src/transports/zeromq/ready-handshake.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';

const never = new AbortController().signal;

function echo(payload: string, epoch = 1): DecodedPacket {
  const record = { headerBlock: Buffer.from([KIND_NUMBERS.ready]), payload: Buffer.from(payload) };
  return decodePacket(encodePacket([record], { epoch, firstSequence: 1, sentAtUs: 0 }));
}

/** A handshake with a link that only remembers what is asked for. */
function handshake() {
  const clock = new ManualClock();
  const link = { connections: 1 };
  const asked: string[] = [];
  const open = new Set<string>();
  const ready = new ReadyHandshake({
    clock,
    connections: () => link.connections,
    subscribePrefix: (prefix) => {
      assert.ok(prefix.startsWith('_tb.ready.') && prefix.endsWith('\0'));
      asked.push(prefix.slice(0, -1));
      open.add(prefix);
    },
    unsubscribePrefix: (prefix) => {
      open.delete(prefix);
    },
  });
  /** Answers on the last topic that was asked for, once the handshake has come so far. */
  const answer = async (count: number, ...payloads: string[]): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    assert.equal(asked.length, count);
    for (const [index, payload] of payloads.entries()) ready.onEcho(asked.at(-1)!, echo(payload, index + 1));
  };
  return { clock, link, asked, open, ready, answer };
}

it('resolves with the second echo, and leaves neither subscriptions nor timers', async () => {
  const { ready, answer, asked, open, clock } = handshake();
  const done = ready.run(1, never);
  await answer(1, '{"id":"p"}');
  await answer(2, '{"id":"p"}');
  await done;
  assert.equal(new Set(asked).size, 2);
  assert.deepEqual([open.size, clock.pending], [0, 0]);
});

it('waits for as many different publishers as it is told, named or told apart by their epoch', async () => {
  const { ready, answer, clock } = handshake();
  const done = ready.run(2, never);
  await answer(1, '{"id":"p"}', '{"id":"p"}');
  clock.advance(500);
  await answer(2, '{"id":"p"}', '{"id":"q"}');
  await answer(3, 'no name', '{"id":7}');
  await done;
});

it('counts an answer that comes after the next attempt began, and lets go of attempts beyond sixteen', async () => {
  const { ready, answer, asked, open, clock } = handshake();
  const done = ready.run(1, never);
  // The longest wait between two attempts is 4 seconds.
  for (let attempts = 1; attempts < 20; attempts += 1) clock.advance(4000);
  assert.deepEqual([asked.length, open.size], [20, 16]);
  ready.onEcho(asked[3]!, echo('{}'));
  await answer(20);
  ready.onEcho(asked[4]!, echo('{}'));
  await answer(21);
  clock.advance(500);
  ready.onEcho(asked[20]!, echo('{}'));
  await done;
  assert.deepEqual([asked.length, open.size, clock.pending], [22, 0, 0]);
});

it('begins anew when a connection was made between the two echoes', async () => {
  const { ready, answer, link } = handshake();
  const done = ready.run(1, never);
  await answer(1, '{}');
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  link.connections += 1;
  await answer(2, '{}');
  await answer(3, '{}');
  await answer(4, '{}');
  await done;
});

it('rejects with the reason of its signal, also of one aborted before, and passes over echoes of others', async () => {
  const { ready, answer, open, clock, asked } = handshake();
  await assert.rejects(ready.run(1, AbortSignal.abort(new Error('before'))), { message: 'before' });
  assert.deepEqual(asked, []);
  const control = new AbortController();
  const outcome = assert.rejects(ready.run(1, control.signal), { message: 'later' });
  ready.onEcho('_tb.ready.of-others', echo('{}'));
  await answer(1);
  control.abort(new Error('later'));
  await outcome;
  assert.deepEqual([open.size, clock.pending], [0, 0]);
  ready.onEcho(asked[0]!, echo('{}'));
});
