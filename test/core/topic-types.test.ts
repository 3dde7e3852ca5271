/** The type parameter of a bus: what the compiler says (of fixtures/typed-topics.ts), and that such a bus works like any other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Bus } from '../../src/core/bus.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { complaints } from '../support/compile.ts';
import { until } from '../transports/conformance/waiting.ts';
import type { Market } from './fixtures/typed-topics.ts';

const FIXTURE = path.join(import.meta.dirname, 'fixtures/typed-topics.ts');

test('topics, wildcard unions, calls and replies are typed as the fixture says, and an unknown topic is a readable error', () => {
  const wrong = path.join(import.meta.dirname, 'wrong.ts');
  const text = `
    import type { MessageBus } from '../../src/message-bus.ts';
    import type { Market } from './fixtures/typed-topics.ts';
    export const wrong = (bus: MessageBus<Market>) => [
      bus.subscribe('price.tikc', () => undefined),
      bus.publish('price.tikc', { symbol: 'BTC', price: 1 }),
    ];`;
  const [atSubscribe, atPublish, ...more] = complaints({ [FIXTURE]: readFileSync(FIXTURE, 'utf8'), [wrong]: text });
  assert.deepEqual(more, []);
  assert.match(atSubscribe!, /^wrong.ts:5: .*"no topic matches price\.tikc"/);
  assert.match(atPublish!, /^wrong.ts:6: Argument of type '"price\.tikc"' is not assignable to .*"price\.tick"/);
});

for (const [name, made] of [
  ['MessageBus', () => new MessageBus<Market>('typed', { transport: memory(), publish: true })],
  [
    'Bus',
    () => {
      const endpoints = {
        publish: { bind: 'memory://events' },
        subscribe: { connect: ['memory://events'] },
        request: { connect: ['memory://state'] },
        respond: { bind: 'memory://state' },
      };
      return new Bus<Market>({ serviceName: 'typed', transport: memory(), endpoints }).use(serialize());
    },
  ],
] as const) {
  test(`a typed ${name} carries bodies and replies like any other`, async (t) => {
    const bus: Bus<Market> = made();
    t.after(() => bus.close({ timeoutMs: 0 }));
    const prices: number[] = [];
    bus.subscribe('price.tick', ({ body }) => prices.push(body.price));
    bus.respond('state.get', ({ body }) => ({ last: body.symbol === 'BTC' ? (prices.at(-1) ?? 0) : -1 }));
    await bus.ready();
    await bus.publish('price.tick', { symbol: 'BTC', price: 43210.5 });
    await until(() => prices.length === 1, 'the price');
    const { last } = await bus.request('state.get', { symbol: 'BTC' });
    assert.equal(last, 43210.5);
  });
}
