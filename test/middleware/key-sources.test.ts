import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { keysFromEnvironment, keysFromFile } from '../../src/middleware/key-sources.ts';
import { middlewareHost } from './middleware-host.ts';

const SECRET = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const line = (kid: string, more: object = {}): string =>
  JSON.stringify({ kid, alg: 'hmac-sha256', secret: SECRET, ...more });

function keyFile(t: TestContext, text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'tracebus-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'keys');
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

describe('keysFromEnvironment', () => {
  it('reads a list, or one key per line', () => {
    const kids = (text: string): string[] => keysFromEnvironment('K', { K: text }).map(({ kid }) => kid);
    assert.deepEqual(kids(`[${line('a')}, ${line('b')}]`), ['a', 'b']);
    assert.deepEqual(kids(`${line('a')}\n\n${line('b')}\n`), ['a', 'b']);
    process.env['TRACEBUS_KEYS'] = line('usual');
    assert.equal(keysFromEnvironment()[0]?.kid, 'usual');
    delete process.env['TRACEBUS_KEYS'];
  });

  it('names the variable and shows nothing of it', () => {
    for (const text of [undefined, '', ' \n', '[]', SECRET, `{"kid":"a","secret":"${SECRET}`, 'null', '[1]']) {
      assert.throws(
        () => keysFromEnvironment('MY_KEYS', { MY_KEYS: text }),
        (error: Error) =>
          error instanceof TypeError && !error.message.includes(SECRET.slice(0, 8)) && error.cause === undefined,
        text,
      );
    }
    assert.throws(() => keysFromEnvironment('MY_KEYS', {}), /MY_KEYS/);
  });
});

describe('keysFromFile', () => {
  it('refuses a file that others may read or write, and one that is not there or holds no keys', (t) => {
    for (const mode of [0o644, 0o640, 0o660, 0o604, 0o620]) {
      assert.throws(() => keysFromFile(keyFile(t, line('a'), mode)), /owner alone.*mode is 0\d\d\d/);
    }
    for (const mode of [0o600, 0o400]) assert.ok(keysFromFile(keyFile(t, line('a'), mode)).get('a'));
    assert.throws(() => keysFromFile(keyFile(t, `${line('a')}\n${line('a')}`)), /`kid` of its own/);
    assert.throws(() => keysFromFile(keyFile(t, line('a')), { refreshMs: -1 }), RangeError);
  });

  it('says which file it cannot use, why, and how to make one, and shows nothing of it', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tracebus-keys-'));
    t.after(() => rmSync(folder, { recursive: true }));
    chmodSync(folder, 0o700);
    const wrong: readonly (readonly [path: string, says: string])[] = [
      ['/nowhere/keys', 'there is none'],
      [join(keyFile(t, line('a')), 'below'), 'there is none'],
      [folder, 'it is a folder'],
      ['/no\0where', 'ERR_INVALID_ARG_VALUE'],
      [keyFile(t, SECRET), 'to hold keys in JSON'],
      [keyFile(t, `{"kid":"a","secret":"${SECRET}`), 'to hold keys in JSON'],
      [keyFile(t, ''), 'to hold at least one key'],
      [keyFile(t, '[]'), 'to hold at least one key'],
    ];
    for (const [path, says] of wrong) {
      assert.throws(
        () => keysFromFile(path),
        (error: Error) => {
          assert.ok(error.message.startsWith(`Expected the key file ${path} to `), error.message);
          assert.ok(error.message.includes(says), error.message);
          assert.match(error.message, /tracebus keygen hmac/);
          assert.equal(error.message.includes(SECRET.slice(0, 8)), false);
          return true;
        },
      );
    }
    for (const path of [undefined, null, '', 7])
      assert.throws(() => keysFromFile(path as never), /: Expected `path` to be a non-empty string/);
  });

  it('says that it may not read the file', (t) => {
    const path = keyFile(t, line('a'), 0o200);
    const isRoot = process.geteuid?.() === 0; // who may read everything
    if (isRoot) process.seteuid?.(65_534);
    try {
      assert.throws(() => keysFromFile(path), /but it may not\. .*keygen/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('reads the file again when it was replaced, and keeps the keys where that fails', (t) => {
    let now = 0;
    const path = keyFile(t, line('a'));
    const keys = keysFromFile(path, { now: () => now });
    const reported: string[] = [];
    keys.attach?.(middlewareHost({ report: (error) => void reported.push((error as Error).message) }));
    const replace = (text: string): void => {
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    };
    assert.equal(keys.get('a'), keys.get('a'), 'the same object as long as nothing changes');
    replace(`${line('a', { state: 'verify' })}\n${line('b')}`);
    assert.equal(keys.get('b'), undefined, 'not looked at yet');
    now += 60_000;
    assert.deepEqual(
      [keys.get('b'), keys.current('t', 'push')].map((key) => (key as { kid: string }).kid),
      ['b', 'b'],
    );
    replace('broken');
    now += 60_000;
    assert.ok(keys.get('b'));
    assert.equal(reported.length, 1);
    assert.match(reported[0]!, /could not be read again/);
    replace(line('c'));
    now += 60_000;
    assert.ok(keys.get('c'));
    rmSync(path);
    now += 60_000;
    assert.ok(keys.get('c'));
    assert.equal(reported.length, 2);
  });
});
