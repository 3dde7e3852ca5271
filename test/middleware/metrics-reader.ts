/** Reads metrics as an exporter would, into plain data that tests compare. */
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { MetricData } from '@opentelemetry/sdk-metrics';

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** A MeterProvider and a way to look into it. */
export class Collected {
  readonly #reader = new Reader();
  readonly provider = new MeterProvider({ readers: [this.#reader] });

  /** Every metric by its name. */
  async metrics(): Promise<Map<string, MetricData>> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'collecting failed');
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(metrics.map((metric) => [metric.descriptor.name, metric]));
  }

  /** The points of a metric as `{"attribute":"value",...} number` lines, sorted. */
  async lines(name: string): Promise<string[]> {
    const points = (await this.metrics()).get(name)?.dataPoints ?? [];
    return points.map(({ attributes, value }) => `${JSON.stringify(attributes)} ${JSON.stringify(value)}`).sort();
  }
}
