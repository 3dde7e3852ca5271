import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAndClose } from '../../scripts/create-close.ts';

/** scripts/create-close.ts runs 10,000. */
const CYCLES = 300;

/** One message of each pattern. */
const MESSAGES = 3;

test('300 times a bus with six sockets is made, used and closed: descriptors and threads are back at the base line', async () => {
  const { delivered, before, after } = await createAndClose({ cycles: CYCLES });
  assert.equal(delivered, CYCLES * MESSAGES);
  const both = `before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`;
  assert.ok(after.descriptors <= before.descriptors, both);
  assert.ok(after.threads <= before.threads, both);
});
