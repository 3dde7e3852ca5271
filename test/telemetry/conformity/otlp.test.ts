/** What really leaves the process: the same scenarios and rules, with the SDK that tracebus/telemetry starts, over OTLP/HTTP. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTelemetry } from '../../../src/telemetry/index.ts';
import { otlpSink } from '../otlp-sink.ts';
import { check } from './check.ts';
import type { Telemetry } from './model.ts';
import type { Observed } from './observing.ts';
import { read } from './otlp-reading.ts';
import { announced, played, recorded } from './playing.ts';
import { SCENARIOS } from './all-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { CHAIN } from './seeded-mistakes.ts';

const VARIABLES = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_LOGS_EXPORTER: 'otlp' };
const environment = { ...process.env };
const warnings: string[] = [];
const logger = { info: () => {}, warn: (line: string) => void warnings.push(line) };

before(() => {
  Object.assign(process.env, VARIABLES);
});
after(() => {
  process.env = environment;
});

/** An SDK that exports to a sink on loopback. */
async function exporting({ sampler }: Scenario): Promise<Observed> {
  if (sampler === undefined) Reflect.deleteProperty(process.env, 'OTEL_TRACES_SAMPLER');
  else process.env['OTEL_TRACES_SAMPLER'] = sampler;
  const sink = await otlpSink();
  const startedAt = performance.now();
  const telemetry = await startTelemetry({
    serviceName: 'conformity',
    prometheus: false,
    otlp: { endpoint: sink.endpoint },
    shutdownTimeoutMs: 10_000,
    logger,
  });
  return {
    async finish(): Promise<Telemetry> {
      await telemetry.shutdown();
      sink.close();
      assert.deepEqual(warnings, []);
      return read(sink, (performance.now() - startedAt) / 1000);
    },
  };
}

describe('what leaves over OTLP keeps to the conventions', () => {
  for (const scenario of SCENARIOS) {
    if (scenario.systems?.includes('zeromq') === false) continue;
    test(scenario.name, async () => {
      const telemetry = await played(scenario, 'zeromq', exporting);
      assert.deepEqual(recorded(telemetry, scenario), announced(scenario), 'it shows what it is meant to show');
      assert.deepEqual(check(telemetry, scenario), []);
    });
  }
});

test('the resource names the service and its instance, and the checker sees what is sent', async () => {
  const telemetry = await played(
    SCENARIOS.find(({ name }) => name === CHAIN)!,
    'memory',
    exporting,
  );
  for (const { resource } of [...telemetry.spans, ...telemetry.metrics]) {
    assert.equal(resource['service.name'], 'conformity');
    assert.match(String(resource['service.instance.id']), /^[0-9a-f-]{36}$/);
  }
  telemetry.spans[0]!.kind = 'UNSPECIFIED';
  telemetry.spans[0]!.resource['process.command_args'] = ['node'];
  telemetry.metrics[0]!.scope.schemaUrl = 'https://opentelemetry.io/schemas/1.45.0';
  assert.equal(check(telemetry).length, 3);
});
