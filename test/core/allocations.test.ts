/** A guard against a dearer hot path that does not depend on the clock: bytes and promises per message, in a process of its own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FIXTURE = fileURLToPath(new URL('./fixtures/allocations.ts', import.meta.url));
/** A young generation that holds a whole batch, in MiB: what is allocated is then what the heap has grown by. */
const NODE_OPTIONS = ['--expose-gc', '--max-semi-space-size=256', '--min-semi-space-size=256', '--import', 'tsx'];

/** About twice what was measured on Node 20 (3,900 bytes and 1.04 promises, those of the publishing loop included). */
const MAX_HEAP_BYTES = 8000;
const MAX_PROMISES = 2.1;

interface Cost {
  readonly messages: number;
  readonly heapBytes: number;
  readonly promises: number;
}

async function cost(...burden: readonly string[]): Promise<Cost> {
  const args = [...NODE_OPTIONS, FIXTURE, ...burden];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 });
  return JSON.parse(stdout) as Cost;
}

test('a message from publish to its handler allocates a bounded number of bytes and hardly a promise of its own', async () => {
  const { messages, heapBytes, promises } = await cost();
  assert.equal(messages, 100_000);
  assert.ok(heapBytes <= MAX_HEAP_BYTES, `${heapBytes} bytes per message`);
  assert.ok(promises <= MAX_PROMISES, `${promises} promises per message`);
});

/** One at a time; measured were 8,000 bytes and 6 promises of a push, 14,900 and 6 of a request with its reply. Before, 12,000 and 14, 23,100 and 31. */
const BOUNDS = [
  { verb: 'push', most: { heapBytes: 11_500, promises: 9 } },
  { verb: 'request', most: { heapBytes: 21_000, promises: 9 } },
] as const;

for (const { verb, most } of BOUNDS) {
  test(`a ${verb} costs a bounded number of bytes and promises, both sides together`, async () => {
    const { messages, heapBytes, promises } = await cost(verb);
    assert.equal(messages, 100_000);
    assert.ok(heapBytes <= most.heapBytes, `${heapBytes} bytes`);
    assert.ok(promises <= most.promises, `${promises} promises`);
  });
}

test('a step that allocates, and one that makes promises, are beyond the bounds, so this test can fail', async () => {
  assert.ok((await cost('publish', 'wasteful')).heapBytes > MAX_HEAP_BYTES);
  assert.ok((await cost('publish', 'async')).promises > MAX_PROMISES);
});
