import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { keygen, parseKeygen } from '../../src/cli/keygen.ts';
import { keysFromEnvironment } from '../../src/middleware/key-sources.ts';

const noCurve = (): never => {
  throw new Error('not asked for');
};
const run = promisify(execFile);

function printed(...args: string[]): string[] {
  const parsed = parseKeygen(args);
  assert.notEqual(parsed, 'help');
  return keygen(parsed as Exclude<typeof parsed, 'help'>, noCurve);
}

describe('tracebus keygen', () => {
  it('prints keys that the providers read, each time others', () => {
    for (const [kind, alg, lines] of [
      ['hmac', 'hmac-sha256', 1],
      ['aes', 'aes-256-gcm', 1],
      ['ed25519', 'ed25519', 2],
    ] as const) {
      const [first, again] = [printed(kind), printed(kind)];
      assert.equal(first.length, lines);
      assert.notEqual(first[0], again[0]);
      for (const line of first) {
        const [key] = keysFromEnvironment('K', { K: line });
        assert.equal(key?.alg, alg);
        assert.match(key.kid, new RegExp(`^${kind}-[0-9a-f]{8}$`));
      }
      if (lines === 2) assert.doesNotMatch(first[1]!, /privateKey/);
    }
  });

  it('prints assignments for an .env file', () => {
    const [secret, open] = printed('ed25519', '--kid', 'k.1', '--env', 'MY_KEYS');
    assert.match(secret!, /^MY_KEYS='\{"kid":"k\.1",.*"privateKey":/);
    assert.match(open!, /^MY_KEYS_PUBLIC='\{"kid":"k\.1",.*"publicKey":/);
  });

  it('prints CURVE keys from the command line', async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'keygen', 'curve']);
    const [secret, open] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    assert.deepEqual([secret!['publicKey']!.length, secret!['secretKey']!.length], [40, 40]);
    assert.deepEqual(open, { publicKey: secret!['publicKey'] });
  });

  it('refuses wrong arguments', () => {
    const bad: readonly (readonly [says: RegExp, ...args: string[]])[] = [
      [/kind of key/],
      [/kind of key/, 'rsa'],
      [/One kind/, 'hmac', 'aes'],
      [/--kid/, 'hmac', '--kid', 'a b'],
      [/--env/, 'hmac', '--env', '1X'],
      [/--bogus/, 'hmac', '--bogus'],
    ];
    for (const [says, ...args] of bad) assert.throws(() => parseKeygen(args), { name: 'UsageError', message: says });
    assert.equal(parseKeygen(['-h']), 'help');
  });
});
