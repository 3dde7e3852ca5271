/**
 * Verifies one incoming message, cheap checks first: the block, the key, its algorithm, its state and dates, what it may sign, the age,
 * then the signature, and last the replay window, which only an authentic message may move.
 */
import type { BusError } from '../core/errors.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { KeyRing } from './key-ring.ts';
import { scopeOf } from './key-scope.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import type { ReplayWindows } from './replay-window.ts';
import type { RequestNonces } from './request-nonces.ts';
import { readSignatureBlock } from './signature-block.ts';
import type { SignatureBlock } from './signature-block.ts';
import type { Signer } from './signer.ts';

/** What a verifier works with. */
export interface VerifierParts {
  readonly ring: KeyRing<Signer>;
  readonly rejections: Rejections;
  readonly nonces: RequestNonces;
  readonly maxAgeMs: number;
  readonly windows: () => ReplayWindows;
  readonly now: () => number;
}

/** See the head of this file. */
export class Verifier {
  readonly #parts: VerifierParts;
  readonly #windows = new WeakMap<object, ReplayWindows>();

  constructor(parts: VerifierParts) {
    this.#parts = parts;
  }

  /** Nothing when the message is authentic; a promise where the key has to be fetched. @throws BusError UNVERIFIED */
  verify(ctx: ReceiveContext): Promise<void> | undefined {
    const { ring, nonces } = this.#parts;
    const header = ctx.headers.get('signature');
    if (!(header instanceof Uint8Array)) throw this.#refused(ctx, 'missing');
    const block = readSignatureBlock(header);
    if (block === undefined) throw this.#refused(ctx, 'malformed');
    if (ctx.kind === 'request') nonces.received(ctx, block.nonce);
    let signer: Signer | undefined | Promise<Signer | undefined>;
    try {
      signer = ring.get(block.kid);
    } catch {
      throw this.#refused(ctx, 'keys_unavailable');
    }
    if (!(signer instanceof Promise)) {
      this.#check(ctx, block, signer);
      return undefined;
    }
    return signer.then(
      (found) => {
        this.#check(ctx, block, found);
      },
      () => {
        throw this.#refused(ctx, 'keys_unavailable');
      },
    );
  }

  #check(ctx: ReceiveContext, block: SignatureBlock, signer: Signer | undefined): void {
    const reason = this.#faultOf(ctx, block, signer);
    if (reason !== undefined) throw this.#refused(ctx, reason);
  }

  #faultOf(ctx: ReceiveContext, block: SignatureBlock, signer: Signer | undefined): RejectionReason | undefined {
    if (signer === undefined) return 'unknown_key';
    const { key } = signer;
    if (key.alg !== block.alg) return 'algorithm';
    const { maxAgeMs } = this.#parts;
    const now = this.#parts.now();
    const scope = scopeOf(key);
    const fault = scope.fault(now);
    if (fault !== undefined) return fault;
    if (!scope.allows(ctx.pattern, ctx.topic)) return 'key_not_allowed';
    if (key.sender !== undefined && key.sender !== ctx.sender) return 'sender';
    const { number, created } = block;
    if (number === undefined) return 'malformed';
    if (now - created > maxAgeMs) return 'stale';
    if (created - now > maxAgeMs) return 'future';
    if (!this.#isSigned(ctx, block, signer)) return 'signature';
    return this.#windowsOf(ctx).accept(block, number, now);
  }

  #isSigned(ctx: ReceiveContext, block: SignatureBlock, signer: Signer): boolean {
    const { pattern, topic, payload } = ctx;
    const { created, nonce, signature } = block;
    const headers = ctx.headers.coveredBlock(ctx.kind);
    // One, except for a request that was repeated.
    for (const bind of this.#parts.nonces.expected(ctx)) {
      if (signer.verify({ created, nonce, pattern, topic, headers, bind, payload }, signature)) return true;
    }
    return false;
  }

  #windowsOf(ctx: ReceiveContext): ReplayWindows {
    const socket = ctx.socket ?? this;
    let windows = this.#windows.get(socket);
    if (windows === undefined) this.#windows.set(socket, (windows = this.#parts.windows()));
    return windows;
  }

  #refused(ctx: ReceiveContext, reason: RejectionReason): BusError {
    return this.#parts.rejections.of(ctx, reason);
  }
}
