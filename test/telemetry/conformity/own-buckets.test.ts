/** The same scenarios with an SDK of the application, whose reader was given a producer for its buses alone: own buckets instead of `histogram.record`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { metrics } from '../../../src/middleware/metrics.ts';
import { histogramProducer } from '../../../src/telemetry/index.ts';
import { SCENARIOS } from './all-scenarios.ts';
import { check } from './check.ts';
import { observe } from './observing.ts';
import type { Observed } from './observing.ts';
import { announced, played, recorded } from './playing.ts';
import type { Scenario } from './scenario.ts';

/** An SDK whose reader has a producer, which every bus writes to, and to nothing else. */
function observeBuckets({ sampler }: Scenario): Observed {
  const producer = histogramProducer({ shared: false });
  const observed = observe({ metricProducers: [producer], ...(sampler !== undefined && { sampler }) });
  return { ...observed, prepare: (bus) => void bus.use(metrics({ histogramProducer: producer })) };
}

describe('the telemetry with own buckets keeps to the conventions', () => {
  for (const scenario of SCENARIOS) {
    if (scenario.systems?.includes('memory') === false) continue;
    test(scenario.name, async () => {
      const telemetry = await played(scenario, 'memory', observeBuckets);
      assert.deepEqual(recorded(telemetry, scenario), announced(scenario), 'it shows what it is meant to show');
      assert.deepEqual(check(telemetry, scenario), []);
    });
  }
});
