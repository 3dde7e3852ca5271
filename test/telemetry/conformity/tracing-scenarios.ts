/** What the options of trace() and of subscriptions make of the spans, as scenarios. */
import { TraceFlags, context, propagation, trace as api } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { trace } from '../../../src/middleware/trace.ts';
import { times } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import type { Stage } from './stage.ts';
import { until } from './stage.ts';

const STRANGER = '2'.repeat(16);

/** The context of a message that came from a service whose trace is not sampled. */
function unsampled(): Context {
  const traceId = '1'.repeat(32);
  const place = { traceId, spanId: STRANGER, traceFlags: TraceFlags.NONE, isRemote: true };
  return api.setSpanContext(context.active(), place);
}

/** An event and a request in such a context, with an SDK that would sample them. */
async function playUnsampled(stage: Stage, option: 'follow' | 'ask'): Promise<void> {
  const bus = stage.bus('prices');
  bus.use(trace({ unsampled: option }));
  const traces: (string | undefined)[] = [];
  bus.subscribe('price.tick', () => void traces.push(api.getActiveSpan()?.spanContext().traceId));
  bus.respond('state.get', () => 1);
  await bus.ready();
  await context.with(unsampled(), async () => {
    await bus.publish('price.tick', 1);
    await bus.request('state.get', 1);
  });
  await until(() => traces.length === 1, 'the event');
  if (traces[0] !== '1'.repeat(32)) throw new Error(`the context was lost: ${String(traces[0])}`);
}

export const TRACING_SCENARIOS: readonly Scenario[] = [
  {
    name: 'a subscription that only links back, beside one that does not',
    linked: ['process price.tick'],
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++, { link: true });
      bus.subscribe('news.tick', () => got++);
      await bus.ready();
      await bus.publish('price.tick', 1);
      await bus.publish('news.tick', 1);
      await until(() => got === 2, 'the events');
    },
    spans: [
      'CONSUMER process news.tick',
      'CONSUMER process price.tick',
      'PRODUCER publish news.tick',
      'PRODUCER publish price.tick',
    ],
  },
  {
    name: 'a sender that is not sampled and is followed, whatever the sampler would say',
    sampler: 'always_on',
    isPartlySpanned: true,
    play: (stage) => playUnsampled(stage, 'follow'),
    spans: [],
    counts: { 'messaging.process.duration': 1, 'rpc.server.call.duration': 1 },
  },
  {
    name: 'a sender that is not sampled, and a sampler that is asked',
    sampler: 'always_on',
    strangers: [STRANGER],
    play: (stage) => playUnsampled(stage, 'ask'),
    spans: ['CLIENT state.get', 'CONSUMER process price.tick', 'PRODUCER publish price.tick', 'SERVER state.get'],
  },
  {
    name: 'hooks: a filter, attributes, and headers of a list',
    isPartlySpanned: true,
    extraAttributes: ['app.tenant'],
    headers: ['x-tenant'],
    secrets: ['secret-header', 'secret-body'],
    async play(stage) {
      const bus = stage.bus('prices');
      const filter = ({ topic }: { readonly topic: string }): boolean => topic !== 'price.quiet';
      bus.use(trace({ filter, attributes: () => ({ 'app.tenant': 'a' }), headers: ['x-tenant'] }));
      let got = 0;
      bus.subscribe('price.*', () => got++);
      bus.respond('state.get', () => 1);
      await bus.ready();
      const headers = { 'x-tenant': 'a', 'x-other': 'secret-header' };
      await bus.publish('price.tick', 'secret-body', { headers });
      await bus.publish('price.quiet', 'secret-body', { headers });
      await bus.request('state.get', 'secret-body', { headers });
      await until(() => got === 2, 'the events');
    },
    spans: ['CLIENT state.get', 'CONSUMER process price.*', 'PRODUCER publish price.tick', 'SERVER state.get'],
    counts: { 'messaging.process.duration': 2 },
  },
  {
    name: 'no baggage',
    secrets: ['secret-baggage'],
    async play(stage) {
      const bus = stage.bus('prices');
      bus.use(trace({ baggage: false }));
      const seen: (string | undefined)[] = [];
      bus.subscribe('price.tick', ({ headers }) => {
        seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value ?? headers.getText('baggage'));
      });
      await bus.ready();
      const baggage = propagation.createBaggage({ tenant: { value: 'secret-baggage' } });
      await context.with(propagation.setBaggage(context.active(), baggage), () => bus.publish('price.tick', 1));
      await until(() => seen.length === 1, 'the event');
      if (seen[0] !== undefined) throw new Error(`baggage travelled: ${seen[0]}`);
    },
    spans: ['CONSUMER process price.tick', 'PRODUCER publish price.tick'],
  },
  {
    name: 'how long messages are on their way and wait',
    async play(stage) {
      const bus = stage.bus('prices');
      let got = 0;
      bus.subscribe('price.tick', () => got++, { concurrency: 1 });
      bus.pull('result', () => got++);
      bus.respond('state.get', () => 1);
      await bus.ready();
      for (const price of [1, 2]) await bus.publish('price.tick', price);
      await bus.push('result', 1);
      await bus.request('state.get', 1);
      await until(() => got === 3, 'events and result');
    },
    spans: [
      'CLIENT state.get',
      ...times(2, 'CONSUMER process price.tick'),
      'CONSUMER process result',
      ...times(2, 'PRODUCER publish price.tick'),
      'PRODUCER push result',
      'SERVER state.get',
    ],
    counts: { 'messagebus.transport_lag': 4, 'messagebus.dwell': 4 },
  },
];
