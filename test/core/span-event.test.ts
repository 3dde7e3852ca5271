import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diag } from '@opentelemetry/api';
import type { Span } from '@opentelemetry/api';
import { addSpanEvent } from '../../src/core/span-event.ts';

test('an event goes to the span, where there is one, with the time by its clock', () => {
  const events: unknown[] = [];
  const span = { addEvent: (...event: unknown[]) => events.push(event) } as unknown as Span;
  addSpanEvent({ span, spanTime: { now: () => [1, 2] } }, 'one', { a: 1 });
  addSpanEvent({ span: undefined, spanTime: undefined }, 'two', {});
  assert.deepEqual(events, [['one', { a: 1 }, [1, 2]]]);
});

test('a span that throws costs the event and is told to OpenTelemetry', () => {
  const told: string[] = [];
  const ignore = (): void => {};
  diag.setLogger({
    error: (line) => void told.push(line),
    warn: ignore,
    info: ignore,
    debug: ignore,
    verbose: ignore,
  });
  const span = {
    addEvent: () => {
      throw new Error('broken');
    },
  } as unknown as Span;
  addSpanEvent({ span, spanTime: undefined }, 'one', {});
  diag.disable();
  assert.deepEqual(told, ['tracebus: the event one could not be added']);
});
