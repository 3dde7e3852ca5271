import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensurePrograms } from '../../../scripts/backends/programs.ts';

test('no Prometheus is an error that says how to get it', async () => {
  await assert.rejects(
    ensurePrograms({ env: { PATH: '/nowhere' } }),
    /Expected `prometheus` on the PATH\. Install it: apt-get install prometheus .*\.ci\/run.*docker compose/,
  );
});
