import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from 'zeromq';
import { sharedContext } from '../../../src/transports/zeromq/context.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import { checkedSettings } from '../../../src/transports/zeromq/options.ts';
import { commonSocketOptions } from '../../../src/transports/zeromq/settings.ts';
import { recordedSpec } from './link-spec.ts';

const tcp = (mode: 'bind' | 'connect', endpoint = 'tcp://127.0.0.1:5555') => recordedSpec({ endpoint, mode }).spec;

describe('the options of zeromq()', () => {
  it('have their documented defaults', () => {
    const { context, ...settings } = checkedSettings();
    assert.equal(context(), sharedContext());
    assert.equal(sharedContext(), sharedContext(), 'one Context for the whole process');
    assert.deepEqual(settings, {
      wire: 'native',
      topic: undefined,
      maxMessageBytes: 67_108_864,
      maxSubscriptions: 100_000,
      backlog: 100,
      ipcMode: 0o600,
      curve: undefined,
      insecure: false,
      limits: { maxFrames: 256, maxRecords: 8192, maxHeaderBytes: 16_384, maxHeaders: 64, maxPayloadBytes: 67_108_864 },
      reconnectMs: 100,
      reconnectMaxMs: 5000,
      handshakeTimeoutMs: 5000,
      connectTimeoutMs: 5000,
      random: Math.random,
    });
  });

  it('reach the sockets', () => {
    const context = new Context();
    const times = { reconnectMs: 1, reconnectMaxMs: 2, handshakeTimeoutMs: 3, connectTimeoutMs: 4 };
    const settings = checkedSettings({ context, maxMessageBytes: 200_000, backlog: 5, ...times });
    const expected = {
      context,
      linger: 100,
      reconnectInterval: 1,
      reconnectMaxInterval: 2,
      handshakeInterval: 3,
      connectTimeout: 4,
      tcpKeepalive: 1,
      tcpKeepaliveIdle: 60,
      tcpKeepaliveInterval: 10,
      tcpKeepaliveCount: 3,
      maxMessageSize: 200_000,
      ipv6: false,
      backlog: 5,
    };
    assert.deepEqual(commonSocketOptions(tcp('bind'), settings), expected);
    const connecting = commonSocketOptions(tcp('connect', 'tcp://[::1]:5555'), settings);
    assert.deepEqual(connecting, { ...expected, maxMessageSize: -1, ipv6: true });
  });

  it('the wire decides what the transport can do', () => {
    assert.equal(zeromq().system, 'zeromq');
    assert.deepEqual(zeromq().features, {
      wire: 'native',
      schemes: ['tcp', 'ipc', 'inproc'],
      subscriberCounts: true,
      ready: true,
      slowSubscribers: ['leave-behind', 'wait', 'drop'],
      peerEvents: true,
    });
    const plain = zeromq({ wire: 'plain' }).features;
    assert.deepEqual([plain.wire, plain.ready], ['plain', false]);
  });

  const bad: readonly (readonly [name: string, options: Record<string, unknown>, message: RegExp])[] = [
    ['an unknown wire', { wire: 'json' }, /Expected `wire` to be 'native' or 'plain', got "json"/],
    [
      'a topic that is neither text nor function',
      { topic: 7 },
      /Expected `topic` to be text or a function, got number/,
    ],
    ['a random that is no function', { random: 0.5 }, /Expected `random` to be a function, got number/],
    ['frames too small for a packet', { maxMessageBytes: 131_071 }, /`maxMessageBytes` to be an integer from 131072/],
    ['frames beyond 2 GiB', { maxMessageBytes: 2 ** 31 }, /to 2147483647, got 2147483648/],
    ['no wait before reconnecting', { reconnectMs: 0 }, /Expected `reconnectMs` to be an integer from 1/],
    ['a last wait below the first', { reconnectMaxMs: 99 }, /Expected `reconnectMaxMs` to be an integer from 100/],
    ['no time for a handshake', { handshakeTimeoutMs: 0 }, /Expected `handshakeTimeoutMs` to be an integer from 1/],
    ['half a millisecond', { connectTimeoutMs: 0.5 }, /Expected `connectTimeoutMs` to be an integer from 0/],
    ['an option that nobody knows', { insecur: true }, /Unknown option `insecur`; did you mean `insecure`\?/],
    ['insecure as text', { insecure: 'yes' }, /Expected `insecure` to be true or false, got string/],
    ['no frame', { maxFrames: 0 }, /Expected `maxFrames` to be an integer from 1 to 65536, got 0/],
    ['more records than a packet can have', { maxRecords: 65_536 }, /Expected `maxRecords` to be an integer from 1/],
    ['fewer than no headers', { maxHeaders: -1 }, /Expected `maxHeaders` to be an integer from 0/],
    ['more header bytes than a record can have', { maxHeaderBytes: 65_536 }, /Expected `maxHeaderBytes` to be/],
    ['no subscription', { maxSubscriptions: 0 }, /Expected `maxSubscriptions` to be an integer from 1/],
    ['no backlog', { backlog: 0 }, /Expected `backlog` to be an integer from 1/],
    ['permissions beyond 0o777', { ipcMode: 0o1000 }, /Expected `ipcMode` to be an integer from 0 to 511/],
  ];
  for (const [name, options, message] of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => zeromq(options),
        (error: Error) => {
          assert.ok(error instanceof TypeError || error instanceof RangeError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});
