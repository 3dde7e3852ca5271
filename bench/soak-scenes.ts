/** The scenes of the soak, and the marks of queues, as data. */
import type { SoakPart } from './peers/soak.ts';

/** One part of the soak: who takes part, and how it is driven. */
export interface Scene {
  readonly title: string;
  /** Its share of the time. */
  readonly share: number;
  /** Binds; the first address. */
  readonly first: SoakPart;
  readonly others: readonly SoakPart[];
  /** Who is given the pace. */
  readonly driver: SoakPart;
  /** A share of what it can do at full speed, or all of it. */
  readonly load: 0.5 | 1;
  /** Ends, at once and without a word, before the samples begin. */
  readonly dies?: SoakPart;
}

export const SCENES: readonly Scene[] = [
  {
    title: 'publish/subscribe at half load',
    share: 0.45,
    first: 'publisher',
    others: ['subscriber'],
    driver: 'publisher',
    load: 0.5,
  },
  {
    title: 'request/respond at half load',
    share: 0.2,
    first: 'responder',
    others: ['requester'],
    driver: 'requester',
    load: 0.5,
  },
  {
    title: 'full load, a subscriber that stands still',
    share: 0.1,
    first: 'publisher',
    others: ['subscriber', 'blocking-subscriber'],
    driver: 'publisher',
    load: 1,
  },
  {
    title: 'full load, a slow handler',
    share: 0.1,
    first: 'publisher',
    others: ['subscriber', 'slow-handler'],
    driver: 'publisher',
    load: 1,
  },
  {
    title: 'full load, a dead responder',
    share: 0.1,
    first: 'responder',
    others: ['requester'],
    driver: 'requester',
    load: 1,
    dies: 'responder',
  },
];

/** A queue that must stop at so many messages. */
export interface QueueMark {
  readonly bytes: number;
  readonly most: number;
  readonly of: string;
}

/** `hwmOutbound` messages, `maxQueueBytes` bytes: the defaults. */
export const MARKS: readonly QueueMark[] = [
  { bytes: 1024, most: 1000, of: '1,000 messages of 1 KB' },
  // Some bytes of each message are not payload; the one that crosses the mark still fits.
  { bytes: 1_000_000, most: Math.ceil(67_108_864 / 1_000_000), of: '64 MiB in messages of 1 MB' },
];
