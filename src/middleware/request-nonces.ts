/**
 * Ties replies to their requests. A reply is signed over the nonce of the request that it answers, and the requester accepts only its own:
 * so neither an old reply nor one to somebody else can be put in its place. Both sides keep nonces by message, so they go when it goes.
 *
 * A request that was not signed has no nonce; its correlation id, which is in the signed headers anyway, is bound then.
 */
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { readSignatureBlock } from './signature-block.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/** See the head of this file. */
export class RequestNonces {
  /** Of each attempt, the last one first: the reply to an earlier one may come during a later one. */
  readonly #sent = new WeakMap<object, readonly Buffer[]>();
  readonly #received = new WeakMap<ReceiveContext, Buffer>();

  /** A request goes out. */
  sent(ctx: SendContext, nonce: Buffer): void {
    this.#sent.set(ctx, [nonce, ...(this.#sent.get(ctx) ?? [])]);
  }

  /** A request has come in; also one that is refused, so that its sender can be told. */
  received(ctx: ReceiveContext, nonce: Buffer): void {
    this.#received.set(ctx, Buffer.from(nonce));
  }

  /** What an outgoing message is bound to. */
  boundBy({ pattern, request, correlation }: SendContext): Uint8Array {
    if (pattern !== 'reply') return NOTHING;
    const nonce = request === undefined ? undefined : (this.#received.get(request) ?? nonceOf(request));
    return nonce ?? Buffer.from(correlation ?? '');
  }

  /** What an incoming message may be bound to. */
  expected({ pattern, request, correlation }: ReceiveContext): readonly Uint8Array[] {
    if (pattern !== 'reply') return [NOTHING];
    const nonces = request === undefined ? undefined : this.#sent.get(request);
    return nonces ?? [Buffer.from(correlation ?? '')];
  }
}

/** Of a request that was turned away before its chain ran (OVERFLOW, CLOSED), or that this side does not verify. */
function nonceOf(request: ReceiveContext): Buffer | undefined {
  const header = request.headers.get('signature');
  return header instanceof Uint8Array ? readSignatureBlock(header)?.nonce : undefined;
}
