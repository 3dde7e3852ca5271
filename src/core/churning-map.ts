/**
 * A Map for what comes and goes by the ten thousand. A Map's tables are replaced again and again then, and an old one, once in the old
 * generation, leads to the next and to all that was in it: everything that went through stays until a full collection. Measured with 100 requests in
 * flight, collections took 640 ms in place of 140 in three seconds. Here a key leads to a row, a plain array.
 */
const ROWS = 1024;

/** See the head of this file. Keys that share their last three characters share a row, so keys should differ there. */
export class ChurningMap<V> {
  readonly #rows: [key: string, value: V][][] = Array.from({ length: ROWS }, () => []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    for (const entry of this.#row(key)) if (entry[0] === key) return entry[1];
    return undefined;
  }

  set(key: string, value: V): void {
    const row = this.#row(key);
    for (const entry of row) {
      if (entry[0] !== key) continue;
      entry[1] = value;
      return;
    }
    row.push([key, value]);
    this.#size++;
  }

  delete(key: string): void {
    const row = this.#row(key);
    const index = row.findIndex(([one]) => one === key);
    const last = index < 0 ? undefined : row.pop();
    if (last === undefined) return;
    if (index < row.length) row[index] = last;
    this.#size--;
  }

  /** All of them, as they are now. */
  values(): V[] {
    return this.#rows.flatMap((row) => row.map(([, value]) => value));
  }

  #row(key: string): [key: string, value: V][] {
    const last = key.length - 1;
    const hash = key.charCodeAt(last) * 81 + key.charCodeAt(last - 1) * 9 + key.charCodeAt(last - 2);
    // Of short keys NaN, which `%` keeps.
    return this.#rows[Number.isNaN(hash) ? 0 : hash % ROWS] ?? [];
  }
}
