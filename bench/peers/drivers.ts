/**
 * What is done with each role of each system: messages are made, counted, checked and timed here, so that all rows do the same work.
 * Each driver answers commands; main.ts brings them in as lines of text.
 */
import { bodiesOf, monotonicMs, readBody, topicsOf } from '../body.ts';
import { Histogram } from '../histogram.ts';
import type { Load } from '../load.ts';
import type { Requester, Sender } from './system.ts';
import { sampleEvery } from './usage.ts';
import type { UsageMeter } from './usage.ts';

/** What a command answers: figures, percentiles. */
export type Answer = Readonly<Record<string, unknown>>;

/** A receiver that gets nothing new for so long has lost something. */
const STALL_MS = 5000;
/** How often a driver that waits looks again. */
const LOOK_AGAIN_MS = 5;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends numbered bodies for so many milliseconds and answers how many. */
export async function send(sender: Sender, load: Load, meter: UsageMeter, ms: number): Promise<Answer> {
  const [bodyOf, topicOf] = [bodiesOf(load), topicsOf(load)];
  const burst = load.idleMs > 0 ? 1 : sampleEvery(load.bytes);
  const end = performance.now() + ms;
  let n = 0;
  do {
    if (load.idleMs > 0) await pause(load.idleMs);
    const at = load.idleMs > 0 ? monotonicMs() : 0;
    for (let k = 0; k < burst; k++, n++) {
      const accepted = sender.send(topicOf(n), bodyOf(n, at));
      if (accepted !== undefined) await accepted;
    }
    meter.sample();
  } while (performance.now() < end);
  await sender.flush();
  return { sent: n };
}

/** Counts and checks what arrives. */
export class Receiving {
  readonly #meter: UsageMeter;
  readonly #every: number;
  readonly #isTimed: boolean;
  readonly #stallMs: number;
  #latencies = new Histogram();
  #seen = 0;
  #sum = 0;
  #firstAt = 0;
  #lastAt = 0;
  #seenAtLast = 0;

  constructor(load: Load, meter: UsageMeter, stallMs: number = STALL_MS) {
    this.#meter = meter;
    this.#stallMs = stallMs;
    this.#every = load.idleMs > 0 ? 1 : sampleEvery(load.bytes);
    this.#isTimed = load.idleMs > 0;
  }

  begin(): void {
    this.#seen = this.#sum = this.#seenAtLast = 0;
    this.#latencies = new Histogram();
  }

  readonly onBody = (body: unknown): void => {
    const { n, at } = readBody(body);
    if (this.#seen === 0) this.#firstAt = performance.now();
    this.#seen++;
    this.#sum += n;
    if (this.#isTimed) this.#latencies.record(monotonicMs() - at);
    if (this.#seen % this.#every !== 0) return;
    this.#lastAt = performance.now();
    this.#seenAtLast = this.#seen;
    this.#meter.sample();
  };

  /** Waits until so many have arrived; answers messages per second between the first and the last that was timed. @throws Error when one was lost or came twice */
  async expect(count: number): Promise<Answer> {
    let [before, since] = [this.#seen, performance.now()];
    while (this.#seen < count) {
      await pause(LOOK_AGAIN_MS);
      if (this.#seen !== before) [before, since] = [this.#seen, performance.now()];
      else if (performance.now() - since > this.#stallMs) break;
    }
    if (this.#seen !== count) throw new Error(`${this.#seen} of ${count} messages arrived`);
    if (this.#sum !== (count * (count - 1)) / 2) throw new Error('other messages arrived than were sent');
    const rate = ((this.#seenAtLast - 1) / (this.#lastAt - this.#firstAt)) * 1000;
    return { seen: this.#seen, rate, ...(this.#isTimed && { latency: this.#latencies.percentiles() }) };
  }
}

/** Asks for so many milliseconds with the load's requests in flight; every answer is compared with its question. */
export async function ask(requester: Requester, load: Load, meter: UsageMeter, ms: number): Promise<Answer> {
  const bodyOf = bodiesOf(load);
  const latencies = new Histogram();
  const started = performance.now();
  const end = started + ms;
  let n = 0;
  const one = async (): Promise<void> => {
    for (let asked = performance.now(); asked < end;) {
      const number = n++;
      const answer = readBody(await requester.ask(bodyOf(number, 0)));
      if (answer.n !== number) throw new Error(`the reply to request ${answer.n} reached request ${number}`);
      const answered = performance.now();
      latencies.record(answered - asked);
      asked = answered;
      if (number % 64 === 0) meter.sample();
    }
  };
  await Promise.all(Array.from({ length: load.inFlight }, one));
  const rate = (n / (performance.now() - started)) * 1000;
  return { sent: n, rate, latency: latencies.percentiles() };
}
