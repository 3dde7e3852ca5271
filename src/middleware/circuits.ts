/**
 * The circuits of one direction, by key. Bounded, so that a flood of failing topics does not fill the memory: beyond the bound
 * the one whose last failure is longest ago is forgotten.
 */
import { Circuit } from './circuit.ts';
import type { CircuitLimits } from './circuit.ts';

const MOST_CIRCUITS = 1000;

/** See the head of this file. */
export class Circuits {
  readonly #limits: CircuitLimits;
  /** In the order of their last failures. */
  readonly #byKey = new Map<string, Circuit>();

  constructor(limits: CircuitLimits) {
    this.#limits = limits;
  }

  /** True until something has failed: nothing need be looked up. */
  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  find(key: string): Circuit | undefined {
    return this.#byKey.get(key);
  }

  /** The circuit that has a failure to note: the one of the call, or the one of the key, or a new one. */
  failing(key: string, known: Circuit | undefined): Circuit {
    const circuit = known ?? this.#byKey.get(key) ?? new Circuit(this.#limits);
    this.#byKey.delete(key);
    this.#byKey.set(key, circuit);
    if (this.#byKey.size > MOST_CIRCUITS) {
      const [earliest = key] = this.#byKey.keys();
      this.#byKey.delete(earliest);
    }
    return circuit;
  }
}
