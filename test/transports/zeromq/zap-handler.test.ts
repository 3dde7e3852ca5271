import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Context, Dealer, Pull, Push, Router } from 'zeromq';
import { Curve } from '../../../src/transports/zeromq/curve.ts';
import { curveKeyPair } from '../../../src/transports/zeromq/curve-keys.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import { monitorSocket } from '../../../src/transports/zeromq/monitor.ts';
import { leaseZap } from '../../../src/transports/zeromq/zap-handler.ts';
import type { Gatekeeper } from '../../../src/transports/zeromq/zap-handler.ts';
import { bounded, pause, until } from '../conformance/waiting.ts';
import { rawSocket, recordedSpec, settingsFor } from './link-spec.ts';

const TCP = 'tcp://127.0.0.1:*';
const ZAP = 'inproc://zeromq.zap.01';

const server = curveKeyPair();
const client = curveKeyPair();
const { spec: quiet, lines } = recordedSpec({ endpoint: TCP, mode: 'bind' });

/** One for all tests: a Context cannot be closed. */
const context = new Context({ blocky: false });

/** A bound server socket with what it tells, and how to connect to it. */
function bound(t: TestContext, curve: Curve) {
  const { spec, told } = recordedSpec({ endpoint: TCP, mode: 'bind' });
  const pull = rawSocket(
    t,
    new Pull({ context, linger: 0, handshakeInterval: 2000, ...curve.socketOptions('bind', TCP) }),
  );
  const monitor = monitorSocket(pull, spec, settingsFor());
  pull.bindSync(TCP);
  const connect = (keys = client): Push => {
    const push = rawSocket(
      t,
      new Push({
        context,
        linger: 0,
        reconnectInterval: 10,
        handshakeInterval: 2000,
        curvePublicKey: keys.publicKey,
        curveSecretKey: keys.secretKey,
        curveServerKey: server.publicKey,
      }),
    );
    push.connect(pull.lastEndpoint!);
    return push;
  };
  return { pull, monitor, told, connect };
}

const curveFor = (...authorized: string[]): Curve => new Curve({ server: { ...server, authorized } }, 1000);

/** A gatekeeper that records what it is asked. */
class Recorder implements Gatekeeper {
  readonly asked: string[] = [];
  decide(credentials: Buffer, address: string): Promise<'200'> {
    this.asked.push(`${credentials.toString('hex')} ${address}`);
    return Promise.resolve('200');
  }
}

describe('the ZAP handler', () => {
  it('lets in who is authorized, and nobody before it is up or after it is gone', async (t) => {
    const curve = curveFor(client.publicKey);
    const { monitor, told, connect } = bound(t, curve);
    connect();
    await until(() => told.facts.filter((fact) => fact === 'handshakeFailures').length >= 3, 'three refusals');
    assert.equal(monitor.peers, 0, 'no handler');

    const unguard = await curve.guard(context, quiet, () => {});
    await until(() => monitor.peers === 1, 'the client that kept trying');

    await unguard();
    const before = told.facts.length;
    connect();
    await until(() => told.facts.length > before + 2, 'refusals after the handler closed');
    assert.equal(told.connected, 1);
  });

  it('refuses an unlisted key and tells why', async (t) => {
    const curve = curveFor(client.publicKey);
    const unguard = await curve.guard(context, quiet, () => {});
    t.after(unguard);
    const { monitor, told, connect } = bound(t, curve);
    const stranger = curveKeyPair();
    connect(stranger);
    await until(() => told.facts.includes('handshakeFailures'), 'the refusal');
    assert.deepEqual(told.reasons, ['auth_failed']);
    assert.deepEqual(curve.clients?.denials(), [{ publicKey: stranger.publicKey, address: '127.0.0.1', count: 1 }]);
    connect();
    await until(() => monitor.peers === 1, 'the honest one');
  });

  it('asks the gatekeeper of the domain, and denies every other one', async (t) => {
    const recorder = new Recorder();
    const lease = await leaseZap(context, 'mine', recorder, quiet);
    t.after(() => lease.release());
    const asker = rawSocket(t, new Dealer({ context, linger: 0 }));
    asker.connect(ZAP);
    const ask = async (...frames: (string | Buffer)[]): Promise<string> => {
      await asker.send(frames);
      const reply = await bounded(asker.receive(), 'the answer');
      return reply.map(String).join('|');
    };
    const key = Buffer.alloc(32, 1);
    assert.equal(await ask('', '1.0', '7', 'mine', '1.2.3.4', '', 'CURVE', key), '|1.0|7|200|OK||');
    assert.deepEqual(recorder.asked, [`${'01'.repeat(32)} 1.2.3.4`]);
    const denied = '|1.0|7|500|Not understood||';
    assert.equal(await ask('', '1.0', '7', 'theirs', '1.2.3.4', '', 'CURVE', key), denied);
    assert.equal(await ask('', '1.0', '7', '', '1.2.3.4', '', 'CURVE', key), denied);
    assert.equal(await ask('', '2.0', '7', 'mine', '1.2.3.4', '', 'CURVE', key), denied);
    assert.equal(await ask('', '1.0', '7', 'mine', '1.2.3.4', '', 'NULL'), denied);
    assert.equal(await ask('', '1.0', '7', 'mine', '1.2.3.4', '', 'PLAIN', 'user', 'secret'), denied);
    // Not answered, and no harm done.
    await asker.send(['no delimiter', 'x']);
    await asker.send(['']);
    assert.equal(await ask('', '1.0', '7', 'mine', '1.2.3.4', '', 'CURVE', key), '|1.0|7|200|OK||');
    assert.equal(recorder.asked.length, 2);
  });

  it('denies when the gatekeeper breaks, tells of it, and goes on', async (t) => {
    let broken = true;
    const gatekeeper: Gatekeeper = {
      decide: () => (broken ? Promise.reject(new Error('broken')) : Promise.resolve('200')),
    };
    const lease = await leaseZap(context, 'breaks', gatekeeper, quiet);
    t.after(() => lease.release());
    const asker = rawSocket(t, new Dealer({ context, linger: 0, receiveTimeout: 100 }));
    asker.connect(ZAP);
    const request = ['', '1.0', '7', 'breaks', '', '', 'CURVE', Buffer.alloc(32)];
    await asker.send(request);
    assert.equal(String((await bounded(asker.receive(), 'the denial'))[3]), '500');
    assert.ok(lines.some((line) => line.includes('broken')));
    broken = false;
    await asker.send(request);
    assert.equal(String((await bounded(asker.receive(), 'the next'))[3]), '200');
  });

  it('tells once that a callback does not decide, and never what it threw', async (t) => {
    const { spec, lines: said } = recordedSpec({ endpoint: TCP, mode: 'bind' });
    const place = new Context({ blocky: false });
    const curve = new Curve(
      {
        server: {
          ...server,
          authorized: (key) => {
            throw new Error(key);
          },
        },
      },
      1000,
    );
    const unguard = await curve.guard(place, spec, () => {});
    t.after(unguard);
    const pull = rawSocket(t, new Pull({ context: place, linger: 0, ...curve.socketOptions('bind', TCP) }));
    pull.bindSync(TCP);
    for (let index = 0; index < 3; index += 1) {
      const push = rawSocket(
        t,
        new Push({
          linger: 0,
          curvePublicKey: client.publicKey,
          curveSecretKey: client.secretKey,
          curveServerKey: server.publicKey,
        }),
      );
      push.connect(pull.lastEndpoint!);
    }
    await until(() => (curve.clients?.denials()[0]?.count ?? 0) >= 3, 'three denials');
    assert.equal(said.filter((line) => line.includes('curve.server.authorized')).length, 1);
    assert.ok(!said.join('').includes(client.publicKey));
  });

  it('opens once for all who need it, closes with the last, and can be opened again', async () => {
    const place = new Context({ blocky: false });
    for (let round = 0; round < 3; round += 1) {
      const leases = await Promise.all(['a', 'b', 'a'].map((domain) => leaseZap(place, domain, new Recorder(), quiet)));
      await leases[0]!.release();
      await leases[0]!.release();
      const taken = new Router({ context: place, linger: 0 });
      assert.throws(() => taken.bindSync(ZAP), { code: 'EADDRINUSE' });
      taken.close();
      await Promise.all(leases.map((lease) => lease.release()));
    }
  });

  it("refuses a Context that has somebody else's, so that nothing is ever bound under it", async (t) => {
    const place = new Context({ blocky: false });
    const foreign = rawSocket(t, new Router({ context: place, linger: 0 }));
    foreign.bindSync(ZAP);
    const transport = zeromq({ context: place, curve: { server: { ...server, authorized: 'any' } } });
    const { spec } = recordedSpec({ endpoint: TCP, mode: 'bind' });
    await assert.rejects(transport.openPuller({ ...spec, onPacket: () => undefined, onMalformed: () => undefined }), {
      code: 'UNSUPPORTED',
      message: /another ZAP handler/,
    });
    // The name is free later, and then it works.
    foreign.close();
    await pause();
    await until(() => foreign.closed, 'the other handler to close');
  });
});
