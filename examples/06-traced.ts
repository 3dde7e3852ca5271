/**
 * What the bus does, seen from outside: one trace across an event and a request, and the metrics that Prometheus would scrape.
 * With OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 the traces also go to a collector there.
 */
import { trace } from '@opentelemetry/api';
import { MessageBus } from 'tracebus';
import { startTelemetry } from 'tracebus/telemetry';

// Before the first bus starts: instruments made earlier would stay silent.
const telemetry = await startTelemetry({ serviceName: 'traced-example' });
const traceId = (): string => trace.getActiveSpan()?.spanContext().traceId ?? 'none';

const feed = new MessageBus('feed', {
  endpoints: { publish: { bind: 'tcp://127.0.0.1:*' }, respond: { bind: 'tcp://127.0.0.1:*' } },
});
feed.respond('price.last', () => {
  console.log(`answering in trace ${traceId()}`);
  return { symbol: 'BTC', price: 43210.5 };
});
await feed.ready();
const [publish = '', respond = ''] = ['publish', 'respond'].map(
  (pattern) => feed.describe().links.find((link) => link.pattern === pattern)?.address,
);

const screen = new MessageBus('screen', {
  endpoints: { subscribe: { connect: [publish] }, request: { connect: [respond] } },
});
const handled = new Promise<void>((resolve) => {
  screen.subscribe('price.tick', async () => {
    console.log(`handling  in trace ${traceId()}`);
    console.log('the reply:', await screen.request('price.last', {}));
    resolve();
  });
});
await screen.ready();

await trace.getTracer('example').startActiveSpan('tick', async (span) => {
  console.log(`sending   in trace ${traceId()}`);
  await feed.publish('price.tick', { price: 43210.5 });
  await handled;
  span.end();
});

// Everything under `messagebus_`: the nine documented metrics are among it, see docs/metrics.md.
const scraped = await (await fetch(telemetry.prometheusUrl ?? '')).text();
console.log(`\n${telemetry.prometheusUrl ?? ''} says:`);
const nine = /^messagebus_(messages|errors|outbound|inbound|backpressure|request_timeouts|failed_bind|active).*$/gm;
for (const [line] of scraped.matchAll(nine)) console.log(line);

await screen.close();
await feed.close();
await telemetry.shutdown();
