/**
 * Feeds mutated messages to `sign` and `encrypt`: `npx tsx scripts/fuzz-secured.ts [--count 1000000] [--seed 1]`.
 *
 * Each round takes a message that was encrypted and signed, changes its header block or its payload (bits, cuts, splices, junk, lengths) and hands it to
 * `encrypt` and to `sign`. Both may only refuse, with UNVERIFIED, what is another message than the one that was sent. Nothing else may be thrown.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { Counters } from '../src/core/counters.ts';
import { BusError } from '../src/core/errors.ts';
import { checkHeaderBlock } from '../src/core/header-block.ts';
import { MessageHeaders } from '../src/core/headers.ts';
import type { Middleware, MiddlewareHost } from '../src/core/middleware.ts';
import { PacketError } from '../src/core/packet-error.ts';
import { DEFAULT_PACKET_LIMITS } from '../src/core/packet-layout.ts';
import { ReceiveContext } from '../src/core/receive-context.ts';
import { SendContext } from '../src/core/send-context.ts';
import { encrypt } from '../src/middleware/encrypt.ts';
import { sign } from '../src/middleware/sign.ts';

/** What a run of {@link fuzzSecured} saw. */
export interface SecuredFuzzReport {
  readonly seed: number;
  readonly count: number;
  /** Mutations that gave the very bytes that were sent. */
  readonly unchanged: number;
  /** The others: refused by the decoder of headers, or by reason. */
  readonly refused: Record<string, number>;
}

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Hands `count` mutated messages to both steps; throws an Error naming seed and round when one misbehaves. */
export function fuzzSecured({ count, seed }: { readonly count: number; readonly seed: number }): SecuredFuzzReport {
  const random = mulberry32(seed);
  const counters = new Counters();
  const [sealing, signing] = steps(counters);
  const { block, payload } = sent(sealing, signing);
  let [unchanged, malformed] = [0, 0];
  for (let round = 0; round < count; round++) {
    const isHeader = random() < 0.5;
    const mutated = isHeader ? mutate(block, random) : mutate(payload, random);
    const [headerBlock, bytes] = isHeader ? [mutated, payload] : [block, mutated];
    if (headerBlock.equals(block) && bytes.equals(payload)) {
      unchanged++;
      continue;
    }
    // `encrypt` does not cover the signature: a change there alone is for `sign` to find.
    for (const step of isHeader ? [signing] : [signing, sealing]) {
      const outcome = outcomeOf(step, headerBlock, bytes);
      if (outcome === 'malformed') malformed++;
      else if (outcome !== 'UNVERIFIED') {
        const hex = `${headerBlock.toString('hex')} ${bytes.toString('hex')}`;
        throw new Error(`seed ${String(seed)}, round ${String(round)}: ${step.name} says ${outcome}; ${hex}`);
      }
    }
  }
  const reasons = [...counters.unverified.all()].map(({ errorType, value }) => [errorType ?? '', value]);
  return {
    seed,
    count,
    unchanged,
    refused: { headers: malformed, ...(Object.fromEntries(reasons) as Record<string, number>) },
  };
}

function steps(counters: Counters): readonly [Middleware, Middleware] {
  const key = createSecretKey(randomBytes(32));
  const host: MiddlewareHost = {
    serviceName: 'fuzz',
    system: 'memory',
    wire: 'native',
    audience: 'fuzz',
    clock: systemClock,
    logger: silent,
    counters,
    random: Math.random,
    report: ignore,
    onFailure: () => ignore,
  };
  const made = [
    encrypt({ keys: [{ kid: 'e', alg: 'aes-256-gcm', key }] }),
    sign({ keys: [{ kid: 's', alg: 'hmac-sha256', key }] }),
  ] as const;
  for (const one of made) one.attach?.(host);
  return made;
}

function sent(...steps: readonly Middleware[]): { readonly block: Buffer; readonly payload: Buffer } {
  const headers = MessageHeaders.from({ sender: 'fuzz', 'x-lot': '7', 'x-raw': new Uint8Array([0, 255]) });
  const ctx = new SendContext({
    pattern: 'publish',
    kind: 'message',
    topic: 'a.b',
    body: undefined,
    headers,
    endpoint: 'memory://fuzz',
    clock: systemClock,
  });
  ctx.payload = Buffer.from('{"some":"payload"}');
  for (const step of steps) void step.send?.(ctx, done);
  return { block: Buffer.from(ctx.headers.encode(1)), payload: Buffer.from(ctx.payload) };
}

function outcomeOf(step: Middleware, headerBlock: Buffer, payload: Buffer): string {
  try {
    checkHeaderBlock(headerBlock, 0, headerBlock.length, DEFAULT_PACKET_LIMITS);
    const ctx = new ReceiveContext({
      pattern: 'publish',
      kind: 'message',
      topic: 'a.b',
      headers: MessageHeaders.fromBlock(headerBlock),
      payload,
      endpoint: 'memory://fuzz',
      epoch: 1,
      sequence: 1,
      sentAtUs: 1,
      receivedAt: 0,
    });
    void step.receive?.(ctx, done);
    return 'accepted';
  } catch (error) {
    if (error instanceof PacketError) return 'malformed';
    return error instanceof BusError ? error.code : String(error);
  }
}

function mutate(bytes: Buffer, random: () => number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  let mutated = Buffer.from(bytes);
  for (let left = 1 + below(3); left > 0; left--) {
    const at = below(mutated.length + 1);
    switch (below(5)) {
      case 0:
        if (at < mutated.length) mutated[at] = (mutated[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        mutated = mutated.subarray(0, at);
        break;
      case 2:
        mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(below(mutated.length + 1))]);
        break;
      case 3:
        mutated = Buffer.concat([mutated.subarray(0, at), randomBytes(1 + below(8)), mutated.subarray(at)]);
        break;
      default:
        if (at + 2 <= mutated.length) mutated.writeUInt16BE([0, 1, 0x7fff, 0x8000, 0xffff][below(5)] ?? 0, at);
    }
  }
  return mutated;
}

/** A small random number generator with a seed (mulberry32): 0 <= n < 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function done(): Promise<void> {
  return Promise.resolve();
}

function ignore(): void {
  // Counted where it matters.
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed ${String(seed)}`);
  console.log(fuzzSecured({ count: Number(values.count ?? 1_000_000), seed }));
}
