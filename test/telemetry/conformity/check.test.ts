/** The checker itself: right telemetry of real scenarios, spoiled in one way each. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { trace as api } from '@opentelemetry/api';
import { SCENARIOS } from './all-scenarios.ts';
import { check } from './check.ts';
import type { Telemetry } from './model.ts';
import { observe } from './observing.ts';
import { played } from './playing.ts';
import type { Scenario } from './scenario.ts';
import { CHAIN, FAILURES, HOOKED, LINKED, REFUSED, SECRETS, SEEDED_MISTAKES, event, logOf } from './seeded-mistakes.ts';

const right = new Map<string, Telemetry>();

function scenario(name: string): Scenario {
  return SCENARIOS.find((one) => one.name === name)!;
}

/** A copy of what the scenario left, to be spoiled. */
function telemetryOf(name: string): Telemetry {
  return structuredClone(right.get(name)!);
}

before(async () => {
  for (const name of [CHAIN, FAILURES, LINKED, SECRETS, REFUSED, HOOKED])
    right.set(name, await played(scenario(name), 'memory'));
});

describe('the checker finds a mistake, and nothing else', () => {
  for (const { name, of, spoil, findings } of SEEDED_MISTAKES) {
    test(name, () => {
      const telemetry = telemetryOf(of);
      assert.deepEqual(check(telemetry, scenario(of)), [], 'it was right before');
      spoil(telemetry);
      assert.deepEqual(check(telemetry, scenario(of)).sort(), [...findings].sort());
    });
  }
});

test(`there are ${String(SEEDED_MISTAKES.length)} mistakes, each with a name of its own`, () => {
  assert.ok(SEEDED_MISTAKES.length >= 100, String(SEEDED_MISTAKES.length));
  assert.equal(new Set(SEEDED_MISTAKES.map(({ name }) => name)).size, SEEDED_MISTAKES.length);
});

test('right events and log records are no mistakes', () => {
  const telemetry = telemetryOf(FAILURES);
  const [span] = telemetry.spans.filter(({ kind }) => kind === 'CONSUMER');
  const cause = { 'error.type': 'handler_failed' };
  span!.events.push(
    event(span!, 'messagebus.gap', { 'messagebus.missed': 3 }),
    event(span!, 'messagebus.retry', { 'messagebus.attempt': 1, ...cause }),
    event(span!, 'messagebus.retry', { 'messagebus.attempt': 2, ...cause }),
    event(span!, 'messagebus.cancel', { 'error.type': 'cancelled' }),
  );
  for (const one of span!.events) one.at = span!.start;
  telemetry.logs.push(logOf(span!), { ...logOf(span!), place: undefined, severityText: 'WARN', severityNumber: 13 });
  assert.deepEqual(check(telemetry, scenario(FAILURES)), []);
});

test('attributes that the application has asked for are no mistakes', () => {
  const telemetry = telemetryOf(CHAIN);
  telemetry.spans[0]!.attributes['app.tenant'] = 'a';
  assert.deepEqual(check(telemetry, { extraAttributes: ['app.tenant'] }), []);
  assert.equal(check(telemetry).length, 1);
});

test('a refused message may have a span of its own, without parent and link, and only then', () => {
  const telemetry = telemetryOf(FAILURES);
  const span = telemetry.spans.find(({ kind }) => kind === 'CONSUMER')!;
  span.parentId = undefined;
  span.links = [];
  assert.deepEqual(check(telemetry, { refused: ['handler_failed'] }), []);
  assert.equal(check(telemetry, { refused: ['rejected'] }).length, 1);
});

test('the SDK tells when a span is ended twice, and when one is never ended', async () => {
  const observed = observe();
  const tracer = api.getTracer('app');
  const twice = tracer.startSpan('twice');
  twice.end();
  twice.end();
  tracer.startSpan('never');
  const findings = check(await observed.finish(), { isUnmeasured: true });
  assert.match(findings[0]!, /^OpenTelemetry complains: .*\bended span\b/i);
  assert.equal(findings.at(-1), '1 started span(s) never ended');
});

test('telemetry of nothing lacks the metrics that are always there', () => {
  const nothing = { spans: [], metrics: [], logs: [], started: undefined, complaints: [], elapsedS: 1 };
  const findings = check(nothing);
  assert.equal(findings.length, 22);
  assert.ok(findings.every((finding) => /^metric messagebus\.[a-z_]+ is missing$/.test(finding)));
});
