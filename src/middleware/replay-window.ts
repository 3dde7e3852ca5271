/**
 * Which numbers of a sender have been seen: a sliding window of 65,536 bits per (receiving socket, key, stream), as IPsec has it
 * (RFC 6479), so that messages may arrive in another order within it. Only a valid signature moves a window.
 *
 * A stream is forgotten when everything it has sent is too old to be accepted anyway. The number of streams is capped: when full, new
 * streams are refused, because forgetting one that is fresh would let its messages in a second time.
 */

const WINDOW_BITS = 65_536;
const WORDS = WINDOW_BITS / 32;

/** What {@link ReplayWindows.accept} says of a number. */
export type Replay = 'replayed' | 'streams_full' | undefined;

/** One sender's numbers. */
class ReplayWindow {
  /** When its latest message was made, in milliseconds since 1970. */
  latest = 0;
  #highest = -1;
  readonly #seen = new Uint32Array(WORDS);

  /** False for a number that was accepted before, or lies behind the window. */
  accept(number: number): boolean {
    if (number > this.#highest) {
      // The words between, which belonged to numbers one window earlier.
      const [from, to] = [Math.floor(this.#highest / 32), Math.floor(number / 32)];
      if (to - from >= WORDS) this.#seen.fill(0);
      else for (let word = from + 1; word <= to; word++) this.#seen[word % WORDS] = 0;
      this.#highest = number;
    } else if (this.#highest - number >= WINDOW_BITS - 32) return false;
    const word = Math.floor(number / 32) % WORDS;
    const bit = 1 << (number % 32);
    const seen = this.#seen[word] ?? 0;
    if ((seen & bit) !== 0) return false;
    this.#seen[word] = seen | bit;
    return true;
  }
}

/** The windows of one receiving socket. */
export class ReplayWindows {
  readonly #windows = new Map<string, ReplayWindow>();
  readonly #maxStreams: number;
  readonly #maxAgeMs: number;
  /** No message of a stream that was forgotten is newer, so that a clock set back opens nothing. */
  #forgottenUntil = -Infinity;
  /** Nothing is too old before then: at the cap every new stream asks. */
  #nextSweep = Infinity;

  constructor(maxStreams: number, maxAgeMs: number) {
    this.#maxStreams = maxStreams;
    this.#maxAgeMs = maxAgeMs;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Takes the number of an authentic message; `created` and `now` are milliseconds since 1970. */
  accept(stream: string, number: number, created: number, now: number): Replay {
    let window = this.#windows.get(stream);
    if (window === undefined) {
      if (created <= this.#forgottenUntil) return 'replayed';
      if (now >= this.#nextSweep) this.#forget(now);
      if (this.#windows.size >= this.#maxStreams) return 'streams_full';
      this.#windows.set(stream, (window = new ReplayWindow()));
      this.#nextSweep = Math.min(this.#nextSweep, created + this.#maxAgeMs);
    }
    if (!window.accept(number)) return 'replayed';
    if (created > window.latest) window.latest = created;
    return undefined;
  }

  #forget(now: number): void {
    let oldest = Infinity;
    for (const [stream, { latest }] of this.#windows) {
      if (now - latest <= this.#maxAgeMs) {
        if (latest < oldest) oldest = latest;
        continue;
      }
      this.#windows.delete(stream);
      if (latest > this.#forgottenUntil) this.#forgottenUntil = latest;
    }
    this.#nextSweep = oldest + this.#maxAgeMs;
  }
}
