import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageBus } from '../../../src/message-bus.ts';
import { expectAllowed, isBeyondLoopback } from '../../../src/transports/zeromq/bind-rules.ts';
import { curveKeyPair, startForwarder, zeromq } from '../../../src/transports/zeromq/index.ts';
import type { ZeromqOptions } from '../../../src/transports/zeromq/index.ts';
import { checkedSettings } from '../../../src/transports/zeromq/options.ts';

const keys = curveKeyPair();
const server = { ...keys, authorized: 'any' as const };
const client = { ...keys, serverKey: keys.publicKey };

const allowed = (mode: 'bind' | 'connect', endpoint: string, options: ZeromqOptions = {}): void => {
  expectAllowed({ mode, endpoint }, checkedSettings(options));
};

describe('an endpoint', () => {
  const within = [
    'tcp://127.0.0.1:1',
    'tcp://127.1.2.3:1',
    'tcp://localhost:1',
    'tcp://[::1]:1',
    'ipc:///x',
    'inproc://x',
  ];
  const beyond = [
    'tcp://*:1',
    'tcp://0.0.0.0:1',
    'tcp://[::]:1',
    'tcp://10.0.0.1:1',
    'tcp://[fe80::1]:1',
    'tcp://[::ffff:127.0.0.1]:1',
    'tcp://eth0:1',
    'tcp://lo:1',
    'tcp://example.org:1',
    'tcp://127.0.0.1.example.org:1',
    'tcp://localhost.example.org:1',
    'tcp://1270.0.0.1:1',
  ];
  it('is within loopback when it is written as that, else beyond', () => {
    assert.deepEqual(within.filter(isBeyondLoopback), []);
    assert.deepEqual(beyond.filter(isBeyondLoopback), beyond);
  });

  it('beyond loopback is bound only with CURVE or `insecure`, and connected to as it is', () => {
    for (const endpoint of beyond) {
      assert.throws(() => allowed('bind', endpoint), {
        name: 'BusError',
        code: 'INSECURE_BIND',
        retryable: false,
        endpoint,
        message: /curve: \{ server \}.*127\.0\.0\.1.*ipc.*insecure: true/,
      });
      allowed('bind', endpoint, { insecure: true });
      allowed('bind', endpoint, { curve: { server } });
      allowed('connect', endpoint);
    }
    for (const endpoint of within) allowed('bind', endpoint);
  });

  it('is used with CURVE or not at all where CURVE is set up', () => {
    const cases: readonly (readonly ['bind' | 'connect', string, ZeromqOptions, RegExp])[] = [
      ['bind', 'tcp://127.0.0.1:1', { curve: { client } }, /set `curve\.server` to bind/],
      ['connect', 'tcp://127.0.0.1:1', { curve: { server } }, /set `curve\.client` to connect/],
      ['bind', 'inproc://x', { curve: { server } }, /inproc has no CURVE/],
      ['connect', 'inproc://x', { curve: { client } }, /inproc has no CURVE/],
      [
        'connect',
        'tcp://127.0.0.1:2',
        { curve: { client: { ...keys, serverKey: { 'tcp://127.0.0.1:1': keys.publicKey } } } },
        /no key for the endpoint/,
      ],
      // `insecure` is no way around it.
      ['bind', 'tcp://*:1', { insecure: true, curve: { client } }, /set `curve\.server` to bind/],
    ];
    for (const [mode, endpoint, options, message] of cases) {
      assert.throws(() => allowed(mode, endpoint, options), { code: 'UNSUPPORTED', message });
    }
    assert.throws(() => zeromq({ curve: { server } }).checkEndpoint('inproc://x'), RangeError);
  });
});

describe('binding beyond loopback', () => {
  it('rejects the first call of each pattern that binds, and the start of a forwarder', async (t) => {
    const bus = new MessageBus('open', {
      host: '0.0.0.0',
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    t.after(() => bus.close({ timeoutMs: 0 }));
    await assert.rejects(bus.publish('a', 1), { code: 'INSECURE_BIND' });
    bus.pull('a', () => {});
    bus.respond('a', () => 1);
    await assert.rejects(bus.ready({ timeoutMs: 50 }));
    assert.equal(bus.metrics().active_connections, 0);
    await assert.rejects(startForwarder({ in: 'tcp://*:0', out: 'tcp://127.0.0.1:*' }), { code: 'INSECURE_BIND' });
    await assert.rejects(startForwarder({ in: 'tcp://127.0.0.1:*', out: 'tcp://*:0' }), { code: 'INSECURE_BIND' });
  });

  it('works with `insecure: true`', async (t) => {
    // 0.0.0.0 would open the machine of whoever runs the tests: an address of loopback that is not written as one will do.
    const bus = new MessageBus('open', {
      transport: zeromq({ insecure: true }),
      endpoints: { publish: { bind: 'tcp://lo:0' }, pull: { bind: 'tcp://127.0.0.1:*' } },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    t.after(() => bus.close({ timeoutMs: 0 }));
    if (process.platform === 'linux') await bus.publish('a', 1);
    bus.pull('a', () => {});
    assert.ok(bus.describe().links.length > 0);
  });
});
