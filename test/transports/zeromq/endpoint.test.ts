import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { connectProblem, parseEndpoint, probeIpc, resolvedEndpoint } from '../../../src/transports/zeromq/endpoint.ts';

describe('parseEndpoint', () => {
  it('takes endpoints of all three schemes apart', () => {
    const ipv4 = { port: undefined, ipv6: false };
    assert.deepEqual(parseEndpoint('tcp://127.0.0.1:5555'), {
      ...ipv4,
      scheme: 'tcp',
      address: '127.0.0.1',
      port: 5555,
    });
    assert.deepEqual(parseEndpoint('tcp://*:0'), { ...ipv4, scheme: 'tcp', address: '*', port: 0 });
    assert.deepEqual(parseEndpoint('tcp://eth0:*'), { ...ipv4, scheme: 'tcp', address: 'eth0', port: 0 });
    assert.deepEqual(parseEndpoint('tcp://[::1]:65535'), { scheme: 'tcp', address: '[::1]', port: 65_535, ipv6: true });
    assert.deepEqual(parseEndpoint('ipc:///run/a.sock'), { ...ipv4, scheme: 'ipc', address: '/run/a.sock' });
    assert.deepEqual(parseEndpoint('ipc://@abstract'), { ...ipv4, scheme: 'ipc', address: '@abstract' });
    assert.deepEqual(parseEndpoint('inproc://prices'), { ...ipv4, scheme: 'inproc', address: 'prices' });
  });

  const bad: readonly (readonly [endpoint: string, says: RegExp])[] = [
    ['', /to look like/],
    ['127.0.0.1:5555', /to look like/],
    ['5555', /to look like/],
    ['udp://127.0.0.1:5555', /scheme tcp, ipc or inproc/],
    ['tcp://127.0.0.1', /tcp:\/\/<host>:<port>/],
    ['tcp://:5555', /tcp:\/\/<host>:<port>/],
    ['tcp://::1:5555', /tcp:\/\/<host>:<port>/],
    ['tcp://a;b:5555', /tcp:\/\/<host>:<port>/],
    ['tcp://127.0.0.1:99999', /port from 0 to 65535/],
    ['tcp://127.0.0.1:65536', /port from 0 to 65535/],
    ['tcp://127.0.0.1:-1', /port from 0 to 65535/],
    ['tcp://127.0.0.1:http', /port from 0 to 65535/],
    ['tcp://127.0.0.1:', /port from 0 to 65535/],
    ['tcp://127.0.0.1:5555\n', /white space/],
    ['tcp://127.0.0.1:5555,tcp://127.0.0.1:5556', /tcp:\/\/<host>:<port>/],
    ['ipc://', /path/],
    ['ipc://*', /to name a path/],
    [`ipc:///${'a'.repeat(107)}`, /at most 10\d bytes, it has 108/],
    [`ipc:///${'é'.repeat(60)}`, /at most 10\d bytes, it has 121/],
    ['ipc:///a\0b', /without NUL/],
    ['inproc://', /name/],
    ['inproc://a\0b', /without NUL/],
  ];
  for (const [endpoint, says] of bad) {
    it(`refuses ${JSON.stringify(endpoint.slice(0, 40))} and says what is wrong`, () => {
      assert.throws(() => parseEndpoint(endpoint), { name: 'RangeError', message: says });
    });
  }
});

describe('connectProblem', () => {
  it('finds what can be bound but not connected to', () => {
    assert.match(String(connectProblem('tcp://127.0.0.1:*')), /wildcard port/);
    assert.match(String(connectProblem('tcp://127.0.0.1:0')), /wildcard port/);
    assert.match(String(connectProblem('tcp://*:5555')), /address/);
    assert.equal(connectProblem('tcp://localhost:5555'), undefined);
    assert.equal(connectProblem('inproc://x'), undefined);
  });
});

describe('resolvedEndpoint', () => {
  it('is what the socket says for tcp and what was asked for elsewhere', () => {
    assert.equal(resolvedEndpoint('tcp://127.0.0.1:*', 'tcp://127.0.0.1:4711'), 'tcp://127.0.0.1:4711');
    assert.equal(resolvedEndpoint('tcp://127.0.0.1:*', null), 'tcp://127.0.0.1:*');
    assert.equal(resolvedEndpoint('ipc:///tmp/a', 'ipc:///tmp/b'), 'ipc:///tmp/a');
  });
});

describe('probeIpc', () => {
  it('tells a path where somebody listens from a stale one and from none', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tb-'));
    t.after(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const taken = path.join(folder, 'taken');
    const server = createServer((socket) => socket.destroy()).listen(taken);
    await once(server, 'listening');
    assert.equal(await probeIpc(taken), true);
    assert.equal(await probeIpc(path.join(folder, 'none')), false);
    assert.equal(await probeIpc('@abstract'), false, 'the kernel minds those');
    server.close();
    await once(server, 'close');
    assert.equal(await probeIpc(taken), false);
  });
});
