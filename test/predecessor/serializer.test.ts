/** `serializer`: json, another codec, or assigned before the first message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import * as msgpackModule from '@msgpack/msgpack';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import type { Codec } from '../../src/middleware/codec.ts';
import { msgpack } from '../../src/middleware/msgpack.ts';
import { until } from '../transports/conformance/waiting.ts';
import { actor } from './stage.ts';
import type { Actor } from './stage.ts';

/** A bus that records what stands in its packets. */
function tapped(t: TestContext, config: MessageBusConfig = {}): Actor & { readonly payloads: Buffer[] } {
  const payloads: Buffer[] = [];
  const made = actor(t, config);
  made.bus.use({
    name: 'tap',
    stage: 'payload',
    send: (ctx, next) => (payloads.push(Buffer.from(ctx.payload)), next()),
  });
  return { ...made, payloads };
}

/** What comes back from a round trip. */
async function echo({ bus }: Actor, body: unknown): Promise<unknown> {
  bus.respond('echo', (message) => message.body);
  return bus.request('echo', body);
}

const BODY = { symbol: 'BTC', price: 43210.5, tags: ['a', null, true] };

/** JSON in base64, to be told from JSON. */
const coded: Codec = {
  contentType: 'text/coded',
  encode: (value) => Buffer.from(JSON.stringify(value)).toString('base64'),
  decode: (payload): unknown => JSON.parse(Buffer.from(Buffer.from(payload).toString(), 'base64').toString()),
};

test('bodies travel as JSON by default, and by the name of the old config', async (t) => {
  for (const config of [{}, { serializer: 'json' }] as const) {
    const made = tapped(t, config);
    assert.deepEqual(await echo(made, BODY), BODY);
    assert.equal(made.payloads.length, 2);
    for (const payload of made.payloads) assert.equal(payload.toString(), JSON.stringify(BODY));
  }
});

test('serializer: msgpack(module) makes plain maps that any language can read', async (t) => {
  const made = tapped(t, { serializer: msgpack(msgpackModule) });
  assert.deepEqual(await echo(made, BODY), BODY);
  assert.equal(made.payloads[0]![0], 0x83, 'a map of three');
  for (const payload of made.payloads) assert.deepEqual(msgpackModule.decode(payload), BODY);
});

test('serializer takes a codec of your own', async (t) => {
  const made = tapped(t, { serializer: coded });
  assert.deepEqual(await echo(made, BODY), BODY);
  assert.equal(made.payloads[0]!.toString(), coded.encode(BODY));
});

test('bus.serializer = codec works until the first message, and is an error from then on', async (t) => {
  const made = tapped(t);
  made.bus.serializer = coded;
  assert.deepEqual(await echo(made, BODY), BODY);
  assert.equal(made.payloads[0]!.toString(), coded.encode(BODY));
  assert.throws(() => (made.bus.serializer = 'json'), { code: 'INVALID_PIPELINE' });
});

test('what cannot be encoded rejects the call with SERIALIZE_FAILED, also a reply', async (t) => {
  const { bus } = actor(t);
  bus.respond('circle', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    return circle;
  });
  await assert.rejects(
    bus.push(() => 1),
    { code: 'SERIALIZE_FAILED' },
  );
  await assert.rejects(bus.request('circle', 1), { code: 'SERIALIZE_FAILED' });
  await until(() => bus.metrics().errors > 0, 'the errors');
});
