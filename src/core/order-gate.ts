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

  /** True when every ticket has entered or been given up. */
  get idle(): boolean {
    return this.#current === this.#issued;
  }

  /** A ticket, in the order of the wire. */
  issue(): number {
    return this.#issued++;
  }

  /**
   * Resolves when it is this ticket's turn, or when it is given up; `undefined` when it is already. The caller then passes with
   * {@link OrderGate.pass}.
   */
  turn(ticket: number): Promise<void> | undefined {
    if (ticket <= this.#current || this.#skipped?.has(ticket) === true) return undefined;
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
      // Whoever waits with it is kept no longer: nobody else would let it go.
      this.#enter(ticket);
      return;
    }
    this.#current++;
    while (this.#skipped?.delete(this.#current) === true) this.#current++;
    this.#enter(this.#current);
  }

  #enter(ticket: number): void {
    const wake = this.#waiting?.get(ticket);
    if (wake === undefined) return;
    this.#waiting?.delete(ticket);
    wake();
  }
}
