import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { curveKeyPair, zeromq } from '../../../src/transports/zeromq/index.ts';
import { conformance } from '../conformance.ts';

let names = 0;

conformance('zeromq over tcp', () => ({ transport: zeromq(), endpoint: () => 'tcp://127.0.0.1:*' }));

conformance('zeromq over ipc', () => {
  // Short: the path of an ipc endpoint has room for about a hundred characters.
  const folder = mkdtempSync(path.join(tmpdir(), 'tb-'));
  return {
    transport: zeromq(),
    endpoint: () => `ipc://${folder}/${String(names++)}`,
    dispose: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

conformance('zeromq over inproc', () => ({
  transport: zeromq(),
  endpoint: () => `inproc://conformance-${String(names++)}`,
}));

conformance('zeromq over tcp with CURVE', () => {
  const [server, client] = [curveKeyPair(), curveKeyPair()];
  const curve = {
    server: { ...server, authorized: [client.publicKey] },
    client: { ...client, serverKey: server.publicKey },
  };
  return { transport: zeromq({ curve }), endpoint: () => 'tcp://127.0.0.1:*' };
});
