/** sign and encrypt in the real chain: every verb, replies that are bound, repeats, gaps, figures, and nothing secret anywhere. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Bus } from '../../src/core/bus.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { encrypt } from '../../src/middleware/encrypt.ts';
import { importKey } from '../../src/middleware/import-key.ts';
import type { Key } from '../../src/middleware/key.ts';
import type { KeyProvider } from '../../src/middleware/key-provider.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { sign } from '../../src/middleware/sign.ts';
import { trace } from '../../src/middleware/trace.ts';
import { memory } from '../../src/transports/memory.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import type { Rig, RigOptions } from '../support/memory-bus.ts';
import { until } from '../transports/conformance/waiting.ts';
import { aesKey, ed25519Keys, hmacKey } from './keys-for-tests.ts';
import { Collected } from './metrics-reader.ts';
import { arrived, outgoing, sent, started, verdict } from './over-the-wire.ts';
import { outcomeOf, Recorder, w3c } from './traced.ts';
import { readSignatureBlock } from '../../src/middleware/signature-block.ts';

const AUDIENCE = 'test.bus';

function secured(
  t: TestContext,
  keys: readonly Key[],
  options: RigOptions & { more?: readonly Middleware[] } = {},
): Rig {
  const { more = [], ...rest } = options;
  const stack = [sign({ keys }), encrypt({ keys }), ...more, serialize()];
  return memoryBus(t, { audience: AUDIENCE, stack, ...rest });
}

/** A step of one's own, closest to the wire: sees what travels. */
function tap(
  see: (ctx: { readonly payload: Uint8Array; readonly signature: unknown; readonly kind: string }) => void,
): Middleware {
  return {
    name: 'tap',
    stage: 'payload',
    send(ctx, next) {
      see({ payload: ctx.payload, signature: ctx.headers.get('signature'), kind: ctx.kind });
      return next();
    },
  };
}

describe('sign and encrypt on a bus', () => {
  it('secure every verb, reply, error reply and cancel, wherever they were used', async (t) => {
    const seen: string[] = [];
    const keys = [hmacKey(), aesKey()];
    const watch = tap(({ payload, signature, kind }) => {
      const isSealed = payload[0] === 1 && payload[1] === 1 && !Buffer.from(payload).includes('secret');
      seen.push(`${kind} ${String(isSealed)} ${String(signature instanceof Uint8Array)}`);
    });
    const { bus, told } = secured(t, keys, { more: [watch] });
    const got: unknown[] = [];
    bus.subscribe('a.>', ({ body }) => void got.push(body));
    bus.pull('>', ({ body }) => void got.push(body));
    bus.respond('good', ({ body }) => ({ answer: body }));
    bus.respond('bad', () => Promise.reject(new Error('secret reason')));
    let cancelled = false;
    bus.respond(
      'slow',
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            cancelled = true;
            resolve(undefined);
          });
        }),
    );
    await bus.ready();
    await bus.publish('a.b', 'secret event');
    await bus.push('results', 'secret task');
    assert.deepEqual(await bus.request('good', 'secret'), { answer: 'secret' });
    await assert.rejects(bus.request('bad', 1), { code: 'HANDLER_FAILED', message: /secret reason/ });
    const stop = new AbortController();
    const call = codeOf(bus.request('slow', 'secret', { signal: stop.signal }));
    await until(() => seen.filter((one) => one.startsWith('request')).length === 3, 'the request');
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    assert.equal(await call, 'ABORTED');
    await until(() => cancelled && got.length === 2, 'all of them');
    const kinds = ['message', 'message', 'request', 'reply', 'request', 'error', 'request', 'cancel'];
    assert.deepEqual(
      seen.slice(0, 8),
      kinds.map((kind) => `${kind} true true`),
    );
    assert.equal(bus.stats().unverified, 0);
    assert.deepEqual(
      told.map(({ error }) => error.message),
      ['secret reason'],
    );
  });

  it('accept nothing of a bus with other keys, another audience, or none at all, before anything is parsed', async (t) => {
    const transport = memory();
    const keys = [hmacKey(), aesKey()];
    let parsed = 0;
    const counting = { contentType: 'application/json', encode: JSON.stringify, decode: (): unknown => parsed++ };
    const { bus: guarded, logger } = memoryBus(t, {
      transport,
      audience: AUDIENCE,
      logLevel: 'info',
      stack: [serialize(counting), sign({ keys }), encrypt({ keys })],
    });
    const handled: unknown[] = [];
    guarded.pull('>', (message) => void handled.push(message));
    guarded.respond('>', (message) => void handled.push(message));
    const others: Bus[] = [
      memoryBus(t, { transport, publish: false }).bus,
      secured(t, [hmacKey(), aesKey()], { transport, publish: false }).bus,
      secured(t, keys, { transport, publish: false, audience: 'other' }).bus,
    ];
    for (const [index, other] of others.entries()) {
      await other.push('results', { a: 1 });
      // The answer is sealed: who has no key for it cannot even read that it was refused.
      const code = index === 0 ? 'DESERIALIZE_FAILED' : 'UNVERIFIED';
      assert.equal(await codeOf(other.request('state', { a: 1 })), code, String(index));
    }
    await until(() => guarded.metrics().inbound_dropped === 6, 'all of them');
    assert.deepEqual([handled, parsed, guarded.stats().unverified], [[], 0, 6]);
    assert.equal(logger.at('warn').length, 2, logger.lines.join('\n'));
  });

  it('export the reason as an attribute of the metric, and one type of error', async (t) => {
    const collected = new Collected();
    const transport = memory();
    const { bus } = memoryBus(t, {
      transport,
      audience: AUDIENCE,
      stack: [metrics({ meterProvider: collected.provider }), serialize(), sign({ keys: [hmacKey()] })],
    });
    bus.pull('>', () => undefined);
    await memoryBus(t, { transport, publish: false }).bus.push('results', 1);
    await until(() => bus.stats().unverified === 1, 'the refusal');
    const points = async (name: string): Promise<string[]> =>
      (await collected.lines(name)).filter((line) => line.endsWith(' 1'));
    const of = '{"messaging.system.name":"memory","messaging.operation.name":"pull"';
    assert.deepEqual(await points('messagebus.unverified'), [`${of},"messagebus.reason":"missing"} 1`]);
    assert.deepEqual(await points('messagebus.inbound_dropped'), [`${of},"error.type":"unverified"} 1`]);
  });

  it('sign each attempt afresh under one message id', async (t) => {
    const blocks: Buffer[] = [];
    const ids = new Set<unknown>();
    let fails = 2;
    const flaky: Middleware = {
      name: 'flaky',
      stage: 'payload',
      send(ctx, next) {
        blocks.push(ctx.headers.get('signature') as Buffer);
        if (ctx.kind === 'request') ids.add(ctx.headers.get('message-id'));
        if (fails-- > 0) throw new BusError('TRANSPORT_FAILED', 'not now');
        return next();
      },
    };
    const { bus } = memoryBus(t, {
      audience: AUDIENCE,
      stack: [retry({ baseMs: 0 }), serialize(), sign({ keys: [hmacKey()] }), flaky],
    });
    bus.respond('a', () => 'answer');
    assert.equal(await bus.request('a', 1, { idempotent: true }), 'answer');
    const read = blocks.map((block) => readSignatureBlock(block)!);
    assert.equal(ids.size, 1);
    const requests = read.slice(0, 3);
    assert.deepEqual(
      requests.map(({ number }) => number),
      [0, 1, 2],
    );
    assert.equal(new Set(requests.map(({ signature }) => signature.toString('hex'))).size, 3);
  });

  it('move the gap watch by authentic messages alone', async (t) => {
    const transport = memory();
    const key = hmacKey();
    const { bus: subscriber, gaps } = memoryBus(t, {
      transport,
      audience: AUDIENCE,
      publish: false,
      stack: [serialize(), sign({ keys: [key], direction: 'receive' })],
    });
    let isSigned = true;
    const signing = sign({ keys: [key] });
    const sometimes: Middleware = {
      ...signing,
      send: (ctx, next) => (isSigned ? signing.send?.(ctx, next) : next()),
    };
    const { bus: publisher } = memoryBus(t, {
      transport,
      audience: AUDIENCE,
      heartbeatMs: 60_000,
      stack: [serialize(), sometimes],
    });
    const got: unknown[] = [];
    subscriber.subscribe('a', ({ body }) => void got.push(body));
    await publisher.ready();
    await subscriber.ready();
    for (const [index, signed] of [true, false, false, true].entries()) {
      isSigned = signed;
      await publisher.publish('a', index);
    }
    await until(() => got.length === 2, 'the signed ones');
    assert.deepEqual(got, [0, 3]);
    assert.deepEqual(
      gaps.map(({ count }) => count),
      [2],
      'what was not authentic is missing',
    );
  });

  it('change keys under load without refusing anything, one service after the other', async (t) => {
    const transport = memory();
    const [old, next] = [hmacKey({ kid: 'old' }), hmacKey({ kid: 'next' })];
    const [oldSeal, nextSeal] = [aesKey({ kid: 'old' }), aesKey({ kid: 'next' })];
    const phases: readonly (readonly Key[])[] = [
      [old, oldSeal],
      [old, { ...next, state: 'pending' }, oldSeal, { ...nextSeal, state: 'pending' }],
      [{ ...old, state: 'verify' }, next, { ...oldSeal, state: 'verify' }, nextSeal],
      [{ ...old, state: 'disabled' }, next, { ...oldSeal, state: 'disabled' }, nextSeal],
    ];
    const rotating = (): {
      turn: () => void;
      step: (make: typeof sign | typeof encrypt, alg: string) => Middleware;
    } => {
      let phase = 0;
      const provider = (alg: string): KeyProvider => ({
        get: (kid) => phases[phase]?.find((key) => key.kid === kid && key.alg === alg),
        current: () => phases[phase]?.find((key) => key.alg === alg && key.state === undefined),
      });
      return {
        turn: () => {
          phase++;
        },
        step: (make, alg) => make({ keys: provider(alg) }),
      };
    };
    const [one, two] = [rotating(), rotating()];
    const stack = ({ step }: typeof one): Middleware[] => [
      serialize(),
      step(sign, 'hmac-sha256'),
      step(encrypt, 'aes-256-gcm'),
    ];
    const { bus: responder } = memoryBus(t, { transport, audience: AUDIENCE, publish: false, stack: stack(one) });
    const { bus: requester } = memoryBus(t, { transport, audience: AUDIENCE, publish: false, stack: stack(two) });
    responder.respond('>', ({ body }) => body);
    let answered = 0;
    const load = async (): Promise<void> => {
      const bodies = Array.from({ length: 50 }, (_, body) => body);
      assert.deepEqual(await Promise.all(bodies.map((body) => requester.request('a', body))), bodies);
      answered += bodies.length;
    };
    await load();
    for (let phase = 1; phase < phases.length; phase++) {
      for (const { turn } of [one, two]) {
        // Requests are under way while the keys change, except in the last phase, which waits for them.
        const underWay = phase < phases.length - 1 ? load() : undefined;
        turn();
        await underWay;
        await load();
      }
    }
    assert.deepEqual([answered, responder.stats().unverified, requester.stats().unverified], [550, 0, 0]);
  });

  it('are start-up errors on a plain wire and without an audience, and stay so', async (t) => {
    for (const step of [sign({ keys: [hmacKey()] }), encrypt({ keys: [aesKey()] })]) {
      const plain = memoryBus(t, {
        transport: zeromq({ wire: 'plain' }),
        audience: AUDIENCE,
        publish: false,
        stack: [serialize(), step],
        endpoints: { push: { connect: ['inproc://sign-plain'] } },
      });
      assert.equal(await codeOf(plain.bus.push('a', 1)), 'INVALID_PIPELINE');
      assert.equal(await codeOf(plain.bus.push('a', 1)), 'INVALID_PIPELINE');
    }
    const { bus } = memoryBus(t, { stack: [serialize(), sign({ keys: [hmacKey()] })] });
    await assert.rejects(bus.publish('a', 1), { code: 'INVALID_PIPELINE', message: /audience/ });
    for (const audience of ['', 7, 'x'.repeat(256)]) {
      assert.throws(() => memoryBus(t, { audience: audience as string }), { message: /`audience`/ });
    }
  });
});

describe('a signed reply', () => {
  it('says why a request was turned away before its signature was looked at, and comes from a side that does not look', async (t) => {
    const keys = [hmacKey(), aesKey()];
    const { bus } = secured(t, keys, { hwmInbound: 1 });
    let release: ((value: unknown) => void) | undefined;
    bus.respond('slow', () => new Promise((resolve) => void (release = resolve)));
    await bus.ready();
    const first = bus.request('slow', 1);
    await until(() => release !== undefined, 'the first request');
    assert.equal(await codeOf(bus.request('slow', 2)), 'OVERFLOW');
    release?.('done');
    assert.equal(await first, 'done');
    assert.equal(bus.stats().unverified, 0);

    const transport = memory();
    const options = { transport, audience: AUDIENCE };
    const { bus: beginner } = memoryBus(t, { ...options, stack: [sign({ keys, direction: 'send' }), serialize()] });
    beginner.respond('a', () => 'from a side that only signs');
    await beginner.ready();
    const { bus: asker } = memoryBus(t, { ...options, stack: [sign({ keys }), serialize()] });
    assert.equal(await asker.request('a', 1), 'from a side that only signs');
  });

  it('is accepted by its own request only, for each of its attempts', async () => {
    const pair = ed25519Keys();
    const other = ed25519Keys({ kid: 's2' });
    const keys = [pair.signs, other.verifies];
    const requester = started(sign({ keys }));
    const responder = started(sign({ keys: [other.signs, pair.verifies] }));
    const requests = ['1', '1'].map((correlation) =>
      outgoing({ pattern: 'request', correlation, headers: { correlation } }),
    );
    const replyTo = async (request: (typeof requests)[number], kind: 'reply' | 'error' = 'reply') => {
      const asked = arrived(await sent([requester], request));
      await responder.receive?.(asked, () => Promise.resolve());
      const headers = { correlation: '1' };
      return sent([responder], outgoing({ pattern: 'reply', kind, request: asked, correlation: '1', headers }));
    };
    const [first, second] = requests;
    const reply = await replyTo(first!);
    const again = await replyTo(first!);
    const error = await replyTo(second!, 'error');
    assert.equal(await verdict([requester], reply, { request: second! }), 'UNVERIFIED', 'of another request');
    assert.equal(await verdict([requester], error, { request: first! }), 'UNVERIFIED', 'an error of another request');
    assert.equal(await verdict([requester], reply), 'UNVERIFIED', 'of a request that was not signed');
    assert.equal(await verdict([requester], again, { request: first! }), 'ok');
    assert.equal(await verdict([requester], reply, { request: first! }), 'ok', 'a late one, of the first attempt');
    assert.equal(await verdict([requester], reply, { request: first! }), 'UNVERIFIED', 'once');
    assert.equal(await verdict([requester], error, { request: second! }), 'ok');
  });

  it('to a request that was not signed is bound to its correlation id', async () => {
    const key = hmacKey();
    const [responder, requester] = [
      started(sign({ keys: [key] })),
      started(sign({ keys: [key], direction: 'receive' })),
    ];
    const request = outgoing({ pattern: 'request', correlation: '7', headers: { correlation: '7' } });
    const asked = arrived(await sent([], request));
    const answer = outgoing({
      pattern: 'reply',
      kind: 'error',
      request: asked,
      correlation: '7',
      headers: { correlation: '7' },
    });
    assert.equal(await verdict([requester], await sent([responder], answer), { request }), 'ok');
  });
});

describe('secrets', () => {
  it('of a source of keys stay with the side that asked it', async (t) => {
    for (const isLater of [false, true]) {
      const key = hmacKey();
      const down = new Error('https://user:password@vault is down');
      let isDown = true;
      const current = (_topic: string, role: string): Key | Promise<Key> => {
        if (role !== 'reply' || !isDown) return key;
        isDown = false;
        if (isLater) return Promise.reject(down);
        throw down;
      };
      const stack = [sign({ keys: { get: () => key, current } }), serialize()];
      const { bus, told } = memoryBus(t, { audience: AUDIENCE, stack });
      bus.respond('a', () => 1);
      await bus.ready();
      await assert.rejects(bus.request('a', 1), (error: Error) => !inspect(error, { depth: 9 }).includes('password'));
      assert.deepEqual(
        told.map(({ error }) => error.cause),
        [down],
      );
    }
  });

  it('are in no log, error, span, description or inspection of anything', async (t) => {
    const secrets = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const [one, two, three] = secrets.map((bytes) => bytes.toString('base64url'));
    const texts = [
      { kid: 'h', alg: 'hmac-sha256', secret: one },
      { kid: 'e', alg: 'aes-256-gcm', secret: two },
      { kid: 's', alg: 'ed25519', privateKey: three, state: 'verify' },
    ] as const;
    const keys = texts.map(importKey);
    const captured: string[] = [];
    const streams = [process.stdout, process.stderr] as const;
    for (const stream of streams) {
      const write = stream.write.bind(stream);
      t.mock.method(stream, 'write', (chunk: string | Uint8Array) => {
        captured.push(Buffer.from(chunk as string).toString('latin1'));
        return write(chunk);
      });
    }
    const transport = memory();
    const recorder = new Recorder();
    const steps = [sign({ keys }), encrypt({ keys }), trace({ tracerProvider: recorder.provider, propagator: w3c })];
    const { bus, logger, told } = memoryBus(t, { transport, audience: AUDIENCE, stack: [...steps, serialize()] });
    bus.respond('>', ({ body }) => body);
    await bus.request('a', 1);
    const stranger = secured(t, [hmacKey({ kid: 'h' }), aesKey({ kid: 'e' })], { transport, publish: false });
    await codeOf(stranger.bus.request('a', 1));
    // Signed well, and sealed with another key of this name: the next check refuses it.
    const insider = secured(t, [keys[0]!, aesKey({ kid: 'e' })], { transport, publish: false });
    await codeOf(insider.bus.request('a', 1));
    const refusals = recorder.ended.filter(({ attributes }) => attributes['error.type'] === 'unverified');
    assert.equal(refusals.length, 2, recorder.ended.map(outcomeOf).join());
    for (const { events, links } of refusals) assert.deepEqual([links, events.length <= 1], [[], true]);
    for (const text of texts) {
      for (const wrong of [
        { ...text, kid: '!' },
        { ...text, extra: 1 },
        { ...text, alg: 'none' },
        { ...text, state: 'x' },
      ]) {
        assert.throws(
          () => importKey(wrong as never),
          (error: unknown) => captured.push(inspect(error, { depth: 9, showHidden: true })) > 0,
        );
      }
    }
    const shown = [
      keys,
      steps,
      bus,
      bus.describe(),
      bus.stats(),
      told,
      logger.lines,
      recorder.ended.map(({ name, attributes, status, events, links }) => ({
        name,
        attributes,
        status,
        events,
        links,
      })),
      stranger.told,
      insider.told,
      insider.logger.lines,
      stranger.logger.lines,
    ];
    for (const value of shown)
      captured.push(inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }));
    captured.push(JSON.stringify(keys), JSON.stringify(steps));
    const all = captured.join('\n');
    assert.ok(all.length > 10_000 && all.includes('UNVERIFIED'), 'else this would see nothing');
    for (const secret of secrets) {
      const forms = ['hex', 'base64', 'base64url', 'latin1'] as const;
      const listed = [...secret.subarray(0, 6)].join(', ');
      const hexBytes = secret
        .subarray(0, 6)
        .toString('hex')
        .replace(/..(?=.)/g, '$& ');
      for (const form of [...forms.map((name) => secret.toString(name).slice(0, 12)), listed, hexBytes]) {
        assert.equal(all.includes(form), false, form);
      }
    }
  });
});
