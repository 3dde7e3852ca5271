/**
 * Remembers what is the same for every message of one endpoint and destination, such as the attributes of its spans, so that
 * nothing is built per message. Bounded: names come from outside, and beyond the cap all share one value per endpoint, made
 * for the destination `undefined`. The bound is also what keeps span names and metric series few.
 */
import { DESTINATION_CAP } from '../core/counters.ts';

/** Endpoints beyond so many share the values of an endpoint without a name. */
const ENDPOINT_CAP = 100;

/** A bounded two-level table: endpoint, then destination. */
export class DestinationCache<T> {
  readonly #make: (endpoint: string, destination: string | undefined) => T;
  readonly #endpoints = new Map<string, Map<string | undefined, T>>();
  #destinations = 0;
  /** What was asked for last: most messages are about the same as the one before. */
  #last: { readonly endpoint: string; readonly destination: string; readonly value: T } | undefined;

  constructor(make: (endpoint: string, destination: string | undefined) => T) {
    this.#make = make;
  }

  /** The value for this endpoint and destination, made when it is first asked for. */
  get(endpoint: string, destination: string): T {
    const last = this.#last;
    if (last?.destination === destination && last.endpoint === endpoint) return last.value;
    const values = this.#endpoints.get(endpoint);
    const value = values?.get(destination) ?? this.#add(endpoint, destination, values);
    this.#last = { endpoint, destination, value };
    return value;
  }

  #add(endpoint: string, destination: string, known: Map<string | undefined, T> | undefined): T {
    if (known === undefined && this.#endpoints.size >= ENDPOINT_CAP && endpoint !== '')
      return this.get('', destination);
    const values = known ?? new Map<string | undefined, T>();
    if (known === undefined) this.#endpoints.set(endpoint, values);
    const name = this.#destinations < DESTINATION_CAP ? destination : undefined;
    const value = values.get(name) ?? this.#make(endpoint, name);
    if (!values.has(name)) {
      values.set(name, value);
      if (name !== undefined) this.#destinations++;
    }
    return value;
  }
}
