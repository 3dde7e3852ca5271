/**
 * Signs what is sent and refuses what is not signed, before any parser sees it. At stage payload, rank 30: outside of compression and
 * encryption, so the signature covers the bytes that travel. Formats: signer.ts and signature-block.ts; docs/security.md says against whom it helps.
 *
 * The order of the checks is part of the design: what is cheap comes first, and nothing that an attacker can send moves any state before
 * the signature has been verified.
 */
import type { Middleware, Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { aFunction, amount, anything, optionsCheck, whole } from '../core/option-checks.ts';
import type { SendContext } from '../core/send-context.ts';
import type { Key, KeyAlgorithm } from './key.ts';
import { keyProvider } from './key-provider.ts';
import type { KeyProvider } from './key-provider.ts';
import { KeyRing } from './key-ring.ts';
import { TopicPieces } from './pae.ts';
import { aDirection, audienceOf, protectedTopics } from './protection.ts';
import type { ProtectDirection } from './protection.ts';
import { Rejections } from './rejections.ts';
import { ReplayWindows } from './replay-window.ts';
import { RequestNonces } from './request-nonces.ts';
import { SenderStreams } from './sender-streams.ts';
import { Signer } from './signer.ts';
import { Verifier } from './verifier.ts';

/** Options of {@link sign}. */
export interface SignOptions {
  /** Keys for HMAC-SHA-256 and Ed25519 (others are passed over), or what gives them. */
  readonly keys: readonly Key[] | KeyProvider;
  /** Topics that are signed when sent and refused unsigned when received; the others pass as they are. @default ['>'] */
  readonly protect?: readonly string[];
  /** `send` only signs, `receive` only verifies. @default 'both' */
  readonly direction?: ProtectDirection;
  /** How old, or how far in the future, a signature may be, in milliseconds. @default 300000 */
  readonly maxAgeMs?: number;
  /** Streams of senders whose numbers each receiving socket keeps (8 KiB each); more are refused. @default 1024 */
  readonly maxStreams?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const ALGORITHMS: readonly KeyAlgorithm[] = ['hmac-sha256', 'ed25519'];
const checkOptions = optionsCheck({
  keys: anything,
  protect: anything,
  direction: aDirection,
  maxAgeMs: amount,
  maxStreams: whole(1),
  now: aFunction,
});

/**
 * Signatures on messages of every kind: publish, push, request, reply, error reply and cancel. Rejects with UNVERIFIED what is not
 * authentic; needs the bus's option `audience`.
 *
 * @throws TypeError or RangeError for wrong options; INVALID_PIPELINE at the start on a plain wire or without an audience
 * @example
 * ```ts
 * import { keysFromEnvironment, sign } from 'tracebus/middleware';
 *
 * const bus = new MessageBus('prices', { audience: 'market.production' });
 * bus.use(sign({ keys: keysFromEnvironment('MARKET_KEYS') }));
 * ```
 */
export function sign(options: SignOptions): Middleware {
  checkOptions(options);
  const { keys, protect = ['>'], direction = 'both', maxAgeMs = 300_000, maxStreams = 1024, now = Date.now } = options;
  const isProtected = protectedTopics(protect);
  const provider = keyProvider(keys, ALGORITHMS, now);
  const streams = new SenderStreams();
  const nonces = new RequestNonces();
  const rejections = new Rejections('sign');
  let topics = new TopicPieces('');
  const ring = new KeyRing(provider, ALGORITHMS, (key) => new Signer(key, topics));
  const windows = (): ReplayWindows => new ReplayWindows(maxStreams, maxAgeMs);
  const verifier = new Verifier({ ring, rejections, nonces, maxAgeMs, windows, now });

  const seal = (ctx: SendContext, signer: Signer): void => {
    const { headers, pattern, topic, payload } = ctx;
    const nonce = streams.next(ctx);
    const bind = nonces.boundBy(ctx);
    headers.freeze();
    const covered = headers.coveredBlock(ctx.kind);
    headers.set('signature', signer.sign({ created: now(), nonce, pattern, topic, headers: covered, bind, payload }));
    if (ctx.kind === 'request') nonces.sent(ctx, nonce);
  };

  const send = (ctx: SendContext, next: Next): Promise<void> => {
    // Headers that were copied from another message carry its signature.
    ctx.headers.delete('signature');
    if (!isProtected(ctx.topic)) return next();
    const signer = ring.current(ctx, now());
    if (signer instanceof Promise) {
      return signer.then((one) => {
        seal(ctx, one);
        return next();
      });
    }
    seal(ctx, signer);
    return next();
  };

  const receive = (ctx: ReceiveContext, next: Next): Promise<void> => {
    if (!isProtected(ctx.topic)) return next();
    const later = verifier.verify(ctx);
    return later === undefined ? next() : later.then(next);
  };

  return {
    name: 'sign',
    stage: 'payload',
    awaitsNext: true,
    attach(host) {
      topics = new TopicPieces(audienceOf('sign', host));
      rejections.attach(host);
      provider.attach?.(host);
    },
    ...(direction === 'receive' ? {} : { send }),
    ...(direction === 'send' ? {} : { receive, verifies: true }),
  };
}
