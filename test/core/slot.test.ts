import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { SendContext } from '../../src/core/send-context.ts';
import { Slot } from '../../src/core/slot.ts';

function contextOf(text: string): SendContext {
  const ctx = new SendContext({
    pattern: 'publish',
    kind: 'message',
    topic: 'price.tick',
    body: undefined,
    headers: new MessageHeaders(),
    endpoint: 'memory:x',
    clock: systemClock,
  });
  ctx.payloadText = text;
  return ctx;
}

function slotOf(ctx: SendContext): Slot {
  const slot = new Slot('price.tick', () => undefined);
  slot.load(ctx, Buffer.from([1]));
  slot.measure();
  return slot;
}

test('short text stays text until its packet is made, and its bytes are there for who asks', () => {
  const slot = slotOf(contextOf('{"price":1}'));
  assert.equal(slot.text, '{"price":1}');
  assert.equal(slot.size, 6 + 1 + 11);
  assert.equal(Buffer.from(slot.payload).toString(), '{"price":1}');
  assert.equal(slot.text, undefined);
});

test('long text is encoded at once, so that it can travel as a frame of its own', () => {
  const slot = slotOf(contextOf('x'.repeat(2049)));
  assert.equal(slot.text, undefined);
  assert.equal(slot.payload.length, 2049);
});

test('text that a step has read as bytes, or replaced, travels as those bytes', () => {
  const read = contextOf('ab');
  assert.equal(Buffer.from(read.payload).toString(), 'ab');
  assert.equal(slotOf(read).text, undefined);
  const replaced = contextOf('ab');
  replaced.payload = Buffer.from('sealed');
  const slot = slotOf(replaced);
  assert.deepEqual([slot.text, Buffer.from(slot.payload).toString(), slot.size], [undefined, 'sealed', 6 + 1 + 6]);
});

test('a place that was given up holds nothing any more', () => {
  const slot = slotOf(contextOf('x'.repeat(5000)));
  slot.owner = { onQueued: () => {}, onSent: () => {}, onFailed: () => {} };
  slot.empty();
  assert.deepEqual([slot.payload.length, slot.headerBlock.length, slot.text, slot.owner], [0, 0, undefined, undefined]);
  assert.equal(slot.headers.size, 0);
});
