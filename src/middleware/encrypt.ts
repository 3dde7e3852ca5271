/**
 * Encrypts payloads and refuses plain ones. At stage payload, rank 20: inside of `sign`, outside of `compress`. Headers and topics travel in clear, but
 * cannot be changed: they are authenticated with the payload. Format: sealed-payload.ts and seal-session.ts.
 *
 * Whoever has a key can read and write with it, and encryption alone does not stop a message from being sent a second time: use `sign` as well.
 */
import type { Middleware, Next } from '../core/middleware.ts';
import { aFunction, anything, optionsCheck, whole } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import type { Key, KeyAlgorithm } from './key.ts';
import { keyProvider } from './key-provider.ts';
import type { KeyProvider } from './key-provider.ts';
import { KeyRing } from './key-ring.ts';
import { scopeOf } from './key-scope.ts';
import { TopicPieces } from './pae.ts';
import { aDirection, audienceOf, protectedTopics } from './protection.ts';
import type { ProtectDirection } from './protection.ts';
import { Rejections } from './rejections.ts';
import type { RejectionReason } from './rejections.ts';
import type { Associated } from './seal-session.ts';
import { readSealedPayload } from './sealed-payload.ts';
import type { SealedPayload } from './sealed-payload.ts';
import { Sealer } from './sealer.ts';

/** Options of {@link encrypt}. */
export interface EncryptOptions {
  /** Keys for AES-256-GCM (others are passed over), or what gives them. */
  readonly keys: readonly Key[] | KeyProvider;
  /** Topics that are encrypted when sent and refused plain when received; the others pass as they are. @default ['>'] */
  readonly protect?: readonly string[];
  /** `send` only encrypts, `receive` only decrypts. @default 'both' */
  readonly direction?: ProtectDirection;
  /** Sessions of senders that are kept per key; a forgotten one is derived again, which takes some 10 us. @default 1024 */
  readonly maxSessions?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const ALGORITHMS: readonly KeyAlgorithm[] = ['aes-256-gcm'];
const checkOptions = optionsCheck({
  keys: anything,
  protect: anything,
  direction: aDirection,
  maxSessions: whole(1),
  now: aFunction,
});

/**
 * Encrypted payloads for messages of every kind. Rejects with UNVERIFIED what cannot be decrypted, and plain payloads; needs the bus's option `audience`.
 *
 * @throws TypeError or RangeError for wrong options; INVALID_PIPELINE at the start on a plain wire or without an audience
 * @example
 * ```ts
 * import { encrypt, keysFromFile, sign } from 'tracebus/middleware';
 *
 * const keys = keysFromFile('/run/secrets/bus-keys');
 * const bus = new MessageBus('patients', { audience: 'clinic.production' });
 * bus.use(encrypt({ keys, protect: ['patient.>'] })).use(sign({ keys }));
 * ```
 */
export function encrypt(options: EncryptOptions): Middleware {
  checkOptions(options);
  const { keys, protect = ['>'], direction = 'both', maxSessions = 1024, now = Date.now } = options;
  const isProtected = protectedTopics(protect);
  const provider = keyProvider(keys, ALGORITHMS, now);
  const rejections = new Rejections('encrypt');
  let topics = new TopicPieces('');
  const ring = new KeyRing(provider, ALGORITHMS, (key) => new Sealer(key, topics, maxSessions));

  const seal = (ctx: SendContext, sealer: Sealer): void => {
    ctx.headers.freeze();
    ctx.payload = sealer.seal(ctx.payload, associatedWith(ctx, ctx.headers.getText('sender')), now());
  };

  const send = (ctx: SendContext, next: Next): Promise<void> => {
    if (!isProtected(ctx.topic)) return next();
    const sealer = ring.current(ctx, now());
    if (sealer instanceof Promise) {
      return sealer.then((one) => {
        seal(ctx, one);
        return next();
      });
    }
    seal(ctx, sealer);
    return next();
  };

  const open = (
    ctx: ReceiveContext,
    sealed: SealedPayload,
    sealer: Sealer | undefined,
  ): RejectionReason | undefined => {
    if (sealer === undefined) return 'unknown_key';
    const { key } = sealer;
    const scope = scopeOf(key);
    const fault = scope.fault(now());
    if (fault !== undefined) return fault;
    if (!scope.allows(ctx.pattern, ctx.topic)) return 'key_not_allowed';
    if (key.sender !== undefined && key.sender !== ctx.sender) return 'sender';
    const payload = sealer.open(sealed, associatedWith(ctx, ctx.sender));
    if (typeof payload === 'string') return payload;
    ctx.payload = payload;
    return undefined;
  };

  const receive = (ctx: ReceiveContext, next: Next): Promise<void> => {
    if (!isProtected(ctx.topic)) return next();
    const sealed = readSealedPayload(ctx.payload);
    if (sealed === undefined) throw rejections.of(ctx, 'malformed');
    const opened = (sealer: Sealer | undefined): Promise<void> => {
      const reason = open(ctx, sealed, sealer);
      if (reason !== undefined) throw rejections.of(ctx, reason);
      return next();
    };
    const unavailable = (): never => {
      throw rejections.of(ctx, 'keys_unavailable');
    };
    let sealer: Sealer | undefined | Promise<Sealer | undefined>;
    try {
      sealer = ring.get(sealed.kid);
    } catch {
      return unavailable();
    }
    return sealer instanceof Promise ? sealer.catch(unavailable).then(opened) : opened(sealer);
  };

  return {
    name: 'encrypt',
    stage: 'payload',
    awaitsNext: true,
    attach(host) {
      topics = new TopicPieces(audienceOf('encrypt', host));
      rejections.attach(host);
      provider.attach?.(host);
    },
    ...(direction === 'receive' ? {} : { send }),
    ...(direction === 'send' ? {} : { receive, verifies: true }),
  };
}

function associatedWith(ctx: SendContext | ReceiveContext, sender = ''): Associated {
  const { pattern, topic, headers, kind } = ctx;
  return { pattern, topic, headers: headers.coveredBlock(kind), sender };
}
