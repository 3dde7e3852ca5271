/**
 * The exported series of one metric. The attributes of a series are made once and frozen, because the SDK keeps the object.
 * Only the attributes that the metric declares are taken: counts that differ in others are added up.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Series } from '../core/counters.ts';
import { ATTR, OTHER_DESTINATION, OTHER_METHOD, SERIES_CAP } from '../core/semconv.ts';
import type { MetricFacts } from '../core/semconv.ts';
import { destinationAttributes, rpcAttributes } from './message-attributes.ts';

/** One exported series: what closed buses left behind, and what the live ones have. */
interface Point {
  readonly attributes: Attributes;
  closed: number;
  live: number;
}

/** See the head of this file. */
export class MetricSeries {
  readonly #points = new Map<string, Point>();
  readonly #takesOperation: boolean;
  readonly #takesDestination: boolean;
  /** Some counts are by reason in place of the type of error. */
  readonly #errorAttribute: string | undefined;
  readonly #isRpc: boolean;

  constructor({ attributes }: MetricFacts) {
    this.#takesOperation = attributes.includes(ATTR.operationName);
    this.#isRpc = attributes.includes(ATTR.rpcMethod);
    this.#takesDestination = this.#isRpc || attributes.includes(ATTR.destinationName);
    this.#errorAttribute = [ATTR.errorType, ATTR.reason].find((name) => attributes.includes(name));
  }

  /** Every series so far; none ever disappears. */
  all(): IterableIterator<Point> {
    return this.#points.values();
  }

  /** The point of these attributes; with none, the base series of the system. */
  point(system: string, series: Partial<Series> = {}): Point {
    const operation = this.#takesOperation ? series.operation : undefined;
    const errorType = this.#errorAttribute === undefined ? undefined : series.errorType;
    let destination = this.#takesDestination ? series.destination : undefined;
    let key = keyOf(system, operation, destination, errorType);
    if (destination !== undefined && !this.#points.has(key) && this.#points.size >= SERIES_CAP) {
      destination = OTHER_DESTINATION;
      key = keyOf(system, operation, destination, errorType);
    }
    const known = this.#points.get(key);
    if (known !== undefined) return known;
    const attributes = Object.freeze({
      [ATTR.systemName]: system,
      ...(operation === undefined ? {} : { [ATTR.operationName]: operation }),
      ...this.#destinationAttributes(destination),
      ...(errorType === undefined || this.#errorAttribute === undefined ? {} : { [this.#errorAttribute]: errorType }),
    });
    const made: Point = { attributes, closed: 0, live: 0 };
    this.#points.set(key, made);
    return made;
  }

  #destinationAttributes(destination: string | undefined): Attributes {
    if (!this.#isRpc || destination === undefined) return destinationAttributes(destination);
    return rpcAttributes(destination === OTHER_DESTINATION ? OTHER_METHOD : destination);
  }
}

function keyOf(...parts: (string | undefined)[]): string {
  return parts.join('\u0000');
}
