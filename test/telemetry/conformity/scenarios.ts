/** Everything that a bus does, as scenarios: what works here; what fails is in failing-scenarios.ts. */
import { TraceFlags, context, propagation, trace as api } from '@opentelemetry/api';
import { trace } from '../../../src/middleware/trace.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import { times } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { losing, until } from './stage.ts';

/** Never to be seen in any telemetry. */
const SECRETS = ['secret-body', 'secret-header', 'secret-baggage'];

export const WORKING_SCENARIOS: readonly Scenario[] = [
  {
    name: 'publish and subscribe',
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      await bus.ready();
      for (const price of [1, 2, 3]) await bus.publish('price.tick', price);
      await until(() => got === 3, 'the events');
    },
    spans: [...times(3, 'CONSUMER process price.tick'), ...times(3, 'PRODUCER publish price.tick')],
    events: [],
    counts: {
      'messagebus.messages_sent': 3,
      'messagebus.messages_received': 3,
      'messaging.client.sent.messages': 3,
      'messaging.client.consumed.messages': 3,
    },
  },
  {
    name: 'patterns with wildcards',
    async play(stage) {
      const bus = stage.bus('prices');
      const got: string[] = [];
      bus.subscribe('price.*', ({ topic }) => void got.push(topic));
      bus.subscribe('news.>', ({ topic }) => void got.push(topic));
      await bus.ready();
      for (const topic of ['price.tick', 'price.close', 'news.uk.sport']) await bus.publish(topic, 1);
      await until(() => got.length === 3, 'the events');
    },
    spans: [
      'CONSUMER process news.>',
      ...times(2, 'CONSUMER process price.*'),
      'PRODUCER publish news.uk.sport',
      'PRODUCER publish price.close',
      'PRODUCER publish price.tick',
    ],
  },
  {
    name: 'several handlers of one message',
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      bus.subscribe('price.tick', () => got++);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await until(() => got === 2, 'both handlers');
    },
    spans: ['CONSUMER process price.tick', 'PRODUCER publish price.tick'],
    counts: { 'messagebus.messages_received': 1, 'messaging.client.consumed.messages': 1 },
  },
  {
    name: 'push and pull',
    async play(stage) {
      const bus = stage.bus('results');
      let got = 0;
      bus.pull('result.*', () => got++);
      await bus.ready();
      await bus.push('result.done', 1);
      await bus.push('result.done', 2);
      await until(() => got === 2, 'the results');
    },
    spans: [...times(2, 'CONSUMER process result.*'), ...times(2, 'PRODUCER push result.done')],
  },
  {
    name: 'request and respond',
    async play(stage) {
      const bus = stage.bus('state');
      bus.respond('state.get', ({ body }) => body);
      bus.respond('sum.*', () => 7);
      await bus.ready();
      await bus.request('state.get', 1);
      await bus.request('sum.all', 1);
    },
    spans: ['CLIENT state.get', 'CLIENT sum.all', 'SERVER state.get', 'SERVER sum.*'],
    counts: { 'messagebus.messages_sent': 4, 'messagebus.messages_received': 4 },
  },
  {
    name: 'one trace through event, push and request, in three services',
    async play(stage) {
      const feed = stage.bus('feed');
      const analytics = stage.bus('analytics', { publish: false });
      const recorder = stage.bus('recorder', { publish: false });
      let got = 0;
      recorder.respond('state.get', () => 1);
      recorder.pull('result', () => got++);
      await recorder.ready();
      analytics.subscribe('price.*', async (message) => {
        await analytics.request('state.get', message.body);
        await analytics.push('result', message.body);
      });
      await Promise.all([feed.ready(), analytics.ready()]);
      await feed.publish('price.tick', 1);
      await until(() => got === 1, 'the result');
    },
    spans: [
      'CLIENT state.get',
      'CONSUMER process price.*',
      'CONSUMER process result',
      'PRODUCER publish price.tick',
      'PRODUCER push result',
      'SERVER state.get',
    ],
  },
  {
    name: 'several buses in one process, one of them closed',
    async play(stage) {
      const [one, two, three] = [
        stage.bus('one'),
        stage.bus('two', { publish: false }),
        stage.bus('three', { publish: false }),
      ];
      let got = 0;
      for (const bus of [two, three]) bus.subscribe('price.tick', () => got++);
      await Promise.all([one, two, three].map((bus) => bus.ready()));
      await one.publish('price.tick', 1);
      await until(() => got === 2, 'both events');
      await three.close();
      await one.publish('price.tick', 2);
      await until(() => got === 3, 'the last event');
    },
    spans: [...times(3, 'CONSUMER process price.tick'), ...times(2, 'PRODUCER publish price.tick')],
    counts: { 'messagebus.messages_sent': 2, 'messagebus.messages_received': 3 },
  },
  {
    name: 'many messages in one packet',
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      await bus.ready();
      await Promise.all(Array.from({ length: 40 }, (_, price) => bus.publish('price.tick', price)));
      await until(() => got === 40, 'the events');
    },
    spans: [...times(40, 'CONSUMER process price.tick'), ...times(40, 'PRODUCER publish price.tick')],
  },
  {
    name: 'a loop over messages',
    async play(stage) {
      const bus = stage.bus('prices');
      const loop = (async () => {
        let got = 0;
        for await (const message of bus.messages('price.tick')) {
          message.run(() => api.getActiveSpan()?.isRecording());
          if (++got === 2) break;
        }
      })();
      await bus.ready();
      await bus.publish('price.tick', 1);
      await bus.publish('price.tick', 2);
      await loop;
    },
    spans: [...times(2, 'CONSUMER process price.tick'), ...times(2, 'PRODUCER publish price.tick')],
  },
  {
    name: 'new traces that only link back',
    linked: ['process price.tick', 'process result'],
    async play(stage) {
      const bus = stage.bus('prices');
      bus.use(trace({ link: true }));
      let got = 0;
      bus.subscribe('price.tick', () => bus.push('result', 1));
      bus.pull('result', () => got++);
      bus.respond('state.get', () => 1);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await bus.request('state.get', 1);
      await until(() => got === 1, 'the result');
    },
    spans: [
      'CLIENT state.get',
      'CONSUMER process price.tick',
      'CONSUMER process result',
      'PRODUCER publish price.tick',
      'PRODUCER push result',
      'SERVER state.get',
    ],
  },
  {
    name: 'spans of the application around the calls',
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => {
        api.getTracer('app').startSpan('store').end();
        got++;
      });
      await bus.ready();
      const span = api.getTracer('app').startSpan('import');
      await context.with(api.setSpan(context.active(), span), () => bus.publish('price.tick', 1));
      span.end();
      await until(() => got === 1, 'the event');
    },
    spans: ['CONSUMER process price.tick', 'INTERNAL import', 'INTERNAL store', 'PRODUCER publish price.tick'],
  },
  {
    name: 'a caller whose trace is not sampled',
    isPartlySpanned: true,
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      bus.respond('state.get', () => 1);
      await bus.ready();
      const spanContext = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: TraceFlags.NONE };
      await context.with(api.setSpanContext(context.active(), spanContext), async () => {
        await bus.publish('price.tick', 1);
        await bus.request('state.get', 1);
      });
      await bus.publish('price.tick', 2);
      await until(() => got === 2, 'the events');
    },
    spans: ['CONSUMER process price.tick', 'PRODUCER publish price.tick'],
    counts: { 'messagebus.messages_sent': 4, 'messaging.process.duration': 2, 'rpc.client.call.duration': 1 },
  },
  {
    name: 'bodies, headers and baggage, none of which is captured',
    secrets: SECRETS,
    async play(stage) {
      const bus = stage.bus('prices');
      const seen: (string | undefined)[] = [];
      bus.subscribe('price.tick', () => {
        seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value);
      });
      bus.respond('state.get', ({ body }) => body);
      await bus.ready();
      const baggage = propagation.createBaggage({ tenant: { value: 'secret-baggage' } });
      const headers = { 'x-tenant': 'secret-header' };
      await context.with(propagation.setBaggage(context.active(), baggage), async () => {
        await bus.publish('price.tick', { name: 'secret-body' }, { headers });
        await bus.request('state.get', 'secret-body', { headers });
      });
      await until(() => seen.length === 1, 'the event');
      if (seen[0] !== 'secret-baggage') throw new Error(`the baggage was lost: ${String(seen[0])}`);
    },
    spans: ['CLIENT state.get', 'CONSUMER process price.tick', 'PRODUCER publish price.tick', 'SERVER state.get'],
  },
  {
    name: 'more topics than may become names',
    isBeyondCap: true,
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.*', () => got++);
      bus.respond('get.*', () => 1);
      await bus.ready();
      for (let n = 0; n < 102; n++) await bus.publish(`price.n${String(n)}`, 1);
      for (let n = 0; n < 102; n++) await bus.request(`get.n${String(n)}`, 1);
      await until(() => got === 102, 'the events');
    },
    spans: [
      ...Array.from({ length: 100 }, (_, n) => `CLIENT get.n${String(n)}`),
      ...times(2, 'CLIENT tracebus'),
      ...times(102, 'CONSUMER process price.*'),
      ...times(2, 'PRODUCER publish'),
      ...Array.from({ length: 100 }, (_, n) => `PRODUCER publish price.n${String(n)}`),
      ...times(102, 'SERVER get.*'),
    ],
  },
  {
    name: 'endpoints without host and port',
    async play(stage) {
      const bus = stage.bus('prices', { endpoints: stage.unixEndpoints() });
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      bus.pull('result', () => got++);
      bus.respond('state.get', () => 1);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await bus.push('result', 1);
      await bus.request('state.get', 1);
      await until(() => got === 2, 'event and result');
    },
    spans: [
      'CLIENT state.get',
      'CONSUMER process price.tick',
      'CONSUMER process result',
      'PRODUCER publish price.tick',
      'PRODUCER push result',
      'SERVER state.get',
    ],
  },
  {
    name: 'peers whose messages carry no headers',
    systems: ['zeromq'],
    foreign: true,
    async play(stage) {
      const plain = () =>
        ({ transport: zeromq({ wire: 'plain', reconnectMs: 5, topic: 'result' }), retry: false }) as const;
      const bus = stage.bus('prices', plain());
      const other = stage.bus('others', { ...plain(), publish: false });
      let got = 0;
      bus.pull('result', () => got++);
      await until(() => bus.describe().links.some(({ state }) => state === 'open'), 'the puller');
      await other.push('result', 1);
      await until(() => got === 1, 'the result');
    },
    spans: ['CONSUMER process result', 'PRODUCER push result'],
  },
  {
    name: 'a publish that nobody is subscribed to',
    async play(stage) {
      const bus = stage.bus('prices');
      await bus.ready();
      await bus.publish('price.tick', 1);
    },
    spans: ['PRODUCER publish price.tick'],
    counts: { 'messagebus.unrouted': 1, 'messagebus.messages_sent': 1 },
  },
  {
    name: 'a gap',
    async play(stage) {
      let sent = 0;
      const transport = losing(stage.transport(), (topic) => topic === 'price.tick' && ++sent === 2);
      const bus = stage.bus('prices', { transport });
      let got = 0;
      bus.subscribe('price.tick', () => got++);
      await bus.ready();
      for (const price of [1, 2, 3]) {
        await bus.publish('price.tick', price);
        await until(() => bus.metrics().messages_sent === price, 'a packet for each event');
      }
      await until(() => got === 2, 'what is left of the events');
    },
    events: ['messagebus.gap'],
    spans: [...times(2, 'CONSUMER process price.tick'), ...times(3, 'PRODUCER publish price.tick')],
    counts: { 'messagebus.gaps': 1 },
  },
];
