/**
 * The current turn of the event loop, as all writers of one bus share it: what is queued leaves at its end, in the order in which the
 * writers asked. In its own turn a message leaves only where it overtakes nothing of the bus that is to leave, and where nobody else's
 * has left in this turn: sockets are read between turns, so what left in one has a start over what leaves in the next, whatever sockets they take.
 */

/** Who has something to do when the turn ends. */
export interface TurnEnd {
  /** Must not throw. */
  onTurnEnd(): void;
}

/** See the head of this file. */
export class Turn {
  /** Changes with each turn in which something was sent. */
  number = 0;
  /** Writers that are handing over what was queued, and have more. */
  leaving = 0;
  #due: TurnEnd[] = [];
  /** Those of the turn that has ended that have not been told. */
  readonly #ending: TurnEnd[] = [];
  #marked = false;
  /** Whose messages have left in this turn before its end; the turn itself stands for several. */
  #left: object | undefined = undefined;

  /** Whether a message of this writer may leave before the turn ends. */
  isFreeFor(writer: object): boolean {
    const isQuiet = this.leaving === 0 && this.#due.length === 0 && this.#ending.length === 0;
    return isQuiet && (this.#left === undefined || this.#left === writer);
  }

  /** A message of this writer leaves before the turn ends. */
  leave(writer: object): void {
    this.#left = writer;
    this.mark();
  }

  /** Sees to it that the end of this turn is noticed. */
  mark(): void {
    if (this.#marked) return;
    this.#marked = true;
    setImmediate(this.#end);
  }

  /** What is queued is to leave when the turn ends. */
  atEnd(writer: TurnEnd): void {
    // A call of the event loop's for each: what one hands over without waiting has left before the next one begins.
    if (this.#due.push(writer) > 1) setImmediate(this.#tell);
    else this.mark();
  }

  readonly #end = (): void => {
    const due = this.#due;
    this.#marked = false;
    this.number++;
    this.#left = undefined;
    const [only] = due;
    if (only === undefined) return;
    this.#due = [];
    this.leave(due.length === 1 ? only : this);
    this.#ending.push(...due);
    this.#tell();
  };

  readonly #tell = (): void => {
    this.#ending.shift()?.onTurnEnd();
  };
}

/** Resolves when the event loop has turned. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How often a sink that has no room is asked again, in milliseconds, once asking at the next turn did not help. */
const RETRY_MS = 1;

/** Real time even under an injected clock: this waits for the operating system, not for a time-out. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
