import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_CONTEXT, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { LIGHT_ROOT, LightContext, light } from '../../src/middleware/light-context.ts';

const A = createContextKey('light-context.test a');
const B = createContextKey('light-context.test b');
const BELOW = ROOT_CONTEXT.setValue(A, 'below').setValue(B, 'b');

const spanOf = (traceId: string) => trace.wrapSpanContext({ traceId, spanId: '00f067aa0ba902b7', traceFlags: 1 });
const FIRST = spanOf('4bf92f3577b34da6a3ce929d0e0e4736');
const SECOND = spanOf('5bf92f3577b34da6a3ce929d0e0e4736');

test('a light context has its value and all of the context below, which it leaves as it was', () => {
  const active = light(BELOW).setValue(A, 'above');
  assert.ok(active instanceof LightContext);
  assert.deepEqual([active.getValue(A), active.getValue(B)], ['above', 'b']);
  assert.deepEqual([BELOW.getValue(A), BELOW.getValue(B)], ['below', 'b']);
});

test('what OpenTelemetry sets and reads in it is what it would set and read in its own', () => {
  const active = trace.setSpan(light(ROOT_CONTEXT), FIRST);
  assert.ok(active instanceof LightContext);
  assert.equal(trace.getSpan(active), FIRST);
  assert.equal(trace.getSpan(trace.deleteSpan(active)), undefined);
  assert.equal(trace.getSpan(active), FIRST);
  const baggage = propagation.createBaggage({ user: { value: 'u' } });
  const both = propagation.setBaggage(active, baggage);
  assert.equal(trace.getSpan(both), FIRST);
  assert.equal(propagation.getBaggage(both), baggage);
  assert.equal(propagation.getBaggage(active), undefined);
});

test('the second value of a key replaces the first, and one of another key makes a context of the usual kind', () => {
  const active = light(BELOW).setValue(A, 1);
  assert.equal(active.setValue(A, 2).getValue(A), 2);
  const two = active.setValue(B, 3);
  assert.deepEqual([two.getValue(A), two.getValue(B)], [1, 3]);
  assert.ok(!(two instanceof LightContext));
  const less = active.deleteValue(B);
  assert.deepEqual([less.getValue(A), less.getValue(B)], [1, undefined]);
  assert.equal(active.deleteValue(A).getValue(A), undefined);
});

test('contexts that are made of each other do not grow', () => {
  let active: Context = light(ROOT_CONTEXT);
  // A hundred thousand layers would be too deep to ask.
  for (let index = 0; index < 100_000; index++) active = trace.setSpan(light(active), index % 2 === 0 ? FIRST : SECOND);
  assert.equal(trace.getSpan(active), SECOND);
  assert.equal(active.getValue(A), undefined);
});

test('the light root is empty', () => {
  assert.equal(LIGHT_ROOT.getValue(A), undefined);
  assert.equal(LIGHT_ROOT.deleteValue(A).getValue(A), undefined);
  assert.equal(light(ROOT_CONTEXT), LIGHT_ROOT);
  assert.equal(light(BELOW).deleteValue(A).getValue(A), undefined);
  assert.equal(light(BELOW).getValue(B), 'b');
});

test('a context of another class stays one: the context managers of agents keep more in it than values', () => {
  class AgentContext implements Context {
    readonly transaction: string;
    readonly values: ReadonlyMap<symbol, unknown>;

    constructor(transaction: string, values: ReadonlyMap<symbol, unknown> = new Map()) {
      this.transaction = transaction;
      this.values = values;
    }

    getValue(key: symbol): unknown {
      return this.values.get(key);
    }

    setValue(key: symbol, value: unknown): AgentContext {
      return new AgentContext(this.transaction, new Map(this.values).set(key, value));
    }

    deleteValue(key: symbol): AgentContext {
      return new AgentContext(this.transaction, new Map([...this.values].filter(([one]) => one !== key)));
    }
  }
  const active = trace.setSpan(light(new AgentContext('checkout')), FIRST);
  assert.ok(active instanceof AgentContext);
  assert.equal(active.transaction, 'checkout');
  assert.equal(trace.getSpan(active), FIRST);
});
