/** Bounds how many messages of one receiving link are being worked on: at the mark the link reads no further. */

/** So many messages are a burst, after which reading takes breath; after fewer there is little to collect. */
const BURST = 64;

/** See the head of this file. */
export class Intake {
  readonly #limit: number;
  #inFlight = 0;
  /** Messages since the last breath. */
  #burst = 0;
  /** Packets of which more records are to come in. */
  #held = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #idle: (() => void)[] = [];
  #breath: (() => void) | undefined = undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get full(): boolean {
    return this.#inFlight >= this.#limit;
  }

  /** Counts a message in; a promise means that there is no room yet. */
  enter(): Promise<void> | undefined {
    this.#burst++;
    if (this.#inFlight < this.#limit) {
      this.#inFlight++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    this.#breath?.();
    this.#tellIdle();
  }

  /** More is to come in, of a packet that was begun: until `unhold`, nothing in flight does not mean that all is done. */
  hold(): void {
    this.#held++;
  }

  unhold(): void {
    this.#held--;
    this.#tellIdle();
  }

  /** Runs what brings messages in: until it has returned, nothing in flight does not mean that all is done. */
  holding<T>(bringIn: () => T): T {
    this.hold();
    try {
      return bringIn();
    } finally {
      this.unhold();
    }
  }

  /**
   * After a burst: lets what was started settle before more is read, or the event loop turn, whichever comes first. Messages that
   * pile up half done outlive the young generation, and collecting them costs more than handling them.
   */
  breather(): Promise<void> | undefined {
    if (this.#burst < BURST || this.#inFlight === 0) return undefined;
    this.#burst = 0;
    return new Promise((resolve) => {
      // One is enough: the link reads one packet at a time.
      this.#breath = resolve;
      setImmediate(resolve);
    });
  }

  /** Resolves when nothing is being worked on. */
  idle(): Promise<void> {
    if (this.#inFlight === 0 && this.#held === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || this.#inFlight > 0 || this.#held > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
