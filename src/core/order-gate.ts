/**
 * Keeps handlers starting in wire order when steps before them are asynchronous: each message takes a ticket when it is read
 * and enters when every earlier ticket has entered or been given up.
 */

/** The order of one topic of one link. */
export class OrderGate {
  #issued = 0;
  #current = 0;
  #waiting: Map<number, () => void> | undefined;
  #skipped: Set<number> | undefined;

  /** A ticket, in the order of the wire. */
  issue(): number {
    return this.#issued++;
  }

  /** Resolves when it is this ticket's turn; `undefined` when it is already. The caller then passes with {@link OrderGate.pass}. */
  turn(ticket: number): Promise<void> | undefined {
    if (ticket <= this.#current) return undefined;
    return new Promise((resolve) => {
      this.#waiting ??= new Map();
      this.#waiting.set(ticket, resolve);
    });
  }

  /** The ticket has entered, or will never come: the next one may. Passing twice does nothing. */
  pass(ticket: number): void {
    if (ticket < this.#current) return;
    if (ticket > this.#current) {
      this.#skipped ??= new Set();
      this.#skipped.add(ticket);
      return;
    }
    this.#current++;
    while (this.#skipped?.delete(this.#current) === true) this.#current++;
    const next = this.#waiting?.get(this.#current);
    if (next === undefined) return;
    this.#waiting?.delete(this.#current);
    next();
  }
}
