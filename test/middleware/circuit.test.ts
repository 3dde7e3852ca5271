import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Circuit } from '../../src/middleware/circuit.ts';
import type { CircuitLimits, Outcome } from '../../src/middleware/circuit.ts';

const limits: CircuitLimits = { failures: 3, windowMs: Infinity, openMs: 100, halfOpenProbes: 1 };

/** Lets one call through and settles it at once. */
function call(circuit: Circuit, outcome: Outcome, now: number): void {
  const era = circuit.enter(now);
  assert.notEqual(era, undefined);
  circuit.settle(era ?? -1, outcome, now);
}

function opened(now = 0, more: Partial<CircuitLimits> = {}): Circuit {
  const circuit = new Circuit({ ...limits, ...more });
  for (let failure = 0; failure < 3; failure++) call(circuit, 'failure', now);
  assert.equal(circuit.state, 'open');
  return circuit;
}

test('failures in a row open it, a success in between starts the count anew, and neither does nothing', () => {
  const circuit = new Circuit(limits);
  for (const outcome of ['failure', 'failure', 'success', 'failure', 'neither', 'failure'] as const)
    call(circuit, outcome, 0);
  assert.equal(circuit.state, 'closed');
  call(circuit, 'failure', 0);
  assert.equal(circuit.state, 'open');
});

test('only failures within the window count', () => {
  const circuit = new Circuit({ ...limits, windowMs: 10 });
  for (const now of [0, 5, 11, 22, 30]) call(circuit, 'failure', now);
  assert.equal(circuit.state, 'closed');
  call(circuit, 'failure', 32);
  assert.equal(circuit.state, 'open');
});

test('open it refuses and says for how long, then lets one probe through', () => {
  const circuit = opened(0);
  assert.deepEqual([circuit.enter(99), circuit.remainingMs(40), circuit.remainingMs(200)], [undefined, 60, 0]);
  assert.notEqual(circuit.enter(100), undefined);
  assert.deepEqual([circuit.state, circuit.enter(101), circuit.remainingMs(101)], ['half-open', undefined, 0]);
});

test('a probe closes it, opens it again, or, telling nothing, makes room for another', () => {
  const closing = opened();
  call(closing, 'success', 100);
  assert.equal(closing.state, 'closed');
  const failing = opened();
  call(failing, 'failure', 150);
  assert.deepEqual([failing.state, failing.remainingMs(150)], ['open', 100]);
  const aborted = opened();
  call(aborted, 'neither', 100);
  call(aborted, 'success', 100);
  assert.equal(aborted.state, 'closed');
});

test('what calls of an earlier state tell is ignored', () => {
  const circuit = new Circuit(limits);
  const old = circuit.enter(0) ?? -1;
  for (let failure = 0; failure < 3; failure++) call(circuit, 'failure', 0);
  assert.equal(circuit.settle(old, 'success', 1), false);
  const probe = circuit.enter(100) ?? -1;
  assert.equal(circuit.settle(old, 'failure', 101), false);
  assert.equal(circuit.settle(probe, 'success', 102), true);
  assert.equal(circuit.settle(old, 'failure', 103), false);
  assert.equal(circuit.state, 'closed');
});

/** The rules once more, by replaying the whole history each time: slow, and nothing like the code. */
class Model {
  readonly #limits: CircuitLimits;
  readonly #changes: { state: Circuit['state']; at: number }[] = [{ state: 'closed', at: 0 }];
  readonly #tellings: { change: number; outcome: Outcome; at: number }[] = [];
  readonly #calls: { change: number; settled: boolean }[] = [];

  constructor(limits: CircuitLimits) {
    this.#limits = limits;
  }

  get state(): Circuit['state'] {
    return this.#changes.at(-1)!.state;
  }

  get probesInFlight(): number {
    return this.#calls.filter(({ change, settled }) => change === this.#latest && !settled).length;
  }

  enter(now: number): number | undefined {
    if (this.state === 'open' && now >= this.#changes.at(-1)!.at + this.#limits.openMs) this.#become('half-open', now);
    if (this.state === 'open') return undefined;
    if (this.state === 'half-open' && this.probesInFlight === this.#limits.halfOpenProbes) return undefined;
    return this.#calls.push({ change: this.#latest, settled: false }) - 1;
  }

  settle(call: number, outcome: Outcome, now: number): void {
    const { change } = this.#calls[call]!;
    this.#calls[call]!.settled = true;
    if (change !== this.#latest) return;
    this.#tellings.push({ change, outcome, at: now });
    const told = this.#tellings.filter((one) => one.change === change && one.outcome !== 'neither');
    if (this.state === 'half-open') {
      if (told.length > 0) this.#become(told[0]!.outcome === 'success' ? 'closed' : 'open', now);
      return;
    }
    const row = told.slice(told.findLastIndex((one) => one.outcome === 'success') + 1);
    if (row.filter(({ at }) => at >= now - this.#limits.windowMs).length >= this.#limits.failures)
      this.#become('open', now);
  }

  get #latest(): number {
    return this.#changes.length - 1;
  }

  #become(state: Circuit['state'], at: number): void {
    this.#changes.push({ state, at });
  }
}

test('whatever happens in whatever order, it does what the model does, and probes stay bounded', () => {
  const someLimits = fc.record({
    failures: fc.integer({ min: 1, max: 4 }),
    windowMs: fc.constantFrom(Infinity, 0, 20, 60),
    openMs: fc.constantFrom(0, 30, 50),
    halfOpenProbes: fc.integer({ min: 1, max: 3 }),
  });
  const step = fc.record({
    afterMs: fc.nat(25),
    begins: fc.boolean(),
    which: fc.nat(8),
    outcome: fc.constantFrom<Outcome>('failure', 'failure', 'failure', 'success', 'neither'),
  });
  let refused = 0;
  const states = new Set<string>();
  fc.assert(
    fc.property(someLimits, fc.array(step, { maxLength: 120 }), (chosen, steps) => {
      const circuit = new Circuit(chosen);
      const model = new Model(chosen);
      const inFlight: { era: number; call: number }[] = [];
      let now = 0;
      for (const { afterMs, begins, which, outcome } of steps) {
        now += afterMs;
        if (begins || inFlight.length === 0) {
          const era = circuit.enter(now);
          const modelled = model.enter(now);
          assert.equal(era === undefined, modelled === undefined);
          if (era === undefined || modelled === undefined) refused++;
          else inFlight.push({ era, call: modelled });
        } else {
          const [{ era, call: modelled } = { era: -1, call: -1 }] = inFlight.splice(which % inFlight.length, 1);
          const before = model.state;
          model.settle(modelled, outcome, now);
          assert.equal(circuit.settle(era, outcome, now), model.state !== before);
        }
        assert.equal(circuit.state, model.state);
        states.add(circuit.state);
        if (circuit.state === 'half-open') assert.ok(model.probesInFlight <= chosen.halfOpenProbes);
      }
    }),
    { numRuns: 1000 },
  );
  // The property is worth something only if the walks went everywhere.
  assert.ok(refused > 100);
  assert.deepEqual([...states].sort(), ['closed', 'half-open', 'open']);
});
