/**
 * One set of observable instruments per MeterProvider, fed from the counters of all live buses and the totals of closed ones.
 *
 * Two buses that each observed the same series would overwrite one another's values, so buses never talk to a meter: they
 * are attached here, and ONE batch callback adds them up when somebody collects. Nothing is ever reset or lowered: the counts
 * of a closed bus are folded into its series and kept for the life of the process; its gauges fall to 0.
 *
 * Each `messagebus.*` counter has a base series with `messaging.system.name` alone, 0 until something without further
 * attributes is counted, so that every metric is visible from the start. The rest appears with its first count.
 */
import type { BatchObservableResult, Meter, MeterProvider, Observable } from '@opentelemetry/api';
import type { Counters } from '../core/counters.ts';
import { COUNTER_METRICS, GAUGE_METRICS, SCOPE_NAME } from '../core/semconv.ts';
import type { CounterMetric, GaugeMetric, MetricFacts } from '../core/semconv.ts';
import { MetricSeries } from './metric-series.ts';
import { COUNTS, GAUGES } from './metric-sources.ts';

/** What the registry needs to know of a bus. */
interface MeteredBus {
  readonly system: string;
  readonly counters: Counters;
}

interface Row<K> {
  readonly key: K;
  readonly hasBase: boolean;
  readonly observable: Observable;
  readonly series: MetricSeries;
}

const OWN_NAMESPACE = 'messagebus.';

const registries = new WeakMap<MeterProvider, MetricsRegistry>();

/** The registry of a provider, made when a bus first asks for it. */
export function registryOf(provider: MeterProvider): MetricsRegistry {
  const known = registries.get(provider);
  if (known !== undefined) return known;
  const made = new MetricsRegistry(provider.getMeter(SCOPE_NAME));
  registries.set(provider, made);
  return made;
}

/** See the head of this file. */
class MetricsRegistry {
  readonly #buses = new Set<MeteredBus>();
  readonly #systems = new Set<string>();
  readonly #counters: readonly Row<CounterMetric>[];
  readonly #gauges: readonly Row<GaugeMetric>[];

  constructor(meter: Meter) {
    this.#counters = rowsOf(COUNTER_METRICS, (name, options) => meter.createObservableCounter(name, options));
    this.#gauges = rowsOf(GAUGE_METRICS, (name, options) => meter.createObservableGauge(name, options));
    const observables = [...this.#counters, ...this.#gauges].map(({ observable }) => observable);
    meter.addBatchObservableCallback((result) => {
      this.#observe(result);
    }, observables);
  }

  /** Counts a bus in, until the function that it returns is called. */
  attach(bus: MeteredBus): () => void {
    this.#buses.add(bus);
    this.#systems.add(bus.system);
    return () => {
      if (!this.#buses.delete(bus)) return;
      for (const { key, series } of this.#counters) {
        for (const one of COUNTS[key](bus.counters)) series.point(bus.system, one).closed += one.value;
      }
    };
  }

  #observe(result: BatchObservableResult): void {
    for (const row of [...this.#counters, ...this.#gauges]) {
      for (const point of row.series.all()) point.live = 0;
      if (row.hasBase) for (const system of this.#systems) row.series.point(system);
    }
    for (const { system, counters } of this.#buses) {
      for (const { key, series } of this.#counters) {
        for (const one of COUNTS[key](counters)) series.point(system, one).live += one.value;
      }
      for (const { key, series } of this.#gauges) series.point(system).live += GAUGES[key](counters);
    }
    for (const { observable, series } of [...this.#counters, ...this.#gauges]) {
      for (const { closed, live, attributes } of series.all()) result.observe(observable, closed + live, attributes);
    }
  }
}

function rowsOf<K extends string>(
  metrics: Readonly<Record<K, MetricFacts>>,
  create: (name: string, options: { unit: string; description: string }) => Observable,
): Row<K>[] {
  return (Object.keys(metrics) as K[]).map((key) => {
    const { name, unit, description } = metrics[key];
    const observable = create(name, { unit, description });
    return { key, observable, hasBase: name.startsWith(OWN_NAMESPACE), series: new MetricSeries(metrics[key]) };
  });
}
