import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Push, Subscriber, XPublisher } from 'zeromq';
import { encodeHeaderBlock } from '../../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../../src/core/kinds.ts';
import { encodePacket } from '../../../src/core/packet.ts';
import type { IncomingPacket, ReceiveSpec } from '../../../src/core/transport.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';
import { Sealer, textsOf } from '../conformance/packets.ts';
import { bounded, isReady, until } from '../conformance/waiting.ts';
import { rawSocket, recordedSpec } from './link-spec.ts';
import { benchFor, SCHEMES } from './subjects.ts';

const HEARTBEAT = '_tb.heartbeat';

/** How to open a subscriber with options that the bench does not have. */
function receiving(spec: Parameters<typeof recordedSpec>[0]) {
  const recorded = recordedSpec(spec);
  const receive: ReceiveSpec = {
    ...recorded.spec,
    onPacket: (incoming: IncomingPacket) => {
      recorded.told.packets.push(incoming);
    },
    onMalformed: (error) => {
      recorded.told.malformed.push(error);
    },
  };
  return { ...recorded, spec: receive };
}

for (const scheme of SCHEMES) {
  describe(`publish and subscribe over ${scheme}`, () => {
    it('counts subscribers, not subscriptions: by several prefixes, by several sockets, coming and going', async (t) => {
      const bench = benchFor(t, scheme);
      const { link } = await bench.publisher();
      const { endpoint } = link;
      const counts = (): number[] =>
        ['price.tick', 'price.last', 'other'].map((topic) => link.subscriberCount(topic) ?? -1);
      assert.deepEqual(counts(), [0, 0, 0]);
      const first = await bench.subscriber({ endpoint, patterns: ['price.>', 'price.tick', 'price.tick'] });
      assert.deepEqual(counts(), [1, 1, 0]);
      const second = await bench.subscriber({ endpoint, patterns: ['price.tick', '>'] });
      assert.deepEqual(counts(), [2, 2, 1]);
      first.link.unsubscribe('price.tick');
      first.link.unsubscribe('price.>');
      first.link.unsubscribe('never subscribed');
      second.link.unsubscribe('>');
      await until(() => counts()[2] === 0 && counts()[1] === 0, 'the unsubscriptions');
      assert.deepEqual(counts(), [2, 0, 0]);
      await second.link.close();
      await until(() => counts()[0] === 1, 'the second one to be gone');
      await first.link.close();
      await until(() => counts()[0] === 0, 'the first one to be gone');
    });

    it('ready waits for a publisher that appears later, and 3,000 subscriptions of one turn are all there', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const topics = Array.from({ length: 3000 }, (_, index) => `topic.${String(index)}`);
      const subscriber = await bench.subscriber({ endpoint, patterns: topics, ready: false });
      let ready = false;
      const waiting = isReady(
        (signal) =>
          subscriber.link
            .ready({ signal, publishers: 1 })
            .then(() => (ready = true))
            .then(() => undefined),
        'the publisher',
      );
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(ready, false);
      const publisher = await bench.publisher({ endpoint });
      await waiting;
      for (const topic of topics) await publisher.publish(topic, topic);
      await until(() => subscriber.told.texts.length >= 3000, 'all of them');
      assert.deepEqual(subscriber.told.texts, topics);
      assert.equal(publisher.link.subscriberCount('topic.2999'), 1);
    });

    it('after the publisher restarted, ready answers again and all subscriptions are there', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const topics = Array.from({ length: 3000 }, (_, index) => `topic.${String(index)}`);
      const first = await bench.publisher({ endpoint });
      const { link, told } = await bench.subscriber({ endpoint, patterns: topics });
      await bounded(first.link.close(), 'close');
      const second = await bench.publisher({ endpoint });
      await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the second publisher');
      for (const topic of topics) await second.publish(topic, topic);
      await until(() => told.texts.length >= 3000, 'all of them');
      assert.deepEqual(told.texts, topics);
    });

    it('close rejects a wait for ready, and may come while packets are waiting', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const { link } = await bench.subscriber({ endpoint, patterns: ['a'], ready: false });
      const waiting = link.ready({ signal: new AbortController().signal, publishers: 1 });
      const outcome = assert.rejects(waiting, { name: 'BusError', code: 'CLOSED' });
      await bounded(link.close(), 'close');
      await outcome;
      link.subscribe('b');
      link.unsubscribe('a');
      const publisher = await bench.publisher({ closeLingerMs: 10 });
      await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['a'] });
      const sealer = new Sealer();
      for (let index = 0; index < 20; index += 1) await publisher.link.trySend(sealer.seal('a', 'x'), 0);
      await bounded(publisher.link.close(), 'close with packets on the way');
      await assert.rejects(async () => publisher.link.trySend(sealer.seal('a', 'x'), 0), { code: 'CLOSED' });
    });
  });
}

describe('a publisher', () => {
  it('names the endpoint and the forwarder when its port is taken', async (t) => {
    const bench = benchFor(t, 'tcp');
    const { link } = await bench.publisher();
    await assert.rejects(bench.publisher({ endpoint: link.endpoint }), (error: Error) => {
      assert.match(error.message, /^BIND_FAILED: The port is in use \(endpoint tcp:\/\/127\.0\.0\.1:\d+\)/);
      assert.match(error.message, /npx tracebus forward/);
      return true;
    });
  });

  it('does not steal an ipc path that somebody listens on, and takes a stale one', async (t) => {
    const bench = benchFor(t, 'ipc');
    const first = await bench.publisher();
    const { endpoint } = first.link;
    const { told } = await bench.subscriber({ endpoint, patterns: ['a'] });
    await assert.rejects(bench.publisher({ endpoint }), { code: 'BIND_FAILED', message: /The path is in use/ });
    await first.publish('a', 'still mine');
    await until(() => told.texts.length === 1, 'the packet of the first owner');
    await first.link.close();
    const heir = await bench.publisher({ endpoint });
    assert.equal(heir.link.endpoint, endpoint);
  });

  it('says what it cannot bind, and that a wildcard cannot be connected to', async (t) => {
    const bench = benchFor(t, 'tcp', { insecure: true });
    await assert.rejects(bench.publisher({ endpoint: 'ipc:///no/such/folder/x' }), { code: 'BIND_FAILED' });
    await assert.rejects(bench.publisher({ endpoint: 'tcp://192.0.2.1:5555' }), { code: 'BIND_FAILED' });
    await assert.rejects(bench.publisher({ endpoint: 'tcp://127.0.0.1:*', mode: 'connect' }), {
      code: 'TRANSPORT_FAILED',
      message: /wildcard port/,
    });
    await assert.rejects(bench.publisher({ endpoint: 'tcp://127.0.0.1:99999' }), RangeError);
  });

  it('refuses a frame over maxMessageBytes before it leaves', async (t) => {
    const bench = benchFor(t, 'inproc', { maxMessageBytes: 131_072 });
    const { link, sealer } = await bench.publisher();
    const offer = (bytes: number) => link.trySend(sealer.seal('a', { payload: Buffer.alloc(bytes) }), 0);
    assert.equal(await offer(131_072), true);
    await assert.rejects(async () => offer(131_073), { code: 'MESSAGE_TOO_LARGE', message: /131073 bytes.*131072/ });
  });

  it('logs once when a peer asks for what only a plain subscriber would, and passes over odd probes', async (t) => {
    const probes: string[] = [];
    const { spec, lines } = recordedSpec({ endpoint: 'inproc://noticing', mode: 'bind' });
    const publisher = await zeromq().openPublisher({
      ...spec,
      slowSubscribers: 'wait',
      patienceMs: 250,
      patienceRecoveryMs: 1000,
      onReadyProbe: (topic) => {
        probes.push(topic);
      },
      onSubscribersChanged: () => undefined,
    });
    t.after(() => publisher.close());
    const context = (await import('../../../src/transports/zeromq/context.ts')).sharedContext();
    const sub = rawSocket(t, new Subscriber({ context, linger: 0 }));
    sub.connect(spec.endpoint);
    sub.subscribe('', 'price.', 'price.tick\0', 'größe', 'second', '_tb.ready.x y\0', `_tb.ready.${'x'.repeat(65)}\0`);
    sub.subscribe('_tb.ready.abc-1\0');
    await until(() => probes.length > 0, 'the probe');
    assert.deepEqual(probes, ['_tb.ready.abc-1']);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0]!, /asks for "größe".*wire: 'plain'/);
    assert.equal(publisher.subscriberCount('price.tick'), 0, 'it is none of ours: nobody hears the heartbeats');
  });

  it('that connects is ready when it is connected', async (t) => {
    const bench = benchFor(t, 'tcp');
    const endpoint = await bench.reserve();
    const { link } = await bench.publisher({ endpoint, mode: 'connect' });
    await assert.rejects(link.ready(AbortSignal.abort(new Error('not yet'))), { message: 'not yet' });
    const ready = isReady((signal) => link.ready(signal), 'a subscriber that binds');
    await bench.subscriber({ endpoint, mode: 'bind', ready: false });
    await ready;
  });
});

describe('a subscriber', () => {
  it('drops what it cannot read and goes on', async (t) => {
    const pub = rawSocket(t, new XPublisher({ linger: 0 }));
    pub.bindSync('tcp://127.0.0.1:*');
    const { spec, told } = receiving({ endpoint: pub.lastEndpoint!, mode: 'connect' });
    const link = await zeromq().openSubscriber(spec);
    t.after(() => link.close());
    link.subscribe('>');
    await bounded(pub.receive(), 'the heartbeats');
    await bounded(pub.receive(), 'the subscription');
    const sealed = (text: string) =>
      encodePacket(new Sealer().seal('a', text).records, { epoch: 1, firstSequence: 1, sentAtUs: 0 });
    await pub.send(['no terminator', ...sealed('x')]);
    await pub.send(['a..b\0', ...sealed('x')]);
    await pub.send([Buffer.from([0xff, 0]), ...sealed('x')]);
    await pub.send(['a\0', 'garbage']);
    await pub.send(['a\0']);
    await pub.send(['']);
    await pub.send(['_tb.ready.of-others\0', ...sealed('{}')]);
    await pub.send(['_tb.unknown\0', ...sealed('{}')]);
    await pub.send(['_tb.heartbeat\0', ...sealed('beat')]);
    await pub.send(['a\0', ...sealed('good')]);
    await until(() => told.packets.length >= 2, 'the good ones');
    assert.deepEqual(
      told.packets.map((packet) => [packet.topic, ...textsOf(packet)]),
      [
        [HEARTBEAT, 'beat'],
        ['a', 'good'],
      ],
    );
    assert.deepEqual(
      told.malformed.map(({ reason }) => reason),
      ['topic', 'topic', 'topic', 'magic', 'frames', 'topic'],
    );
  });

  it('goes by the interval that the publisher tells, when that is longer than its own', async (t) => {
    const pub = rawSocket(t, new XPublisher({ linger: 0 }));
    pub.bindSync('tcp://127.0.0.1:*');
    const clock = new ManualClock();
    const { spec, told } = receiving({ endpoint: pub.lastEndpoint!, mode: 'connect', heartbeatMs: 100, clock });
    const link = await zeromq().openSubscriber(spec);
    t.after(() => link.close());
    await bounded(pub.receive(), 'the subscription to heartbeats');
    const headerBlock = encodeHeaderBlock(KIND_NUMBERS.heartbeat, undefined);
    const payload = Buffer.from(JSON.stringify({ id: 'x', ms: 3000, streams: [] }));
    const stamp = { epoch: 1, firstSequence: 1, sentAtUs: 0 };
    await pub.send(['_tb.heartbeat\0', ...encodePacket([{ headerBlock, payload }], stamp)]);
    await until(() => told.packets.length === 1, 'the heartbeat');
    clock.advance(100);
    assert.equal(clock.waits.at(-1), 3000, 'the next look is as late as the next heartbeat');
  });

  it('tells the publishers of a prefix once, however often it is asked for', async (t) => {
    const pub = rawSocket(t, new XPublisher({ linger: 0, verbosity: 'allSubsUnsubs' }));
    pub.bindSync('tcp://127.0.0.1:*');
    const { spec } = receiving({ endpoint: pub.lastEndpoint!, mode: 'connect' });
    const link = await zeromq().openSubscriber(spec);
    t.after(() => link.close());
    for (const pattern of ['a', 'a', 'b.*.c', 'b.>']) link.subscribe(pattern);
    for (const pattern of ['b.>', 'a', 'b.*.c', 'a']) link.unsubscribe(pattern);
    link.subscribe('end');
    const heartbeats = '\u0001_tb.heartbeat\0';
    const seen: string[] = [];
    while (!seen.includes(heartbeats)) seen.push(String((await bounded(pub.receive(), 'the next one'))[0]));
    // Heartbeats last: what they tell of was asked for before them.
    assert.deepEqual(seen, ['\u0001a\0', '\u0001b.', '\u0000b.', '\u0000a\0', '\u0001end\0', heartbeats]);
  });

  it('asks again with fresh topics when an echo was lost, until its signal ends it', async (t) => {
    const pub = rawSocket(t, new XPublisher({ linger: 0 }));
    pub.bindSync('tcp://127.0.0.1:*');
    const clock = new ManualClock();
    const { spec } = receiving({ endpoint: pub.lastEndpoint!, mode: 'connect', clock });
    const link = await zeromq().openSubscriber(spec);
    t.after(() => link.close());
    await bounded(pub.receive(), 'the heartbeats');
    const control = new AbortController();
    const waiting = link.ready({ signal: control.signal, publishers: 1 });
    const outcome = assert.rejects(waiting, { message: 'enough' });
    const asked: string[] = [];
    const next = async (): Promise<string> => String((await bounded(pub.receive(), 'a probe'))[0]);
    for (const waitMs of [500, 1000, 2000, 4000, 4000]) {
      asked.push(await next());
      assert.match(asked.at(-1)!.slice(1, -1), /^_tb\.ready\.[0-9a-f-]{36}$/);
      clock.advance(waitMs - 1);
      clock.advance(1);
    }
    asked.push(await next());
    assert.equal(new Set(asked).size, 6);
    control.abort(new Error('enough'));
    await outcome;
    const givenUp: string[] = [];
    for (const _ of asked) givenUp.push((await next()).replace('\u0000', '\u0001'));
    assert.deepEqual(givenUp, asked);
  });

  it('connects again when a publisher that was heard falls silent on an open connection', async (t) => {
    const bench = benchFor(t, 'tcp');
    const publisher = await bench.publisher();
    const port = Number(publisher.link.endpoint.split(':').at(-1));
    const pairs: [Socket, Socket][] = [];
    const proxy = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      for (const one of [near, far]) one.on('error', () => {});
      near.pipe(far).pipe(near);
      pairs.push([near, far]);
    }).listen(0, '127.0.0.1');
    t.after(() => {
      for (const one of pairs.flat()) one.destroy();
      proxy.close();
    });
    await once(proxy, 'listening');
    const clock = new ManualClock();
    const endpoint = `tcp://127.0.0.1:${String((proxy.address() as { port: number }).port)}`;
    const { spec, told } = receiving({ endpoint, mode: 'connect', clock, heartbeatMs: 1000 });
    const link = await zeromq({ reconnectMs: 5, reconnectMaxMs: 40 }).openSubscriber(spec);
    t.after(() => link.close());
    link.subscribe('a');
    await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the publisher');
    const beat = (): void => clock.advance(1000);
    for (let beats = 0; beats < 3; beats += 1) beat();
    await publisher.publish(HEARTBEAT, { kind: 'heartbeat', payload: '{}' });
    await until(() => told.packets.length === 1, 'a heartbeat');
    for (let beats = 0; beats < 3; beats += 1) beat();
    assert.deepEqual(told.facts, [], 'three are not enough');
    // The cable is cut: nothing goes through any more, and nobody is told.
    for (const [near, far] of pairs.splice(0)) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
    beat();
    assert.deepEqual(told.facts, ['reconnects']);
    await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the new connection');
    await publisher.publish('a', 'here again');
    await until(() => told.texts.length === 1, 'the message');
    assert.deepEqual([told.connected, told.disconnected, told.facts.length], [2, 1, 1]);
  });

  it('on the plain wire asks for prefixes without a terminator, and has no ready', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const publisher = await bench.publisher();
    const { endpoint } = publisher.link;
    const { link, told } = await bench.subscriber({ endpoint, patterns: ['price.tick', 'state.>'], ready: false });
    const refused = link.ready({ signal: new AbortController().signal, publishers: 1 });
    await assert.rejects(refused, { code: 'UNSUPPORTED' });
    await until(() => publisher.link.subscriberCount('state.x') === 1, 'the subscriptions');
    assert.equal(publisher.link.subscriberCount('price.tick'), 1);
    assert.equal(publisher.link.subscriberCount('other'), 0);
    const foreign = rawSocket(t, new Subscriber());
    foreign.subscribe('price');
    foreign.connect(endpoint);
    await until(() => publisher.link.subscriberCount('price.tick') === 2, 'the foreign one');
    await publisher.publish('price.tick', '{"a":1}', '{"a":2}');
    assert.deepEqual((await bounded(foreign.receive(), 'it')).map(String), ['price.tick', '{"a":1}']);
    assert.deepEqual((await bounded(foreign.receive(), 'it')).map(String), ['price.tick', '{"a":2}']);
    await until(() => told.texts.length === 2, 'both');
    assert.deepEqual(told.texts, ['{"a":1}', '{"a":2}']);
  });
});

describe('the life of a process', () => {
  it('ends by itself when its links are closed, and when a message could not be delivered', async () => {
    const script = `
      import { zeromq } from './src/transports/zeromq/index.ts';
      import { systemClock } from './src/core/clock.ts';
      const events = { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} };
      const spec = { endpoint: 'tcp://127.0.0.1:*', mode: 'bind', hwmPackets: 10, closeLingerMs: 50, heartbeatMs: 1000,
        clock: systemClock, logger: console, events, slowSubscribers: 'wait', patienceMs: 10, patienceRecoveryMs: 10,
        onReadyProbe() {}, onSubscribersChanged() {}, onPacket() {}, onMalformed() {}, onRequest() {}, onPeerGone() {} };
      const transport = zeromq();
      const publisher = await transport.openPublisher(spec);
      const endpoint = publisher.endpoint;
      const subscriber = await transport.openSubscriber({ ...spec, mode: 'connect', endpoint });
      subscriber.subscribe('a');
      const lost = await transport.openSubscriber({ ...spec, mode: 'connect', endpoint: 'tcp://127.0.0.1:1' });
      const inproc = await transport.openPublisher({ ...spec, endpoint: 'inproc://x' });
      const inside = await transport.openSubscriber({ ...spec, mode: 'connect', endpoint: 'inproc://x' });
      for (const link of [publisher, subscriber, lost, inproc, inside]) await link.close();
      console.log('closed');
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    try {
      const [code] = (await bounded(once(child, 'exit'), 'the process to end')) as [number | null];
      assert.deepEqual([code, output.trim()], [0, 'closed']);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('survives a peer of the wrong type at a bound publisher', async (t) => {
    const bench = benchFor(t, 'tcp');
    const publisher = await bench.publisher();
    const push = rawSocket(t, new Push({ linger: 0 }));
    push.connect(publisher.link.endpoint);
    const { told } = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['a'] });
    await publisher.publish('a', 'one');
    await until(() => told.texts.length === 1, 'the message');
    assert.equal(publisher.told.connected, 1);
  });
});
