/** The books of a delivery test: what was attempted, what became of it, and what arrived. Each message has a name of its own. */

/** The whole account, to be compared as one. */
export interface Account {
  readonly attempted: number;
  /** The call resolved. */
  readonly accepted: number;
  /** The call rejected. */
  readonly rejected: number;
  /** Arrivals, repeats included. */
  readonly seen: number;
  /** Accepted and never seen. */
  readonly lost: number;
  readonly duplicated: number;
  /** Seen, though never attempted or after its call had rejected. */
  readonly unexpected: number;
}

/** The account of a test in which each attempt was accepted and arrived once. */
export function allWell(count: number): Account {
  return { attempted: count, accepted: count, rejected: 0, seen: count, lost: 0, duplicated: 0, unexpected: 0 };
}

/** See the head of this file. */
export class Ledger {
  readonly #attempted = new Set<string>();
  readonly #accepted = new Set<string>();
  readonly #rejections = new Map<string, unknown>();
  /** What arrived, in the order of arrival. */
  readonly seen: string[] = [];

  /** Books a call under a name and settles, never rejects, when the call has. */
  async attempt(name: string, call: () => Promise<unknown>): Promise<void> {
    if (this.#attempted.has(name)) throw new Error(`two attempts are named ${name}`);
    this.#attempted.add(name);
    try {
      await call();
      this.#accepted.add(name);
    } catch (error) {
      this.#rejections.set(name, error);
    }
  }

  saw(name: unknown): void {
    this.seen.push(String(name));
  }

  /** How many calls rejected, by the code of the error. */
  get rejections(): Record<string, number> {
    const byCode: Record<string, number> = {};
    for (const error of this.#rejections.values()) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      byCode[code] = (byCode[code] ?? 0) + 1;
    }
    return byCode;
  }

  get account(): Account {
    const distinct = new Set(this.seen);
    const isExpected = (name: string): boolean => this.#attempted.has(name) && !this.#rejections.has(name);
    return {
      attempted: this.#attempted.size,
      accepted: this.#accepted.size,
      rejected: this.#rejections.size,
      seen: this.seen.length,
      lost: [...this.#accepted].filter((name) => !distinct.has(name)).length,
      duplicated: this.seen.length - distinct.size,
      unexpected: [...distinct].filter((name) => !isExpected(name)).length,
    };
  }
}

/** Names of the messages of one caller, in the order of its calls: `a 0`, `a 1`, ... */
export function names(caller: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${caller} ${String(index)}`);
}

/** What was seen of one caller's messages, in the order of arrival. */
export function seenOf(caller: string, seen: readonly string[]): string[] {
  return seen.filter((name) => name.startsWith(`${caller} `));
}
