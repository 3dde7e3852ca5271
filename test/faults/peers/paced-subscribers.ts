/**
 * Subscribers, each a bus of its own, that read at a pace. Arguments: the endpoint, a JSON list of paces, and the
 * high-water mark of their sockets. Paces are
 * `{ name, perSecond }` (0 reads nothing until it is released; absent: as fast as it can), `{ name, pauseMs, every }` stands
 * still, blocking its process, for so long after so many messages. One with `tellEvery` says `{ seen }` after so many. `{ release: true }` lets all of them read as fast as they
 * can; `{ stats: true }` says for each how many it received, how many its own counter knows it missed, and how many came out of order.
 */
import { MessageBus } from '../../../src/message-bus.ts';
import { onCommand, say } from './talk.ts';

interface Pace {
  readonly name: string;
  readonly perSecond?: number;
  readonly pauseMs?: number;
  readonly every?: number;
  readonly tellEvery?: number;
}

/** Timers are coarse: a paced reader waits once for so many milliseconds' worth of messages. */
const SLICE_MS = 10;

const [endpoint = '', paces = '[]', hwmPackets = '256'] = process.argv.slice(2);
let released = false;
let release: () => void = () => {};
const releasing = new Promise<void>((resolve) => {
  release = () => {
    released = true;
    resolve();
  };
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

class PacedSubscriber {
  readonly bus: MessageBus;
  readonly #pace: Pace;
  #received = 0;
  #last = -1;
  #disordered = 0;
  #since: number | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.bus = new MessageBus(pace.name, {
      endpoints: { subscribe: { connect: [endpoint] } },
      hwmPackets: Number(hwmPackets),
      logLevel: 'warn',
    });
    const { name, perSecond, pauseMs = 0, every = 0, tellEvery = 0 } = pace;
    const paced = perSecond !== undefined;
    this.bus.subscribe(
      '>',
      ({ body }) => {
        const { index } = body as { index: number };
        if (index <= this.#last) this.#disordered++;
        this.#last = index;
        this.#received++;
        if (tellEvery > 0 && this.#received % tellEvery === 0) say({ seen: [name, this.#received] });
        if (every > 0 && this.#received % every === 0 && !released) block(pauseMs);
        return paced && !released ? this.#keepPace(perSecond) : undefined;
      },
      paced ? { concurrency: 1 } : {},
    );
  }

  #keepPace(perSecond: number): Promise<void> | undefined {
    if (perSecond === 0) return releasing;
    this.#since ??= performance.now();
    const aheadMs = (this.#received / perSecond) * 1000 - (performance.now() - this.#since);
    return aheadMs > SLICE_MS ? pause(aheadMs) : undefined;
  }

  stats(): unknown {
    return {
      name: this.#pace.name,
      received: this.#received,
      gaps: this.bus.stats().gaps,
      disordered: this.#disordered,
    };
  }
}

const subscribers = (JSON.parse(paces) as Pace[]).map((pace) => new PacedSubscriber(pace));
await Promise.all(subscribers.map(({ bus }) => bus.ready()));
say({ ready: true });

onCommand((command) => {
  if (command['release'] === true) release();
  else say(subscribers.map((one) => one.stats()));
});
