import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Dealer, Publisher, Pull, Push, Reply, Request, Subscriber } from 'zeromq';
import { KINDS_BY_NUMBER } from '../../../src/core/kinds.ts';
import { PacketError } from '../../../src/core/packet-error.ts';
import { DEFAULT_PACKET_LIMITS, packetLimits } from '../../../src/core/packet-layout.ts';
import type { IncomingPacket, Peer } from '../../../src/core/transport.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import {
  decodePlainPublish,
  decodePlainPush,
  decodePlainReply,
  decodePlainRequest,
  encodePlainPublish,
  encodePlainPush,
  encodePlainReply,
  encodePlainRequest,
} from '../../../src/transports/zeromq/plain.ts';
import { Sealer } from '../conformance/packets.ts';
import type { RecordInit } from '../conformance/packets.ts';
import { handOver, until } from '../conformance/waiting.ts';
import { benchFor, SCHEMES } from './subjects.ts';

const LIMITS = DEFAULT_PACKET_LIMITS;
const buffers = (...texts: (string | Buffer)[]): Buffer[] => texts.map((text) => Buffer.from(text));
const record = (init: RecordInit) => new Sealer().seal(undefined, init).records[0]!;
const shapeOf = ({ topic, packet }: IncomingPacket) => {
  assert.deepEqual([packet.epoch, packet.firstSequence, packet.sentAtUs, packet.records.length], [0, 0, 0, 1]);
  const [one] = packet.records;
  return [topic, KINDS_BY_NUMBER[one!.kind], { ...one!.headers.toObject() }, one!.payload.toString()];
};
const textsIn = (frames: readonly Uint8Array[]): string[] => frames.map((frame) => Buffer.from(frame).toString());

function malformed(reason: string, decode: () => unknown): void {
  assert.throws(decode, (error) => {
    assert.ok(error instanceof PacketError, String(error));
    assert.equal(error.reason, reason);
    return true;
  });
}

describe('plain frames', () => {
  it('are [topic, payload] for publish', () => {
    assert.deepEqual(textsIn(encodePlainPublish('price.tick', record({ payload: '1' }))), ['price.tick', '1']);
    assert.deepEqual(shapeOf(decodePlainPublish(buffers('price.tick', '1'), LIMITS)), [
      'price.tick',
      'message',
      {},
      '1',
    ]);
    const bad = [[], ['a'], ['a', 'b', 'c']];
    for (const texts of bad) malformed('frames', () => decodePlainPublish(buffers(...texts), LIMITS));
    for (const topic of ['', 'a..b', 'a\0', 'price.*', 'x'.repeat(256)]) {
      malformed('topic', () => decodePlainPublish(buffers(topic, '1'), LIMITS));
    }
    malformed('topic', () => decodePlainPublish([Buffer.from([0xff]), Buffer.from('1')], LIMITS));
  });

  it('are [payload] for push, which the option names', () => {
    assert.deepEqual(textsIn(encodePlainPush(record({ payload: '[1]' }))), ['[1]']);
    const named = (topic: unknown) => decodePlainPush(buffers('{"kind":"alert"}'), topic as string, LIMITS);
    assert.deepEqual(shapeOf(named('results')), [undefined, 'message', { topic: 'results' }, '{"kind":"alert"}']);
    const byKind = (body: unknown) => `results.${(body as { kind: string }).kind}`;
    assert.deepEqual(shapeOf(named(byKind))[2], { topic: 'results.alert' });
    malformed('topic', () => named(() => 'a..b'));
    malformed('topic', () => named(() => undefined));
    malformed('topic', () => named(() => assert.fail('no topic for this one')));
    malformed('topic', () => decodePlainPush(buffers('no JSON'), () => 'x', LIMITS));
    assert.deepEqual(
      shapeOf(decodePlainPush(buffers('no JSON'), 'x', LIMITS))[3],
      'no JSON',
      'a fixed name reads nothing',
    );
    for (const texts of [[], ['a', 'b']]) malformed('frames', () => decodePlainPush(buffers(...texts), 'x', LIMITS));
  });

  it('are [id, empty, payload] for requests and replies', () => {
    const request = record({ kind: 'request', headers: { topic: 'state', correlation: 'c1' }, payload: '{}' });
    assert.deepEqual(textsIn(encodePlainRequest(request)), ['c1', '', '{}']);
    assert.throws(() => encodePlainRequest(record({ kind: 'request', payload: '' })), { code: 'INVALID_HEADER' });
    assert.deepEqual(shapeOf(decodePlainReply(buffers('c1', '', '{}'), LIMITS)), [
      undefined,
      'reply',
      { correlation: 'c1' },
      '{}',
    ]);
    const bad = [[], ['c1'], ['c1', ''], ['', 'x'], ['c1', 'x', '{}'], ['c1', '', '{}', '{}']];
    for (const texts of bad) malformed('frames', () => decodePlainReply(buffers(...texts), LIMITS));
    malformed('header-value', () => decodePlainReply([Buffer.from([0xff]), ...buffers('', '{}')], LIMITS));
    malformed('header-value', () => decodePlainReply(buffers('x'.repeat(1025), '', '{}'), LIMITS));
  });

  it('of a request at a responder get the topic and the way back as headers', () => {
    const options = { naming: 'state', limits: LIMITS };
    assert.deepEqual(shapeOf(decodePlainRequest(buffers('{}'), '1.abc', options)), [
      undefined,
      'request',
      { topic: 'state', correlation: '1.abc' },
      '{}',
    ]);
    for (const texts of [[], ['{}', '{}']]) {
      malformed('frames', () => decodePlainRequest(buffers(...texts), '1', options));
    }
  });

  it('carry an error reply as an object with code and message', () => {
    const error = (code: string, payload: string) =>
      record({ kind: 'error', headers: { 'error-code': code }, payload });
    const sent = (code: string, payload: string): unknown =>
      JSON.parse(Buffer.from(encodePlainReply(error(code, payload))).toString());
    assert.deepEqual(sent('NO_HANDLER', '{"message":"nobody"}'), { error: { code: 'NO_HANDLER', message: 'nobody' } });
    assert.deepEqual(sent('HANDLER_FAILED', '{"code":"E_STOCK","message":"sold"}'), {
      error: { code: 'E_STOCK', message: 'sold' },
    });
    assert.deepEqual(sent('EXPIRED', '"text"'), { error: { code: 'EXPIRED', message: 'text' } });
    assert.deepEqual(sent('EXPIRED', 'no JSON'), { error: { code: 'EXPIRED', message: 'EXPIRED' } });
    assert.deepEqual(sent('HANDLER_FAILED', '{"code":"two words"}'), {
      error: { code: 'HANDLER_FAILED', message: 'HANDLER_FAILED' },
    });
    assert.equal(
      Buffer.from(encodePlainReply(record({ kind: 'reply', payload: '{"error":1}' }))).toString(),
      '{"error":1}',
    );
  });

  it('are read as an error only when the body is exactly an error object', () => {
    const read = (body: string) => shapeOf(decodePlainReply(buffers('c', '', body), LIMITS)).slice(1);
    assert.deepEqual(read('{"error":{"code":"NO_HANDLER","message":"nobody"}}'), [
      'error',
      { correlation: 'c', 'error-code': 'NO_HANDLER' },
      '{"message":"nobody"}',
    ]);
    assert.deepEqual(read(' {\n "error": {"message": "sold", "code": "E_STOCK", "more": 1}}'), [
      'error',
      { correlation: 'c', 'error-code': 'E_STOCK' },
      '{"code":"E_STOCK","message":"sold"}',
    ]);
    const ordinary = [
      '{"error":null}',
      '{"error":"text"}',
      '{"error":{"code":"X"}}',
      '{"error":{"code":1,"message":"m"}}',
      '{"error":{"code":"two words","message":"m"}}',
      '{"error":{"code":"X","message":"m"},"data":1}',
      '{"data":1,"error":{"code":"X","message":"m"}}',
      '{"error":{"code":"X","message":"m"}',
      '[{"error":{"code":"X","message":"m"}}]',
      '',
    ];
    for (const body of ordinary) assert.deepEqual(read(body), ['reply', { correlation: 'c' }, body]);
  });

  it('over the limit are refused', () => {
    const limits = packetLimits({ maxPayloadBytes: 3 });
    malformed('payload-length', () => decodePlainPublish(buffers('a', '1234'), limits));
    malformed('payload-length', () => decodePlainPush(buffers('1234'), 'x', limits));
    malformed('payload-length', () => decodePlainReply(buffers('c', '', '1234'), limits));
    assert.equal(shapeOf(decodePlainPush(buffers('123'), 'x', limits))[3], '123');
  });

  it('of random bytes are read or refused, and nothing else happens', () => {
    let seed = 1;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const naming = (body: unknown) => (body as { topic: string }).topic;
    let refused = 0;
    for (let round = 0; round < 5000; round++) {
      const frames = Array.from({ length: random(5) }, () =>
        Buffer.from(Array.from({ length: random(6) }, () => (random(4) === 0 ? random(256) : 97 + random(4)))),
      );
      for (const decode of [
        () => decodePlainPublish(frames, LIMITS),
        () => decodePlainPush(frames, naming, LIMITS),
        () => decodePlainReply(frames, LIMITS),
        () => decodePlainRequest(frames, '1', { naming, limits: LIMITS }),
      ]) {
        try {
          decode();
        } catch (error) {
          assert.ok(error instanceof PacketError, String(error));
          refused += 1;
        }
      }
    }
    assert.ok(refused > 5000 && refused < 20_000, `${refused} refused`);
  });
});

function closing<S extends { close(): void }>(t: TestContext, socket: S): S {
  t.after(() => socket.close());
  return socket;
}

/** Answers with the body, or with an error for the body "fail". */
function answer({ packet }: IncomingPacket, peer: Peer): void {
  for (const { headers, payload } of packet.records) {
    const correlation = headers.getText('correlation') ?? '';
    const fails = payload.toString() === '"fail"';
    const reply: RecordInit = fails
      ? { kind: 'error', headers: { correlation, 'error-code': 'NO_HANDLER' }, payload: '{"message":"nobody"}' }
      : { kind: 'reply', headers: { correlation }, payload };
    void handOver(peer, new Sealer().seal(undefined, reply)).catch(() => {});
  }
}

const requestOf = (correlation: string, payload: string) =>
  new Sealer().seal(undefined, { kind: 'request', headers: { topic: 'state', correlation }, payload });

describe('the plain wire', () => {
  it('publishes to a SUB and subscribes to a PUB', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const publisher = await bench.publisher();
    const sub = closing(t, new Subscriber({ linger: 0, receiveTimeout: 8000 }));
    sub.connect(publisher.link.endpoint);
    sub.subscribe('price.');
    await until(
      () => publisher.told.changes > 0,
      () => 'the subscription',
    );
    await publisher.publish('price.tick', '{"p":1}', '{"p":2}');
    assert.deepEqual(
      [textsIn(await sub.receive()), textsIn(await sub.receive())],
      [
        ['price.tick', '{"p":1}'],
        ['price.tick', '{"p":2}'],
      ],
    );

    const pub = closing(t, new Publisher({ linger: 0 }));
    pub.bindSync('tcp://127.0.0.1:*');
    const subscriber = await bench.subscriber({ endpoint: pub.lastEndpoint!, patterns: ['price.*'], ready: false });
    await until(
      () => {
        void pub.send(['price.tick', '{"p":3}']);
        return subscriber.told.packets.length > 0;
      },
      () => 'an event',
    );
    assert.deepEqual(shapeOf(subscriber.told.packets[0]!), ['price.tick', 'message', {}, '{"p":3}']);
  });

  it('pushes to a PULL and pulls from a PUSH', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const pull = closing(t, new Pull({ linger: 0, receiveTimeout: 8000 }));
    pull.bindSync('tcp://127.0.0.1:*');
    const push = await bench.pusher({ mode: 'connect', endpoint: pull.lastEndpoint! });
    await handOver(push.link, new Sealer().seal(undefined, '[1]', '[2]'));
    assert.deepEqual([textsIn(await pull.receive()), textsIn(await pull.receive())], [['[1]'], ['[2]']]);

    const puller = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const raw = closing(t, new Push({ linger: 0 }));
    raw.connect(puller.link.endpoint);
    await raw.send('{"n":1}');
    await until(
      () => puller.told.packets.length === 1,
      () => 'the push',
    );
    assert.deepEqual(shapeOf(puller.told.packets[0]!), [undefined, 'message', { topic: 'results' }, '{"n":1}']);
  });

  it('requests from a REP, which echoes the id', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const rep = closing(t, new Reply({ linger: 0 }));
    rep.bindSync('tcp://127.0.0.1:*');
    const { link, told } = await bench.requester({ endpoint: rep.lastEndpoint! });
    for (const id of ['c1', 'c2']) await handOver(link, requestOf(id, `"${id}"`));
    for (let round = 0; round < 2; round++) {
      const [body] = await rep.receive();
      await rep.send(`{"echo":${body!.toString()}}`);
    }
    await until(
      () => told.packets.length === 2,
      () => 'two replies',
    );
    assert.deepEqual(
      told.packets.map((packet) => shapeOf(packet).slice(2)),
      [
        [{ correlation: 'c1' }, '{"echo":"c1"}'],
        [{ correlation: 'c2' }, '{"echo":"c2"}'],
      ],
    );
  });

  it('responds to a REQ, one with CORRELATE, and a DEALER with ids of its own', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const { link, told } = await bench.responder({}, answer);
    for (const options of [{}, { correlate: true, relaxed: true }]) {
      const req = closing(t, new Request({ linger: 0, receiveTimeout: 8000, ...options }));
      req.connect(link.endpoint);
      for (const body of ['1', '"fail"', '{"a":1}']) {
        await req.send(body);
        const expected = body === '"fail"' ? '{"error":{"code":"NO_HANDLER","message":"nobody"}}' : body;
        assert.deepEqual(textsIn(await req.receive()), [expected]);
      }
    }
    const dealer = closing(t, new Dealer({ linger: 0, receiveTimeout: 8000 }));
    dealer.connect(link.endpoint);
    await dealer.send(['hop', Buffer.from([0, 255]), '', 'x']);
    assert.deepEqual(await dealer.receive(), [
      Buffer.from('hop'),
      Buffer.from([0, 255]),
      Buffer.alloc(0),
      Buffer.from('x'),
    ]);
    const headers = told.packets.map((packet) => shapeOf(packet)[2] as Record<string, string>);
    assert.deepEqual(new Set(headers.map(({ topic }) => topic)), new Set(['state']));
    assert.equal(new Set(headers.map(({ correlation }) => correlation)).size, 7, 'each request has a name of its own');
  });

  it('answers a peer that came back under its own identity', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const { link } = await bench.responder({}, answer);
    for (let life = 0; life < 2; life++) {
      // The first one stays connected, as a half-open connection does.
      const req = closing(t, new Request({ linger: 0, receiveTimeout: 8000, routingId: 'desk-7' }));
      req.connect(link.endpoint);
      await req.send(String(life));
      assert.deepEqual(textsIn(await req.receive()), [String(life)]);
    }
  });

  it('names pushes and requests by the option `topic`', async (t) => {
    const topic = (body: unknown) => `of.${(body as { kind: string }).kind}`;
    const bench = benchFor(t, 'tcp', { wire: 'plain', topic, tolerant: true });
    const { link, told } = await bench.responder({}, answer);
    const puller = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const push = closing(t, new Push({ linger: 0 }));
    push.connect(puller.link.endpoint);
    for (const body of ['{"kind":"a"}', 'no JSON', '{"kind":"b"}']) await push.send(body);
    const req = closing(t, new Request({ linger: 0, receiveTimeout: 8000 }));
    req.connect(link.endpoint);
    await req.send('{"kind":"c"}');
    await req.receive();
    await until(
      () => puller.told.packets.length === 2,
      () => 'both pushes',
    );
    const topics = [...puller.told.packets, ...told.packets].map(({ packet }) =>
      packet.records[0]!.headers.getText('topic'),
    );
    assert.deepEqual(topics, ['of.a', 'of.b', 'of.c']);
    assert.deepEqual(
      puller.told.malformed.map(({ reason }) => reason),
      ['topic'],
    );
  });

  it('takes one fixed name for everything, and refuses one that is no topic', async (t) => {
    const bench = benchFor(t, 'inproc', { wire: 'plain', topic: 'jobs.all' });
    const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
    await handOver(push.link, new Sealer().seal(undefined, '1'));
    await until(
      () => pull.told.packets.length === 1,
      () => 'the push',
    );
    assert.deepEqual(shapeOf(pull.told.packets[0]!)[2], { topic: 'jobs.all' });
    for (const topic of ['', 'a.*', 'a..b', '_tb.ready.x']) {
      assert.throws(() => zeromq({ wire: 'plain', topic }), /RangeError: Expected `topic` to be a topic, got/);
    }
  });

  for (const scheme of SCHEMES) {
    it(`joins two buses over ${scheme}: replies and errors reach the right call`, async (t) => {
      const bench = benchFor(t, scheme, { wire: 'plain' });
      const { link } = await bench.responder({}, answer);
      const { link: requester, told } = await bench.requester({ endpoint: link.endpoint });
      for (let index = 0; index < 50; index++) await handOver(requester, requestOf(String(index), `${index}`));
      await handOver(requester, requestOf('bad', '"fail"'));
      await until(
        () => told.packets.length === 51,
        () => `51 replies, got ${told.packets.length}`,
      );
      const shapes = told.packets.map((packet) => shapeOf(packet).slice(1));
      assert.deepEqual(shapes.pop(), [
        'error',
        { correlation: 'bad', 'error-code': 'NO_HANDLER' },
        '{"message":"nobody"}',
      ]);
      for (const [kind, headers, body] of shapes) assert.deepEqual([kind, headers], ['reply', { correlation: body }]);
    });
  }

  it('drops a cancel, for which there are no words', async (t) => {
    const bench = benchFor(t, 'tcp', { wire: 'plain' });
    const { link, told } = await bench.responder({}, answer);
    const requester = await bench.requester({ endpoint: link.endpoint });
    const cancel = new Sealer().seal(undefined, {
      kind: 'cancel',
      headers: { topic: 'state', correlation: 'c' },
      payload: '',
    });
    await handOver(requester.link, cancel);
    await handOver(requester.link, requestOf('c', '1'));
    await until(
      () => requester.told.packets.length === 1,
      () => 'the reply',
    );
    assert.deepEqual(told.texts, ['1']);
  });
});
