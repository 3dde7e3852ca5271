import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import { MessageBus } from '../../../src/message-bus.ts';
import { Curve } from '../../../src/transports/zeromq/curve.ts';
import type { CurveOptions } from '../../../src/transports/zeromq/curve.ts';
import { curveKeyPair, zeromq } from '../../../src/transports/zeromq/index.ts';
import { checkedSettings } from '../../../src/transports/zeromq/options.ts';
import { commonSocketOptions } from '../../../src/transports/zeromq/settings.ts';
import { recordedSpec } from './link-spec.ts';

const own = curveKeyPair();
const other = curveKeyPair();
const ENDPOINT = 'tcp://127.0.0.1:5555';
const both: CurveOptions = {
  server: { ...own, authorized: [other.publicKey] },
  client: { ...own, serverKey: other.publicKey },
};

describe('the option `curve`', () => {
  it('has the keys named among the things to check where a server does not answer, and only to who connects', async (t) => {
    const server = new MessageBus('server', {
      endpoints: { respond: { bind: 'tcp://127.0.0.1:*' } },
      transport: zeromq({ curve: { server: { ...own, authorized: 'any' } } }),
      logLevel: 'silent',
    });
    t.after(() => server.close());
    server.respond('a', () => 1);
    await server.ready();
    const endpoint = server.describe().links[0]!.address!;
    const keys = /server's public key.*this client's entry in its `authorized`/;
    const client = new MessageBus('client', {
      endpoints: { request: { connect: [endpoint] } },
      transport: zeromq({ curve: { client: { ...other, serverKey: other.publicKey } } }),
      logLevel: 'silent',
    });
    t.after(() => client.close());
    await assert.rejects(client.request('a', 1, { timeoutMs: 100 }), { code: 'SEND_TIMEOUT', message: keys });
    await assert.rejects(client.ready({ timeoutMs: 50 }), { code: 'NOT_READY', message: keys });
    assert.equal(zeromq({ curve: { server: { ...own, authorized: 'any' } } }).connectHint, undefined);
    assert.equal(zeromq().connectHint, undefined);
  });

  it('reaches the sockets: those that bind are servers under an enforced domain, those that connect are clients', () => {
    const settings = checkedSettings({ curve: both });
    const { zapDomain, ...bound } = commonSocketOptions(
      recordedSpec({ endpoint: ENDPOINT, mode: 'bind' }).spec,
      settings,
    ) as { zapDomain?: string; curveServer?: boolean; curveSecretKey?: string; zapEnforceDomain?: boolean };
    assert.ok(zapDomain !== undefined && zapDomain.length > 10);
    assert.deepEqual([bound.curveServer, bound.zapEnforceDomain, bound.curveSecretKey], [true, true, own.secretKey]);
    const connecting = commonSocketOptions(recordedSpec({ endpoint: ENDPOINT, mode: 'connect' }).spec, settings);
    assert.deepEqual(
      Object.entries(connecting).filter(([name]) => /curve|zap/i.test(name)),
      Object.entries({
        curvePublicKey: own.publicKey,
        curveSecretKey: own.secretKey,
        curveServerKey: other.publicKey,
      }),
    );
  });

  it('gives each set-up a domain of its own', () => {
    const domain = (): unknown => {
      const options = new Curve(both, 1000).socketOptions('bind', ENDPOINT);
      return 'zapDomain' in options ? options.zapDomain : undefined;
    };
    assert.notEqual(domain(), domain());
  });

  it('takes a server key for each endpoint', () => {
    const curve = new Curve({ client: { ...own, serverKey: { [ENDPOINT]: other.publicKey } } }, 1000);
    assert.equal(curve.fault('connect', ENDPOINT), undefined);
    assert.match(curve.fault('connect', 'tcp://127.0.0.1:5556') ?? '', /no key for the endpoint/);
    assert.match(curve.fault('connect', 'constructor') ?? '', /no key for the endpoint/);
    assert.throws(() => curve.socketOptions('connect', 'tcp://127.0.0.1:5556'), TypeError);
    assert.throws(() => curve.socketOptions('bind', ENDPOINT), TypeError);
  });

  const short = own.secretKey.slice(1);
  const bad: Readonly<Record<string, unknown>> = {
    'no object': 'curve',
    null: null,
    'nothing in it': {},
    'an option that nobody knows': { ...both, authorised: [] },
    'a misspelt option of the server': { server: { ...own, authorised: [] } },
    'a server without `authorized`': { server: own },
    'a server without keys': { server: { authorized: 'any' } },
    'a server with a short secret key': { server: { ...own, secretKey: short, authorized: 'any' } },
    'a server with keys of two pairs': { server: { ...own, publicKey: other.publicKey, authorized: 'any' } },
    'a server with a bad client key': { server: { ...own, authorized: [short] } },
    'a client without a server key': { client: own },
    'a client with a short server key': { client: { ...own, serverKey: short } },
    'a client with a bad server key for an endpoint': { client: { ...own, serverKey: { [ENDPOINT]: short } } },
    'a client whose server key is null': { client: { ...own, serverKey: null } },
    'a client with swapped keys': {
      client: { publicKey: own.secretKey, secretKey: own.publicKey, serverKey: other.publicKey },
    },
  };
  for (const [name, curve] of Object.entries(bad)) {
    it(`refuses ${name}, and shows no key`, () => {
      assert.throws(
        () => zeromq({ curve: curve as CurveOptions }),
        (error: Error) => {
          assert.ok(error instanceof TypeError, error.message);
          for (const part of [own.secretKey, own.publicKey, other.publicKey, short]) {
            assert.ok(!inspect(error).includes(part.slice(0, 12)), error.message);
          }
          return true;
        },
      );
    });
  }

  it('shows no key however the bus, the transport and the settings are printed', async (t) => {
    const transport = zeromq({ curve: both });
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    const bus = new MessageBus('secretive', {
      transport,
      endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } },
      logger: { debug: write, info: write, warn: write, error: write },
      logLevel: 'debug',
    });
    t.after(() => bus.close({ timeoutMs: 0 }));
    await bus.publish('a', 1);
    const printed = [bus, transport, checkedSettings({ curve: both }), bus.describe(), transport.curveClients]
      .map((one) => inspect(one, { depth: 20, showHidden: true, getters: true }) + JSON.stringify([one]))
      .concat(lines)
      .join('\n');
    for (const key of [own.secretKey, own.publicKey, other.publicKey]) assert.ok(!printed.includes(key));
  });
});
