/** Reads metrics as an exporter would, into plain data that tests compare. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { MetricData, MetricProducer, ResourceMetrics } from '@opentelemetry/sdk-metrics';

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
  readonly #reader: MetricReader;
  readonly #prometheus: PrometheusExporter;
  readonly provider: MeterProvider;

  constructor(metricProducers: MetricProducer[] = []) {
    this.#reader = new Reader({ metricProducers });
    this.#prometheus = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true, metricProducers });
    this.provider = new MeterProvider({ readers: [this.#reader, this.#prometheus] });
  }

  /** What an exporter gets. */
  async raw(): Promise<ResourceMetrics> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'collecting failed');
    return resourceMetrics;
  }

  /** Every metric by its name. */
  async metrics(): Promise<Map<string, MetricData>> {
    const metrics = (await this.raw()).scopeMetrics.flatMap((scope) => scope.metrics);
    if (new Set(metrics.map(({ descriptor }) => descriptor.name)).size !== metrics.length) {
      throw new Error('a metric is exported twice');
    }
    return new Map(metrics.map((metric) => [metric.descriptor.name, metric]));
  }

  /** The points of a metric as `{"attribute":"value",...} number` lines, sorted. */
  async lines(name: string): Promise<string[]> {
    const points = (await this.metrics()).get(name)?.dataPoints ?? [];
    return points.map(({ attributes, value }) => `${JSON.stringify(attributes)} ${JSON.stringify(value)}`).sort();
  }

  /** What Prometheus reads, line by line. */
  scrape(): Promise<string[]> {
    return new Promise((resolve) => {
      const response = {
        setHeader: () => response,
        end: (text: string) => {
          resolve(text.split('\n').filter((line) => line !== ''));
        },
      };
      this.#prometheus.getMetricsRequestHandler(
        {} as unknown as IncomingMessage,
        response as unknown as ServerResponse,
      );
    });
  }
}
