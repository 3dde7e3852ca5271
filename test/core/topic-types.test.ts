/**
 * The type parameter of a bus. What is said here to the compiler is checked by `npm run typecheck`: each `@ts-expect-error` is an
 * error itself when the line below it compiles. The last tests see that such a bus works like any other.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus } from '../../src/core/bus.ts';
import type { Message } from '../../src/core/receive-context.ts';
import type { Call, CallName, EventName, Matching, PatternBody, ValidPattern } from '../../src/core/topic-types.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';

interface Tick {
  readonly symbol: string;
  readonly price: number;
}

interface Close {
  readonly day: string;
}

type Market = {
  'price.tick': Tick;
  'price.close': Close;
  'trade.eu.done': { readonly volume: number };
  results: { readonly task: string };
  'state.get': Call<{ readonly symbol: string }, { readonly last: number }>;
  'state.all': Call<undefined, readonly Tick[]>;
  state: Call<'ping', 'pong'>;
};

/** Compiles only when both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_claim: Same<A, B>): void => {};
/** What a value was inferred as. */
const typed =
  <T>() =>
  <Given>(_value: Given, _claim: Same<Given, T>): void => {};

/** Checked by the compiler, called by nobody. */
function names(): void {
  same<EventName<Market>, 'price.tick' | 'price.close' | 'trade.eu.done' | 'results'>(true);
  same<CallName<Market>, 'state.get' | 'state.all' | 'state'>(true);
  same<Matching<EventName<Market>, 'price.*'>, 'price.tick' | 'price.close'>(true);
  same<Matching<EventName<Market>, '*.*.done'>, 'trade.eu.done'>(true);
  same<Matching<EventName<Market>, 'trade.>'>, 'trade.eu.done'>(true);
  same<Matching<EventName<Market>, '*'>, 'results'>(true);
  same<Matching<EventName<Market>, '>'>, EventName<Market>>(true);
  same<PatternBody<Market, 'price.*'>, Tick | Close>(true);
  // The type of an argument that does not fit reads as the reason.
  same<ValidPattern<EventName<Market>, 'price.tikc'>, 'no topic matches "price.tikc"'>(true);
}

function sending(bus: MessageBus<Market>): void {
  typed<Promise<void>>()(bus.publish('price.tick', { symbol: 'BTC', price: 1 }), true);
  // @ts-expect-error a topic that does not exist
  void bus.publish('price.tikc', { symbol: 'BTC', price: 1 });
  // @ts-expect-error the body of another topic
  void bus.publish('price.tick', { day: 'monday' });
  // @ts-expect-error a body with a member of the wrong type
  void bus.publish('price.tick', { symbol: 'BTC', price: '1' });
  // @ts-expect-error a topic that is requested, not published
  void bus.publish('state.get', { symbol: 'BTC' });
  // @ts-expect-error a pattern is no topic
  void bus.publish('price.*', { symbol: 'BTC', price: 1 });

  void bus.push('price.close', { day: 'monday' });
  void bus.push({ task: 'one argument is the body of `results`' });
  // @ts-expect-error not the body of `results`
  void bus.push({ day: 'monday' });
  // @ts-expect-error the body of another topic
  void bus.push('price.close', { task: 'a' });

  typed<Promise<{ readonly last: number }>>()(bus.request('state.get', { symbol: 'BTC' }), true);
  typed<Promise<readonly Tick[]>>()(bus.request('state.all', undefined), true);
  typed<Promise<'pong'>>()(bus.request('ping'), true);
  // @ts-expect-error a topic that is published, not requested
  void bus.request('price.tick', { symbol: 'BTC', price: 1 });
  // @ts-expect-error not what is asked under this topic
  void bus.request('state.get', { day: 'monday' });
  // @ts-expect-error a topic that does not exist
  void bus.request('state.gte', { symbol: 'BTC' });
  // @ts-expect-error one argument is the body of `state`
  void bus.request('pong');
}

function receiving(bus: MessageBus<Market>): void {
  bus.subscribe('price.tick', ({ body }) => {
    typed<Tick>()(body, true);
  });
  bus.subscribe('price.*', ({ body }) => {
    typed<Tick | Close>()(body, true);
  });
  bus.subscribe('>', async ({ body }) => {
    typed<PatternBody<Market, '>'>>()(body, true);
    await Promise.resolve();
  });
  bus.subscribe('trade.>');
  // @ts-expect-error nothing matches
  bus.subscribe('price.tikc', () => undefined);
  // @ts-expect-error a call is not subscribed to
  bus.subscribe('state.*', () => undefined);
  // @ts-expect-error a handler for another body
  bus.subscribe('price.tick', ({ body }: Message<Close>) => body.day);

  typed<AsyncIterableIterator<Message<Tick | Close>>>()(bus.messages('price.*'), true);
  // @ts-expect-error nothing matches
  bus.messages('prices.*');

  bus.pull('price.close', ({ body }) => {
    typed<Close>()(body, true);
  });
  bus.pull();
  // @ts-expect-error nothing matches
  bus.pull('prices', () => undefined);

  bus.respond('state.get', ({ body }) => {
    typed<{ readonly symbol: string }>()(body, true);
    return { last: 1 };
  });
  bus.respond('state.get', () => Promise.resolve({ last: 1 }));
  bus.respond();
  // @ts-expect-error not what is answered under this topic
  bus.respond('state.get', () => ({ first: 1 }));
  // @ts-expect-error the same in a promise
  bus.respond('state.get', () => Promise.resolve('1'));
  // @ts-expect-error an event is not responded to
  bus.respond('price.tick', () => undefined);
}

/** Without the type parameter every topic is allowed and bodies are `unknown`, never `any`. */
function untyped(bus: MessageBus): void {
  void bus.publish('whatever.topic', { any: 'body' });
  void bus.push(1);
  typed<Promise<unknown>>()(bus.request('whatever.topic', 1), true);
  typed<Promise<unknown>>()(bus.request(1), true);
  bus.subscribe('a.>', ({ body }) => {
    typed<unknown>()(body, true);
    // @ts-expect-error unknown until it was checked
    body.symbol;
  });
  // A handler may say which body it expects.
  bus.subscribe('a', ({ body }: Message<Tick>) => body.price);
  bus.respond('a', ({ body }) => body);
  typed<AsyncIterableIterator<Message>>()(bus.messages('>'), true);
}

/** The kernel class has the same parameter. */
function core(bus: Bus<Market>): void {
  typed<Promise<{ readonly last: number }>>()(bus.request('state.get', { symbol: 'BTC' }), true);
  // @ts-expect-error the body of another topic
  void bus.publish('price.tick', { day: 'monday' });
}

test('what the compiler says about topics is checked by `npm run typecheck`', () => {
  assert.deepEqual(
    [names, sending, receiving, untyped, core].map(({ length }) => length),
    [0, 1, 1, 1, 1],
  );
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
