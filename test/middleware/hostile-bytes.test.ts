/** sign and encrypt under mutated input, and the nonces of many seals; the scripts run longer. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fuzzSecured } from '../../scripts/fuzz-secured.ts';
import { countNonces } from '../../scripts/unique-nonces.ts';

it('refuses 20,000 mutated messages, each with UNVERIFIED or as malformed headers', () => {
  const { unchanged, refused } = fuzzSecured({ count: 20_000, seed: 20_261_123 });
  const sum = Object.values(refused).reduce((all, one) => all + one, 0);
  assert.ok(sum >= 20_000 - unchanged && unchanged < 2000, JSON.stringify({ unchanged, refused }));
  for (const reason of ['headers', 'missing', 'malformed', 'unknown_key', 'signature', 'commitment', 'ciphertext']) {
    assert.ok((refused[reason] ?? 0) > 10, `${reason} ${JSON.stringify(refused)}`);
  }
});

it('uses no nonce twice, across workers and restarts', { timeout: 60_000 }, async () => {
  const { sealed, unique } = await countNonces({ workers: 2, restarts: 2, seals: 2000 });
  assert.deepEqual([sealed, unique], [8000, 8000]);
});
