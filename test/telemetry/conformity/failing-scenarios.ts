/** Everything that goes wrong on a bus, as scenarios. */
import { BusError } from '../../../src/core/errors.ts';
import type { Middleware } from '../../../src/core/middleware.ts';
import { circuitBreaker } from '../../../src/middleware/circuit-breaker.ts';
import { times } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { outcome, until } from './stage.ts';

function boom(): never {
  throw new Error('boom');
}

/** A step that fails the first sends of a message in a way that passes. */
function flaky(failures: number): Middleware {
  let left = failures;
  return {
    name: 'flaky',
    stage: 'body',
    send(_ctx, next) {
      if (left-- > 0) throw new BusError('TRANSPORT_FAILED', 'for a moment');
      return next();
    },
  };
}

/** A step that refuses what comes in. */
function refusing(stage: 'body' | 'payload', error: Error): Middleware {
  return {
    name: 'refusing',
    stage,
    receive() {
      throw error;
    },
  };
}

const closedGate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
};

export const FAILING_SCENARIOS: readonly Scenario[] = [
  {
    name: 'handlers that fail',
    async play(stage) {
      const bus = stage.bus('prices');
      bus.subscribe('price.tick', boom);
      bus.subscribe('price.close', () => Promise.reject(new TypeError('later')));
      bus.subscribe('price.text', () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- JavaScript may
        throw 'no error object';
      });
      bus.pull('result', boom);
      await bus.ready();
      for (const topic of ['price.tick', 'price.close', 'price.text']) await bus.publish(topic, 1);
      await bus.push('result', 1);
      await until(() => bus.metrics().errors === 4, 'the failures');
    },
    spans: [
      'CONSUMER process price.close handler_failed',
      'CONSUMER process price.text handler_failed',
      'CONSUMER process price.tick handler_failed',
      'CONSUMER process result handler_failed',
      'PRODUCER publish price.close',
      'PRODUCER publish price.text',
      'PRODUCER publish price.tick',
      'PRODUCER push result',
    ],
    logs: ['price.close', 'price.text', 'price.tick', 'result'].map(
      (topic) => `ERROR messagebus.failure handler_failed in CONSUMER process ${topic}`,
    ),
    counts: { 'messagebus.errors': 4 },
  },
  {
    name: 'two handlers of one message that both fail',
    async play(stage) {
      const bus = stage.bus('prices');
      bus.subscribe('price.tick', boom);
      bus.subscribe('price.tick', boom);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await until(() => bus.metrics().errors === 2, 'the failures');
    },
    spans: ['CONSUMER process price.tick handler_failed', 'PRODUCER publish price.tick'],
    counts: { 'messagebus.errors': 2 },
  },
  {
    name: 'a remote handler that fails',
    async play(stage) {
      const bus = stage.bus('state');
      bus.respond('state.get', boom);
      await bus.ready();
      await outcome(bus.request('state.get', 1));
    },
    spans: ['CLIENT state.get handler_failed', 'SERVER state.get handler_failed'],
    counts: { 'messagebus.errors': 2 },
  },
  {
    name: 'a method that nobody answers',
    async play(stage) {
      const bus = stage.bus('state');
      bus.respond('state.get', () => 1);
      await bus.ready();
      await outcome(bus.request('state.set', 1));
    },
    spans: ['CLIENT state.set no_handler', 'SERVER tracebus no_handler'],
    counts: { 'messagebus.errors': 1, 'messagebus.no_handler': 1 },
  },
  {
    name: 'messages that no handler wants',
    async play(stage) {
      const bus = stage.bus('results');
      bus.pull();
      bus.subscribe('price.*');
      await bus.ready();
      await bus.push('result', 1);
      await bus.publish('price.tick', 1);
      await until(() => bus.stats().no_handler === 2, 'both messages');
    },
    spans: ['CONSUMER process >', 'CONSUMER process price.*', 'PRODUCER publish price.tick', 'PRODUCER push result'],
    counts: { 'messagebus.no_handler': 2 },
  },
  {
    name: 'a request that times out',
    async play(stage) {
      const bus = stage.bus('state');
      bus.respond('state.get', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
      await bus.ready();
      await outcome(bus.request('state.get', 1, { timeoutMs: 50 }));
    },
    events: ['messagebus.cancel'],
    spans: ['CLIENT state.get timeout', 'SERVER state.get'],
    counts: { 'messagebus.errors': 1, 'messagebus.request_timeouts': 1, 'messagebus.cool_downs': 1 },
  },
  {
    name: 'a request that its caller ends',
    async play(stage) {
      const bus = stage.bus('state');
      const caller = new AbortController();
      bus.respond('state.get', ({ signal }) => {
        setImmediate(() => {
          caller.abort();
        });
        return new Promise((resolve) => signal.addEventListener('abort', resolve));
      });
      await bus.ready();
      await outcome(bus.request('state.get', 1, { signal: caller.signal }));
    },
    events: ['messagebus.cancel'],
    spans: ['CLIENT state.get aborted', 'SERVER state.get'],
    counts: { 'messagebus.errors': 1 },
  },
  {
    name: 'sends that succeed when they are tried again',
    async play(stage) {
      const bus = stage.bus('results');
      bus.use(flaky(2));
      let got = 0;
      bus.pull('result', () => got++);
      await bus.ready();
      await bus.push('result', 1);
      await until(() => got === 1, 'the result');
    },
    events: ['messagebus.retry', 'messagebus.retry'],
    spans: ['CONSUMER process result', 'PRODUCER push result'],
    counts: { 'messagebus.retries': 2 },
  },
  {
    name: 'a send that fails however often it is tried',
    async play(stage) {
      const bus = stage.bus('results');
      bus.use(flaky(3));
      bus.pull('result', () => {});
      await bus.ready();
      await outcome(bus.push('result', 1));
    },
    spans: ['PRODUCER push result transport_failed'],
    counts: { 'messagebus.retries': 2, 'messagebus.errors': 1, 'messagebus.outbound_dropped': 1 },
  },
  {
    name: 'handlers that succeed when they are tried again, and one that does not',
    async play(stage) {
      const bus = stage.bus('prices', { retry: { baseMs: 0, handlers: { maxAttempts: 2, baseMs: 0 } } });
      let attempts = 0;
      bus.subscribe('price.tick', () => {
        if (attempts++ === 0) boom();
      });
      bus.respond('state.get', boom);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await until(() => attempts === 2, 'the second attempt');
      await outcome(bus.request('state.get', 1));
    },
    events: ['messagebus.retry', 'messagebus.retry'],
    spans: [
      'CLIENT state.get handler_failed',
      'CONSUMER process price.tick',
      'PRODUCER publish price.tick',
      'SERVER state.get handler_failed',
    ],
    counts: { 'messagebus.retries': 2, 'messagebus.errors': 2 },
  },
  {
    name: 'requests that wait until nobody waits for them',
    refused: ['expired'],
    async play(stage) {
      const bus = stage.bus('state');
      const gate = closedGate();
      bus.respond('state.get', () => gate.opened, { concurrency: 1 });
      await bus.ready();
      const first = bus.request('state.get', 1);
      await outcome(bus.request('state.get', 2, { timeoutMs: 50 }));
      await until(() => bus.metrics().inbound_dropped === 1, 'the expired request');
      gate.open();
      await first;
    },
    spans: ['CLIENT state.get', 'CLIENT state.get timeout', 'SERVER state.get', 'SERVER state.get expired'],
    counts: {
      'messagebus.errors': 1,
      'messagebus.request_timeouts': 1,
      'messagebus.inbound_dropped': 1,
      'messagebus.cool_downs': 1,
    },
  },
  {
    name: 'messages that a step refuses',
    async play(stage) {
      const bus = stage.bus('prices');
      bus.use(refusing('body', new BusError('REJECTED', 'not today')));
      bus.subscribe('price.tick', () => {});
      await bus.ready();
      await bus.publish('price.tick', 1);
      await until(() => bus.metrics().inbound_dropped === 1, 'the refusal');
    },
    spans: ['CONSUMER process price.tick rejected', 'PRODUCER publish price.tick'],
    logs: ['WARN messagebus.drop rejected in CONSUMER process price.tick'],
    counts: { 'messagebus.errors': 1, 'messagebus.inbound_dropped': 1 },
  },
  {
    name: 'messages that are refused before they are verified',
    logs: ['WARN messagebus.drop rejected'], // which trace it claims to be of is not believed
    refused: ['rejected'],
    async play(stage) {
      const bus = stage.bus('prices');
      bus.use(refusing('payload', new Error('a wrong signature')));
      bus.subscribe('price.tick', () => {});
      await bus.ready();
      await bus.publish('price.tick', 1);
      await until(() => bus.metrics().inbound_dropped === 1, 'the refusal');
    },
    spans: ['CONSUMER process price.tick rejected', 'PRODUCER publish price.tick'],
    counts: { 'messagebus.errors': 1, 'messagebus.inbound_dropped': 1 },
  },
  {
    name: 'queues that overflow',
    refused: ['overflow'],
    async play(stage) {
      const bus = stage.bus('state', { retry: false });
      const gate = closedGate();
      let got = 0;
      bus.respond('state.get', () => gate.opened, { concurrency: 1, maxQueued: 1 });
      bus.subscribe('price.tick', () => (got++, gate.opened), {
        concurrency: 1,
        maxQueued: 1,
        overflow: 'drop-oldest',
      });
      await bus.ready();
      const calls = [1, 2, 3].map((n) => outcome(bus.request('state.get', n)));
      for (const price of [1, 2, 3]) await bus.publish('price.tick', price);
      await until(() => bus.metrics().inbound_dropped === 2, 'what overflows');
      gate.open();
      await Promise.all(calls);
      await until(() => got === 2, 'the events that are left');
    },
    spans: [
      'CLIENT state.get',
      'CLIENT state.get',
      'CLIENT state.get overflow',
      'CONSUMER process price.tick',
      'CONSUMER process price.tick',
      'CONSUMER process price.tick overflow',
      ...times(3, 'PRODUCER publish price.tick'),
      'SERVER state.get',
      'SERVER state.get',
      'SERVER state.get overflow',
    ],
    counts: { 'messagebus.errors': 3, 'messagebus.inbound_dropped': 2 },
  },
  {
    name: 'a publish that needs subscribers and finds none',
    async play(stage) {
      const bus = stage.bus('prices', { requireSubscribers: true, publishTimeoutMs: 20 });
      await bus.ready();
      await outcome(bus.publish('price.tick', 1));
    },
    spans: ['PRODUCER publish price.tick no_subscribers'],
    counts: { 'messagebus.errors': 1, 'messagebus.outbound_dropped': 1 },
  },
  {
    name: 'a push that finds no puller, and one while its endpoint cools down',
    async play(stage) {
      const bus = stage.bus('results', { pushTimeoutMs: 20, retry: false });
      await outcome(bus.push('result', 1));
      await outcome(bus.push('result', 2));
    },
    spans: ['PRODUCER push result cooling_down', 'PRODUCER push result send_timeout'],
    counts: { 'messagebus.errors': 2, 'messagebus.outbound_dropped': 2, 'messagebus.cool_downs': 1 },
  },
  {
    name: 'bodies that cannot be sent or read',
    async play(stage) {
      const bus = stage.bus('prices');
      const other = stage.bus('others', {
        publish: false,
        serializer: { contentType: 'text/plain', encode: () => Buffer.from('{'), decode: () => 0 },
      });
      bus.subscribe('price.tick', () => {});
      bus.pull('result', () => {});
      await Promise.all([bus.ready(), other.ready()]);
      await outcome(bus.publish('price.tick', 1n));
      await other.push('result', 1);
      await until(() => bus.metrics().inbound_dropped === 1, 'the body that cannot be read');
    },
    spans: [
      'CONSUMER process result deserialize_failed',
      'PRODUCER publish price.tick serialize_failed',
      'PRODUCER push result',
    ],
    counts: { 'messagebus.errors': 2, 'messagebus.inbound_dropped': 1, 'messagebus.outbound_dropped': 1 },
  },
  {
    name: 'a circuit that opens',
    async play(stage) {
      const bus = stage.bus('state', { retry: false });
      bus.use(circuitBreaker({ failures: 1 }));
      bus.respond('state.get', boom);
      await bus.ready();
      await outcome(bus.request('state.get', 1));
      await outcome(bus.request('state.get', 2));
    },
    spans: ['CLIENT state.get circuit_open', 'CLIENT state.get handler_failed', 'SERVER state.get handler_failed'],
    counts: { 'messagebus.errors': 3, 'messagebus.outbound_dropped': 1 },
  },
  {
    name: 'a bus that is closed while its handlers run',
    async play(stage) {
      const bus = stage.bus('prices');
      let running = 0;
      const untilCancelled = ({ signal }: { signal: AbortSignal }): Promise<void> => {
        running++;
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        });
      };
      bus.subscribe('price.tick', untilCancelled);
      bus.respond('state.get', untilCancelled);
      await bus.ready();
      await bus.publish('price.tick', 1);
      const call = outcome(bus.request('state.get', 1));
      await until(() => running === 2, 'the handlers');
      await bus.close({ timeoutMs: 0 });
      await call;
    },
    spans: [
      'CLIENT state.get cancelled',
      'CONSUMER process price.tick cancelled',
      'PRODUCER publish price.tick',
      'SERVER state.get cancelled',
    ],
    counts: { 'messagebus.errors': 2 },
  },
];
