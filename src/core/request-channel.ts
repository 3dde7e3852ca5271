/**
 * Requests to one endpoint, any number in flight, matched to their replies by correlation id. A reply that comes after its
 * call has ended is counted and dropped: it can reach no other caller. A caller that gives up tells the responder.
 */
import { ChurningMap } from './churning-map.ts';
import { DONE } from './done.ts';
import { BusError, errorType, isBusErrorCode } from './errors.ts';
import { asRejection } from './incoming.ts';
import type { Kernel } from './kernel.ts';
import { KINDS_BY_NUMBER } from './kinds.ts';
import { MessageHeaders } from './headers.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { DecodedPacket, DecodedRecord } from './packet.ts';
import { ReceiveContext } from './receive-context.ts';
import type { Delivery } from './receive-context.ts';
import { SendContext } from './send-context.ts';
import { SendingChannel } from './sending-channel.ts';
import type { Slot } from './slot.ts';
import type { Requester } from './transport.ts';
import type { Wait } from './wait.ts';
import { unreadable } from './unreadable.ts';

/** Records per packet of requests: a responder handles them one by one, so smaller packets share the work better. */
const MAX_RECORDS = 64;

/** See the head of this file. */
export class RequestChannel extends SendingChannel<Requester> implements Delivery {
  readonly #inFlight = new ChurningMap<Wait>();
  #lastArrival = -Infinity;

  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect') {
    const native = kernel.transport.features.wire === 'native';
    super(kernel, {
      operation: 'request',
      endpoint,
      mode,
      hwmPackets: kernel.packedHwm,
      writer: { maxRecords: native ? MAX_RECORDS : 1, order: 'global', byTopic: false },
      open: (spec) =>
        kernel.transport.openRequester({
          ...spec,
          onPacket: ({ packet }) => {
            this.#onPacket(packet);
          },
          onMalformed: (error) => {
            kernel.reporter.inboundDropped(unreadable(error, endpoint), 'request');
          },
        }),
    });
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Waits for the replies of what is in flight until `flushed` settles; then the calls are told that the bus has closed. */
  override async close(flushed: Promise<void>): Promise<ReadonlyMap<string, number>> {
    const undelivered = await super.close(flushed);
    const error = new BusError('CLOSED', 'the bus was closed before the reply came', { endpoint: this.endpoint });
    for (const wait of this.#inFlight.values()) wait.fail(error);
    return undelivered;
  }

  /** A reply has come through its chain: the call that waits for it settles. */
  deliver(ctx: ReceiveContext): undefined {
    ctx.handled = true;
    const wait = ctx.call;
    if (wait === undefined) return undefined;
    if (ctx.kind === 'error') {
      wait.fail(remoteError(ctx));
      return undefined;
    }
    wait.answer(ctx);
    return undefined;
  }

  /** The end of the chain of a cancel. */
  cancelled(ctx: SendContext): undefined {
    const slot = this.writer.reserve(ctx.topic);
    slot.headers = ctx.headers;
    slot.headerBlock = ctx.headers.encode(KIND_NUMBERS.cancel);
    slot.payload = ctx.payload;
    slot.control = true;
    this.writer.fill(slot);
    return undefined;
  }

  protected enqueue(ctx: SendContext, slot: Slot): Promise<void> {
    const correlation = ctx.correlation ?? '';
    const wait = this.waitFor(ctx, slot, 'reply');
    this.#inFlight.set(correlation, wait);
    this.fill(slot);
    return wait.promise;
  }

  protected override ended(wait: Wait): void {
    const correlation = wait.ctx.correlation ?? '';
    // Another attempt of the same call may be in flight under it.
    if (this.#inFlight.get(correlation) === wait) this.#inFlight.delete(correlation);
  }

  protected givenUp(wait: Wait, error: BusError): void {
    if (error.code === 'SEND_TIMEOUT') {
      // One that waited behind a slow step says nothing about the endpoint.
      if (wait.slot.offered) this.keeper.timedOut(error);
    } else if (error.code === 'REQUEST_TIMEOUT') {
      this.kernel.counters.requestTimeouts.series('request', wait.ctx.topic).value++;
      // One slow topic must not block a live peer: only an endpoint that said nothing at all during the call is left alone.
      const { deadline = 0, timeoutMs = 0 } = wait.ctx;
      if (this.#lastArrival < deadline - timeoutMs) this.keeper.timedOut(error);
    } else if (wait.sentAt !== undefined) this.#tellCancel(wait.ctx);
    else {
      // It may be on its way all the same: the transport is deciding. The body is not kept for that.
      const { topic, correlation, endpoint } = wait.ctx;
      wait.slot.takenLate = () => this.#tellCancel({ topic, correlation, endpoint });
    }
  }

  protected override answered(): Promise<unknown> {
    return Promise.allSettled(this.#inFlight.values().map(({ promise }) => promise));
  }

  /** A new socket is a new requester: what is in flight would be answered to the old one. */
  protected mayReplace(): boolean {
    for (const { sentAt } of this.#inFlight.values()) if (sentAt !== undefined) return false;
    return true;
  }

  #tellCancel({ topic, correlation, endpoint }: Pick<SendContext, 'topic' | 'correlation' | 'endpoint'>): void {
    const headers = MessageHeaders.from({ topic, correlation: correlation ?? '', sender: this.kernel.serviceName });
    const cancel = new SendContext({
      pattern: 'request',
      kind: 'cancel',
      topic,
      body: undefined,
      headers,
      endpoint,
      correlation,
      clock: this.kernel.clock,
    });
    cancel.channel = this;
    this.kernel.chains.sendCancel(cancel).catch((error: unknown) => {
      this.kernel.reporter.report(error, 'request', `a cancel of "${topic}" could not be sent`);
    });
  }

  #onPacket(packet: DecodedPacket): void {
    this.#lastArrival = this.kernel.clock.now();
    packet.records.forEach((record, index) => {
      this.#onRecord(record, packet, packet.firstSequence + index);
    });
  }

  #onRecord(record: DecodedRecord, packet: DecodedPacket, sequence: number): void {
    const { counters, reporter, clock } = this.kernel;
    const correlation = record.headers.getText('correlation') ?? '';
    const wait = this.#inFlight.get(correlation);
    const kind = KINDS_BY_NUMBER[record.kind];
    if (kind !== 'reply' && kind !== 'error') {
      const what = `a ${kind ?? 'record'} where a reply was expected`;
      reporter.inboundDropped(new BusError('MALFORMED_PACKET', what, { endpoint: this.endpoint }), 'request');
      return;
    }
    const topic = wait?.ctx.topic ?? 'other';
    counters.received.series('request', topic).value++;
    if (wait === undefined) {
      counters.lateReplies.add('request');
      const late = new BusError('LATE_REPLY', 'a reply came after its call had ended', { endpoint: this.endpoint });
      reporter.inboundDropped(late, 'request');
      return;
    }
    this.#inFlight.delete(correlation);
    const ctx = new ReceiveContext({
      pattern: 'reply',
      kind,
      topic,
      headers: record.headers,
      payload: record.payload,
      endpoint: this.endpoint,
      epoch: packet.epoch,
      sequence,
      sentAtUs: packet.sentAtUs,
      receivedAt: clock.now(),
      socket: this,
      request: wait.ctx,
    });
    ctx.destination = this;
    ctx.call = wait;
    const running = this.kernel.chains.receive(ctx);
    if (running === DONE) return;
    running.catch((error: unknown) => {
      // The call is where the failure goes: it rejects, and is counted there.
      if (!ctx.handled) this.kernel.counters.inboundDropped.add('request', errorType(asRejection(error, ctx)));
      wait.fail(error);
    });
  }
}

/** The error that a remote handler, or the remote bus, answered with. */
function remoteError(ctx: ReceiveContext): BusError {
  const { code: remoteCode, message } = errorBody(ctx.body);
  const given = ctx.headers.getText('error-code') ?? '';
  const code = isBusErrorCode(given) ? given : 'HANDLER_FAILED';
  return new BusError(code, message ?? 'the responder answered with an error', {
    topic: ctx.topic,
    endpoint: ctx.endpoint,
    remoteCode,
  });
}

function errorBody(body: unknown): { code?: string; message?: string } {
  let value = body;
  if (body instanceof Uint8Array) {
    try {
      value = JSON.parse(Buffer.from(body).toString('utf8'));
    } catch {
      // A plain text is a message.
      return { message: Buffer.from(body).toString('utf8') };
    }
  }
  if (typeof value !== 'object' || value === null) return {};
  const { code, message } = value as Record<string, unknown>;
  return {
    ...(typeof code === 'string' && { code }),
    ...(typeof message === 'string' && { message }),
  };
}
