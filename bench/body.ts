/** Bodies and topics: every row sends the same ones, numbered, so that the receiver can tell that it got each of them once. */
import type { Load } from './load.ts';

/** What a JSON body holds; `note` fills it up to the wanted size. */
export interface Body {
  readonly n: number;
  readonly at: number;
  readonly symbol: string;
  readonly price: number;
  readonly side: string;
  readonly note: string;
}

/** What a JSON body measures without its note, with a number of five digits. */
const FRAME_BYTES = 72;

/** Makes the bodies of a load: number `n`, sent `at` milliseconds of the machine's monotonic clock (0 when nobody looks). */
export function bodiesOf({ body, bytes }: Load): (n: number, at: number) => unknown {
  if (body === 'bytes') {
    return (n, at) => {
      const buffer = Buffer.allocUnsafe(bytes);
      buffer.writeDoubleLE(n, 0);
      buffer.writeDoubleLE(at, 8);
      return buffer;
    };
  }
  const note = 'abcdefghijklmnopqrstuvwxyz'.repeat(Math.ceil(bytes / 26)).slice(0, Math.max(0, bytes - FRAME_BYTES));
  return (n, at): Body => ({ n, at, symbol: 'BTC', price: 43210.5 + (n % 100), side: 'buy', note });
}

/** The number and the time that a body carries. */
export function readBody(body: unknown): { readonly n: number; readonly at: number } {
  if (!(body instanceof Uint8Array)) return body as Body;
  const view = new DataView(body.buffer, body.byteOffset, 16);
  return { n: view.getFloat64(0, true), at: view.getFloat64(8, true) };
}

/** Raw payload bytes of a body, for systems without a serializer of their own. */
export function encodeBody(body: unknown): string | Uint8Array {
  return body instanceof Uint8Array ? body : JSON.stringify(body);
}

/** The opposite of {@link encodeBody}. */
export function decodeBody(payload: Uint8Array, kind: Load['body']): unknown {
  if (kind === 'bytes') return payload;
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString());
}

/** The one topic, or what the topics of a load begin with. */
export const TOPIC = 'price.tick';
/** Matches every topic of a load of several. */
export const TOPICS_PREFIX = 'price.';

/** The topics in the order in which they are sent: runs of one topic in turn, or each drawn at random (the same draw in every row). */
export function topicsOf({ topics, run }: Load): (i: number) => string {
  if (topics === 1) return () => TOPIC;
  const names = Array.from({ length: topics }, (_, k) => `${TOPICS_PREFIX}t${String(k)}`);
  if (run > 0) return (i) => names[Math.floor(i / run) % topics] ?? TOPIC;
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return names[(state >>> 0) % topics] ?? TOPIC;
  };
}

/** Milliseconds of the clock that all processes of the machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
