/** What really leaves the process: the same scenarios and rules, with the SDK that tracebus/telemetry starts, over OTLP/HTTP. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTelemetry } from '../../../src/telemetry/index.ts';
import { otlpSink } from '../otlp-sink.ts';
import { check } from './check.ts';
import { FAILING_SCENARIOS } from './failing-scenarios.ts';
import type { Telemetry } from './model.ts';
import type { Observed } from './observing.ts';
import { read } from './otlp-reading.ts';
import { announced, played, recorded } from './playing.ts';
import { WORKING_SCENARIOS } from './scenarios.ts';
import { CHAIN } from './seeded-mistakes.ts';

const PROTOCOL = 'OTEL_EXPORTER_OTLP_PROTOCOL';
const protocolBefore = process.env[PROTOCOL];
const warnings: string[] = [];
const logger = { info: () => {}, warn: (line: string) => void warnings.push(line) };

before(() => {
  process.env[PROTOCOL] = 'http/json';
});
after(() => {
  if (protocolBefore === undefined) Reflect.deleteProperty(process.env, PROTOCOL);
  else process.env[PROTOCOL] = protocolBefore;
});

/** An SDK that exports to a sink on loopback. */
async function exporting(): Promise<Observed> {
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
  for (const scenario of [...WORKING_SCENARIOS, ...FAILING_SCENARIOS]) {
    test(scenario.name, async () => {
      const telemetry = await played(scenario, 'zeromq', await exporting());
      assert.deepEqual(recorded(telemetry, scenario), announced(scenario), 'it shows what it is meant to show');
      assert.deepEqual(check(telemetry, scenario), []);
    });
  }
});

test('the resource names the service and its instance, and the checker sees what is sent', async () => {
  const telemetry = await played(
    WORKING_SCENARIOS.find(({ name }) => name === CHAIN)!,
    'memory',
    await exporting(),
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
