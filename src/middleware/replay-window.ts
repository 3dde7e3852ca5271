/**
 * Which numbers of a sender have been seen: a sliding window of 65,536 bits per (receiving socket, key, stream), as IPsec has it
 * (RFC 6479), so that messages may arrive in another order within it. Only a valid signature moves a window.
 *
 * A stream is forgotten when everything it has sent is too old to be accepted anyway. The number of streams is capped: when full, new
 * streams are refused, because forgetting one that is fresh would let its messages in a second time. Only where another key has more streams does
 * one of those make room, and nothing of that key is accepted any more in a new stream that was made before its latest message: so who has one
 * key cannot shut out the others.
 */

const WINDOW_BITS = 65_536;
const WORDS = WINDOW_BITS / 32;

/** What {@link ReplayWindows.accept} says of a number. */
export type Replay = 'replayed' | 'streams_full' | undefined;

/** Whose number it is; what a signature block says. */
export interface Numbered {
  readonly kid: string;
  readonly stream: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** The streams of one key. */
interface Share {
  streams: number;
  /** As that of all, for this key alone. */
  forgottenUntil: number;
}

/** One sender's numbers. */
class ReplayWindow {
  readonly kid: string;
  /** When its latest message was made, in milliseconds since 1970. */
  latest = 0;
  #highest = -1;
  readonly #seen = new Uint32Array(WORDS);

  constructor(kid: string) {
    this.kid = kid;
  }

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
  /** By kid; of keys that have signed something authentic, so there are few. */
  readonly #shares = new Map<string, Share>();
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

  /** Takes the number of an authentic message; `now` is in milliseconds since 1970. */
  accept({ kid, stream, created }: Numbered, number: number, now: number): Replay {
    const name = `${stream}${kid}`;
    let window = this.#windows.get(name);
    if (window === undefined) {
      const share = this.#shareOf(kid);
      if (created <= Math.max(this.#forgottenUntil, share.forgottenUntil)) return 'replayed';
      if (now >= this.#nextSweep) this.#forget(now);
      if (this.#windows.size >= this.#maxStreams && !this.#makeRoom(share)) return 'streams_full';
      this.#windows.set(name, (window = new ReplayWindow(kid)));
      share.streams++;
      this.#nextSweep = Math.min(this.#nextSweep, created + this.#maxAgeMs);
    }
    if (!window.accept(number)) return 'replayed';
    if (created > window.latest) window.latest = created;
    return undefined;
  }

  #forget(now: number): void {
    let oldest = Infinity;
    for (const [name, { latest, kid }] of this.#windows) {
      if (now - latest <= this.#maxAgeMs) {
        if (latest < oldest) oldest = latest;
        continue;
      }
      this.#windows.delete(name);
      this.#shareOf(kid).streams--;
      if (latest > this.#forgottenUntil) this.#forgottenUntil = latest;
    }
    this.#nextSweep = oldest + this.#maxAgeMs;
  }

  #shareOf(kid: string): Share {
    let share = this.#shares.get(kid);
    if (share === undefined) this.#shares.set(kid, (share = { streams: 0, forgottenUntil: -Infinity }));
    return share;
  }

  /** Gives up the stream that was silent longest, of the key that has the most; false where that is no other one with more. */
  #makeRoom(wanting: Share): boolean {
    let [greedy, most] = ['', wanting.streams + 1];
    for (const [kid, { streams }] of this.#shares) if (streams > most) [greedy, most] = [kid, streams];
    let [victim, oldest] = ['', Infinity];
    for (const [name, { latest, kid }] of this.#windows) {
      if (kid === greedy && latest < oldest) [victim, oldest] = [name, latest];
    }
    if (!this.#windows.delete(victim)) return false;
    const share = this.#shareOf(greedy);
    share.streams--;
    share.forgottenUntil = Math.max(share.forgottenUntil, oldest);
    return true;
  }
}
