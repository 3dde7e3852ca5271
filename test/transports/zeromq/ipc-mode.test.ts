import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Pull } from 'zeromq';
import { bindWithMode } from '../../../src/transports/zeromq/ipc-mode.ts';
import { rawSocket } from './link-spec.ts';
import { benchFor } from './subjects.ts';

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'tb-'));
  t.after(() => {
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

const permissions = (file: string): number => statSync(file).mode & 0o777;

describe('the socket file of a bound ipc path', () => {
  it('is for its owner alone, unless `ipcMode` says otherwise, whatever the umask', async (t) => {
    const before = process.umask(0);
    t.after(() => process.umask(before));
    const base = folder(t);
    const own = benchFor(t, 'ipc');
    await own.publisher({ endpoint: `ipc://${base}/own` });
    assert.equal(permissions(`${base}/own`), 0o600);
    const shared = benchFor(t, 'ipc', { ipcMode: 0o660 });
    await shared.publisher({ endpoint: `ipc://${base}/shared` });
    assert.equal(permissions(`${base}/shared`), 0o660);
    assert.equal(process.umask(0), 0, 'the umask is as it was');
  });

  it('leaves the umask as it was when binding fails', (t) => {
    const before = process.umask(0o123);
    t.after(() => process.umask(before));
    const socket = rawSocket(t, new Pull());
    assert.throws(() => {
      bindWithMode(socket, 'ipc:///no/such/folder/x', 0o600);
    });
    assert.equal(process.umask(0o123), 0o123);
  });

  it('gets them in a worker thread too, which may not set a umask', (t) => {
    const file = path.join(folder(t), 'worker');
    const before = process.umask(0);
    t.after(() => process.umask(before));
    const socket = rawSocket(t, new Pull());
    bindWithMode(socket, `ipc://${file}`, 0o600, false);
    assert.equal(permissions(file), 0o600);
  });
});
