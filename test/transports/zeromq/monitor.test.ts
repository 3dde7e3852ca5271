import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { Pull, Push, Subscriber, XPublisher } from 'zeromq';
import { rebind } from '../../../src/transports/zeromq/attach.ts';
import { closeSocket } from '../../../src/transports/zeromq/context.ts';
import { monitorSocket } from '../../../src/transports/zeromq/monitor.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';
import { bounded, until } from '../conformance/waiting.ts';
import { bindRaw, rawSocket, recordedSpec, settingsFor } from './link-spec.ts';

const TCP = 'tcp://127.0.0.1:*';
const settings = settingsFor();

describe('the monitor', () => {
  it('counts peers on both sides as they come and go', async (t) => {
    const pull = rawSocket(t, new Pull());
    const bound = recordedSpec({ endpoint: TCP, mode: 'bind' });
    const atPull = monitorSocket(pull, bound.spec, settings);
    pull.bindSync(TCP);
    const endpoint = pull.lastEndpoint!;
    const push = rawSocket(t, new Push({ linger: 0 }));
    const connected = recordedSpec({ endpoint, mode: 'connect' });
    const atPush = monitorSocket(push, connected.spec, settings);
    push.connect(endpoint);
    await bounded(atPush.connected(new AbortController().signal), 'the connection');
    await until(() => atPull.peers === 1, 'the peer at the binding side');
    await bounded(atPush.connected(new AbortController().signal), 'a second wait, at once');

    const second = rawSocket(t, new Push({ linger: 0 }));
    second.connect(endpoint);
    await until(() => atPull.peers === 2, 'the second peer');
    second.close();
    await until(() => atPull.peers === 1, 'it to leave');
    pull.close();
    await until(() => atPush.peers === 0, 'the binding side to be gone');
    assert.deepEqual([bound.told.connected, bound.told.disconnected], [2, 2]);
    assert.deepEqual([connected.told.connected, connected.told.disconnected], [1, 1]);
  });

  for (const kind of ['reads', 'only sends'] as const)
    it(`counts no peer any more when the listener of a socket that ${kind} is closed to drop them all, and those that come back`, async (t) => {
      const pull = rawSocket(t, kind === 'reads' ? new Pull({ linger: 0 }) : new Push({ linger: 0, sendTimeout: 0 }));
      if (pull instanceof Pull) pull.receive().catch(() => {});
      const { spec, told } = recordedSpec({ endpoint: TCP, mode: 'bind' });
      const monitor = monitorSocket(pull, spec, settings);
      pull.bindSync(TCP);
      const endpoint = pull.lastEndpoint!;
      for (let index = 0; index < 3; index += 1) {
        const options = { linger: 0, reconnectInterval: 5 };
        rawSocket(t, kind === 'reads' ? new Push(options) : new Pull(options)).connect(endpoint);
      }
      await until(() => monitor.peers === 3, 'three peers');
      await rebind(pull, endpoint, 0o600);
      await until(() => told.disconnected === 3, 'all three to be dropped');
      await until(() => monitor.peers === 3, 'all three to be back');
      assert.deepEqual([told.connected, told.disconnected], [6, 3]);
    });

  it('counts no connection that never shakes hands, and tells of handshakes that fail', async (t) => {
    const pull = rawSocket(t, new Pull());
    const { spec, told, lines } = recordedSpec({ endpoint: TCP, mode: 'bind' });
    const monitor = monitorSocket(pull, spec, settings);
    pull.bindSync(TCP);
    const port = Number(pull.lastEndpoint!.split(':').at(-1));
    const silent = connect(port, '127.0.0.1');
    await once(silent, 'connect');
    const push = rawSocket(t, new Push({ linger: 0 }));
    push.connect(pull.lastEndpoint!);
    await until(() => monitor.peers === 1, 'the real peer');
    silent.destroy();
    // A signature and version of ZMTP 3, and then a security mechanism that does not exist.
    const rude = connect(port, '127.0.0.1');
    rude.on('error', () => {});
    rude.write(Buffer.concat([Buffer.from('ff00000000000000017f0300', 'hex'), Buffer.from('NOSUCH'.padEnd(52, '\0'))]));
    await until(() => told.facts.includes('handshakeFailures'), 'the failed handshake');
    rude.destroy();
    assert.ok(lines.some((line) => line.includes('handshake failed')));
    assert.deepEqual(new Set(told.reasons), new Set(['handshake_failed']));
    assert.deepEqual([monitor.peers, told.connected, told.disconnected], [1, 1, 0]);
  });

  it('repairs a connecting socket that met a peer of the wrong type and would never connect again', async (t) => {
    const wrong = rawSocket(t, new Pull());
    wrong.bindSync(TCP);
    const endpoint = wrong.lastEndpoint!;
    const wrongEvents = wrong.events;
    const sub = rawSocket(t, new Subscriber());
    sub.subscribe('');
    const { spec, told } = recordedSpec({ endpoint, mode: 'connect' });
    const monitor = monitorSocket(sub, spec, settings);
    sub.connect(endpoint);
    for (let event = await wrongEvents.receive(); event.type !== 'disconnect';) event = await wrongEvents.receive();
    wrong.close();
    const right = rawSocket(t, new XPublisher({ linger: 0 }));
    await bindRaw(right, endpoint);
    await bounded(monitor.connected(new AbortController().signal), 'the right peer');
    assert.ok(told.facts.includes('reconnects'));
    await bounded(right.receive(), 'the subscription');
    await right.send('hello');
    assert.equal(String(await bounded(sub.receive(), 'the message')), 'hello');
  });

  it('repairs a receiver that went deaf over a message larger than it takes, also while a receive is pending', async (t) => {
    const pub = rawSocket(t, new XPublisher({ linger: 0, verbosity: 'allSubs' }));
    pub.bindSync(TCP);
    const endpoint = pub.lastEndpoint!;
    const sub = rawSocket(t, new Subscriber({ maxMessageSize: 1000 }));
    sub.subscribe('');
    const { spec, told } = recordedSpec({ endpoint, mode: 'connect' });
    monitorSocket(sub, spec, settings);
    sub.connect(endpoint);
    await bounded(pub.receive(), 'the subscription');
    const receiving = sub.receive();
    await pub.send(Buffer.alloc(2000));
    await until(() => told.facts.includes('reconnects'), 'the repair');
    // What comes first may be the end of the old connection's subscription.
    for (let change = 0; change !== 1;) [[change = 0] = []] = await bounded(pub.receive(), 'the subscription after it');
    await pub.send('small');
    assert.equal(String(await bounded(receiving, 'the message')), 'small');
    await until(() => told.connected === 2, 'the monitor, which may hear of the connection after its message');
    assert.deepEqual([told.connected, told.disconnected], [2, 1]);
  });

  it('leaves alone what libzmq repairs itself', async (t) => {
    const first = rawSocket(t, new Pull());
    first.bindSync(TCP);
    const endpoint = first.lastEndpoint!;
    const push = rawSocket(t, new Push({ linger: 0, reconnectInterval: 5 }));
    const clock = new ManualClock();
    const { spec, told } = recordedSpec({ endpoint, mode: 'connect', clock });
    const monitor = monitorSocket(push, spec, settings);
    push.connect(endpoint);
    await until(() => monitor.peers === 1, 'the connection');
    first.close();
    await until(() => told.disconnected === 1, 'its end');
    await until(() => clock.pending === 0, 'libzmq to say that it tries again');
    await bindRaw(rawSocket(t, new Pull()), endpoint);
    await until(() => monitor.peers === 1, 'the connection to be back');
    assert.deepEqual(told.facts, []);
  });

  it('waits longer before each repair, up to reconnectMaxMs', async (t) => {
    const wrong = rawSocket(t, new Pull());
    wrong.bindSync(TCP);
    const endpoint = wrong.lastEndpoint!;
    const sub = rawSocket(t, new Subscriber());
    const clock = new ManualClock();
    const { spec, told } = recordedSpec({ endpoint, mode: 'connect', clock });
    monitorSocket(sub, spec, settingsFor({ reconnectMs: 100, reconnectMaxMs: 1000, random: () => 1 }));
    sub.connect(endpoint);
    for (let repairs = 0; repairs < 6; repairs += 1) {
      await until(() => clock.pending === 1, 'the socket to go deaf');
      clock.advance(clock.waits.at(-1)!);
      assert.equal(told.facts.length, repairs + 1);
    }
    assert.deepEqual(clock.waits.slice(0, 6), [250, 450, 650, 1050, 1250, 1250]);
  });

  it('watches nothing over inproc, and says so', async (t) => {
    const { spec, told } = recordedSpec({ endpoint: 'inproc://unwatched', mode: 'bind' });
    const socket = rawSocket(t, new Pull());
    const monitor = monitorSocket(socket, spec, settings);
    socket.bindSync(spec.endpoint);
    assert.equal(monitor.available, false);
    assert.equal(monitor.peers, 0);
    await bounded(monitor.ended, 'what has never begun');
    await assert.rejects(monitor.connected(AbortSignal.abort(new Error('enough'))), { message: 'enough' });
    assert.equal(told.total, 0);
  });

  it('rejects a wait for a peer with the reason of its signal', async (t) => {
    const socket = rawSocket(t, new Pull());
    const { spec } = recordedSpec({ endpoint: TCP, mode: 'bind' });
    const monitor = monitorSocket(socket, spec, settings);
    socket.bindSync(TCP);
    const control = new AbortController();
    const waiting = monitor.connected(control.signal);
    control.abort(new Error('no longer'));
    await assert.rejects(waiting, { message: 'no longer' });
  });

  it('tells nothing after stop, sets no timer, and ends with its socket', async () => {
    const pull = new Pull();
    const clock = new ManualClock();
    pull.bindSync(TCP);
    const push = new Push({ linger: 0 });
    const { spec, told } = recordedSpec({ endpoint: pull.lastEndpoint!, mode: 'connect', clock });
    const monitor = monitorSocket(push, spec, settings);
    push.connect(pull.lastEndpoint!);
    await until(() => monitor.peers === 1, 'the connection');
    monitor.stop();
    const before = told.total;
    await closeSocket(pull, []);
    await bounded(closeSocket(push, [monitor.ended]), 'the end of the monitor');
    monitor.reconnect();
    assert.equal(told.total, before);
    assert.equal(clock.pending, 0);
  });
});
