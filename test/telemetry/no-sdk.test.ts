import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, runNode } from './child.ts';

test('without an SDK the bus works and counts, nothing of OpenTelemetry is loaded or registered, and the process ends', async () => {
  const { code, stdout, stderr } = await runNode([fixture('no-sdk.ts')]).ended;
  assert.deepEqual([code, stderr], [0, '']);
  const { seen, sent, header, registered, loaded } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([seen, loaded], [[1, 3], []]);
  assert.deepEqual([header, registered], [undefined, undefined]);
  assert.ok(Number(sent) >= 2);
});
