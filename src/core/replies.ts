/**
 * The way back: replies and error replies run the same send chain as everything else and wait in one bounded queue per
 * peer, so that a requester that does not read holds up nobody but itself.
 */
import type { Expirable } from './deadlines.ts';
import { BusError, messageOf } from './errors.ts';
import { MessageHeaders } from './headers.ts';
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS } from './kinds.ts';
import { sendOut } from './outgoing.ts';
import type { ReceiveContext } from './receive-context.ts';
import { SendContext } from './send-context.ts';
import type { OutChannel } from './send-context.ts';
import type { Slot, SlotOwner } from './slot.ts';
import { Streams } from './streams.ts';
import type { Peer } from './transport.ts';
import { Writer } from './writer.ts';

/** Records per packet of replies. */
const MAX_RECORDS = 256;

const TOO_LATE = 'the bus was closed before the reply could leave';

/** A reply in a peer's queue, which it may not stay in for ever. */
class QueuedReply implements SlotOwner, Expirable {
  bucket: Set<Expirable> | undefined = undefined;
  readonly #kernel: Kernel;
  readonly #slot: Slot;
  readonly #topic: string;

  constructor(kernel: Kernel, slot: Slot, topic: string) {
    this.#kernel = kernel;
    this.#slot = slot;
    this.#topic = topic;
    kernel.deadlines.add(this, kernel.clock.now() + kernel.settings.replySendTimeoutMs);
  }

  onQueued(): void {
    // Settled: the handler is done when its reply is queued.
  }

  onSent(): void {
    this.#kernel.deadlines.remove(this);
    this.#kernel.counters.sent.series('respond', this.#topic).value++;
  }

  onFailed(_slot: Slot, error: unknown): void {
    this.#kernel.deadlines.remove(this);
    this.#kernel.reporter.outboundDropped(error, 'respond');
    this.#kernel.reporter.report(error, 'respond', `a reply to "${this.#topic}" was lost`, { level: 'warn' });
  }

  expire(): void {
    this.#slot.release();
    this.onFailed(
      this.#slot,
      new BusError('SEND_TIMEOUT', 'the requester did not take its reply', {
        topic: this.#topic,
        limitMs: this.#kernel.settings.replySendTimeoutMs,
        hint: 'The requester is gone or reads too slowly; `replySendTimeoutMs` is the patience.',
      }),
    );
  }
}

/** The queue of one peer. */
class PeerChannel implements OutChannel {
  readonly writer: Writer;
  readonly #kernel: Kernel;
  readonly #endpoint: string;
  #end: { readonly code: 'PEER_GONE' | 'CLOSED'; readonly what: string } | undefined = undefined;

  constructor(kernel: Kernel, endpoint: string, peer: Peer) {
    this.#kernel = kernel;
    this.#endpoint = endpoint;
    const { hwmOutbound, maxQueueBytes } = kernel.settings;
    const maxRecords = kernel.transport.features.wire === 'native' ? MAX_RECORDS : 1;
    this.writer = new Writer(
      { hwm: hwmOutbound, maxBytes: maxQueueBytes, maxRecords, order: 'global', byTopic: false, clock: kernel.clock },
      new Streams(1),
    );
    this.writer.attach(peer);
  }

  handOver(ctx: SendContext): undefined {
    const slot = ctx.slot ?? this.writer.reserve(ctx.topic);
    ctx.slot = undefined;
    if (this.#end !== undefined) throw this.#failure(slot, this.#end);
    slot.headers = ctx.headers;
    slot.headerBlock = ctx.headers.encode(KIND_NUMBERS[ctx.kind]);
    slot.payload = ctx.payload;
    slot.owner = new QueuedReply(this.#kernel, slot, ctx.topic);
    if (!this.writer.fill(slot)) this.#kernel.counters.backpressure.add('respond');
    ctx.accepted = true;
    return undefined;
  }

  /** Gives up what is left and what still comes. */
  abandon(code: 'PEER_GONE' | 'CLOSED', what: string): void {
    const end = { code, what };
    this.#end = end;
    this.writer.abandon((slot) => this.#failure(slot, end));
  }

  #failure(
    { topic }: Slot,
    { code, what }: { readonly code: 'PEER_GONE' | 'CLOSED'; readonly what: string },
  ): BusError {
    return new BusError(code, what, { topic, endpoint: this.#endpoint });
  }
}

/** See the head of this file. */
export class Replies {
  readonly #kernel: Kernel;
  readonly #endpoint: string;
  readonly #peers = new Map<string, PeerChannel>();
  #closed = false;

  constructor(kernel: Kernel, endpoint: string) {
    this.#kernel = kernel;
    this.#endpoint = endpoint;
  }

  /** Sends a reply (its body) or an error reply (the error). Never rejects: what fails is counted and told. */
  async send(peer: Peer, request: ReceiveContext, kind: 'reply' | 'error', answer: unknown): Promise<void> {
    const { topic, correlation } = request;
    if (this.#closed) {
      this.#lost(topic);
      return;
    }
    const ctx = new SendContext({
      pattern: 'reply',
      kind,
      topic,
      body: kind === 'error' ? this.#errorBody(answer) : answer,
      headers: kind === 'error' ? MessageHeaders.from({ 'error-code': codeOf(answer, request) }) : new MessageHeaders(),
      endpoint: this.#endpoint,
      correlation,
      clock: this.#kernel.clock,
      timeoutMs: this.#kernel.settings.replySendTimeoutMs,
      request,
    });
    const channel = this.#channel(peer);
    ctx.channel = channel;
    ctx.slot = channel.writer.reserve(topic);
    try {
      await sendOut(this.#kernel, ctx, 'respond');
    } catch (error) {
      this.#kernel.reporter.report(error, 'respond', `a reply to "${topic}" could not be sent`, { context: request });
      // The caller should not have to wait for its time-out because the answer has no encoding.
      const isGone = error instanceof BusError && (error.code === 'PEER_GONE' || error.code === 'CLOSED');
      if (kind === 'reply' && !isGone) await this.send(peer, request, 'error', error);
    }
  }

  get queued(): number {
    let sum = 0;
    for (const { writer } of this.#peers.values()) sum += writer.queued;
    return sum;
  }

  forget(peer: Peer): void {
    const channel = this.#peers.get(peer.id);
    this.#peers.delete(peer.id);
    channel?.abandon('PEER_GONE', 'the requester has disconnected');
  }

  /** What is queued leaves until `flushed` settles; then the rest is given up. */
  async close(flushed: Promise<void>): Promise<void> {
    const peers = [...this.#peers.values()];
    await Promise.race([Promise.all(peers.map(({ writer }) => writer.flushed())), flushed]);
    this.#closed = true;
    for (const peer of this.#peers.values()) peer.abandon('CLOSED', TOO_LATE);
    this.#peers.clear();
  }

  /** A handler has answered after its bus had closed. */
  #lost(topic: string): void {
    const error = new BusError('CLOSED', TOO_LATE, { topic, endpoint: this.#endpoint });
    this.#kernel.reporter.outboundDropped(error, 'respond');
    this.#kernel.reporter.report(error, 'respond', `a reply to "${topic}" was lost`, { level: 'warn' });
  }

  #channel(peer: Peer): PeerChannel {
    let channel = this.#peers.get(peer.id);
    if (channel === undefined) {
      channel = new PeerChannel(this.#kernel, this.#endpoint, peer);
      this.#peers.set(peer.id, channel);
    }
    return channel;
  }

  /** Code and message of an error, never its stack; bytes where the stack has no serializer. */
  #errorBody(error: unknown): unknown {
    const code = remoteCodeOf(error);
    const body = {
      ...(code !== undefined && { code }),
      message: error instanceof BusError ? error.what : messageOf(error),
    };
    return this.#kernel.chains.serializes ? body : Buffer.from(JSON.stringify(body));
  }
}

/**
 * The code of an error reply: the bus's own for what the bus refused; HANDLER_FAILED for whatever a handler threw, also when that
 * was the failure of a request of its own.
 */
function codeOf(error: unknown, request: ReceiveContext): string {
  const { handled } = request;
  if (!(error instanceof BusError)) return handled ? 'HANDLER_FAILED' : 'REJECTED';
  // The bus that closes has told the handler to stop, and that is what the handler says.
  if (request.cancelled && error === request.signal.reason) return error.code;
  return handled && error.code !== 'NO_HANDLER' && error.code !== 'SERIALIZE_FAILED' ? 'HANDLER_FAILED' : error.code;
}

/** The code that the handler gave its error. */
function remoteCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
