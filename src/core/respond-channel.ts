/**
 * Answers requests at one endpoint. It reads on whatever happens, so that a cancel always finds its request; what cannot run
 * yet waits in a bounded queue, and beyond it is answered with OVERFLOW. What has expired or was cancelled meanwhile is not run.
 *
 *     packet -> bounded queue -> limit, admit -> chain -> order of its topic -> handler -> reply chain -> the peer's queue
 */
import { Admissions } from './admissions.ts';
import { ChurningMap } from './churning-map.ts';
import { BusError } from './errors.ts';
import { letGo, reportFailure } from './incoming.ts';
import { Intake } from './intake.ts';
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS, KINDS_BY_NUMBER } from './kinds.ts';
import { LinkKeeper } from './link-keeper.ts';
import type { Release } from './middleware.ts';
import type { DecodedPacket, DecodedRecord } from './packet.ts';
import { ReceiveContext } from './receive-context.ts';
import { Replies } from './replies.ts';
import { closing, expectWanted, isEnd, noHandler, overflow, RespondCall } from './respond-call.ts';
import { Routes } from './routes.ts';
import type { AnyHandler, Subscriber } from './subscriber.ts';
import { messageTopicFault } from './topics.ts';
import type { IncomingPacket, Peer, Responder } from './transport.ts';
import { unreadable } from './unreadable.ts';

/** See the head of this file. */
export class RespondChannel {
  readonly operation = 'respond';
  readonly endpoint: string;
  readonly keeper: LinkKeeper<Responder>;
  readonly routes: Routes;
  readonly intake: Intake;
  readonly replies: Replies;
  readonly #kernel: Kernel;
  readonly #fallback: AnyHandler | undefined;
  readonly #calls = new ChurningMap<RespondCall>();
  readonly #admissions: Admissions;
  #closing = false;

  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect', fallback: AnyHandler | undefined) {
    this.#kernel = kernel;
    this.endpoint = endpoint;
    this.#fallback = fallback;
    this.intake = new Intake(kernel.settings.hwmInbound);
    this.routes = new Routes((topic) => kernel.counters.received.series('respond', topic));
    this.replies = new Replies(kernel, endpoint);
    this.#admissions = new Admissions(kernel);
    this.keeper = new LinkKeeper<Responder>(kernel, {
      operation: 'respond',
      endpoint,
      mode,
      hwmPackets: kernel.packedHwm,
      reopens: true,
      open: (spec) =>
        kernel.transport.openResponder({
          ...spec,
          onRequest: (incoming, peer) => {
            this.#onPacket(incoming, peer);
          },
          onMalformed: (error) => {
            this.#drop(unreadable(error, endpoint));
          },
          onPeerGone: (peer) => {
            this.#onPeerGone(peer);
          },
        }),
      onLink: () => {
        // Requests come by themselves; replies go to the peers of the link they came from.
      },
    });
  }

  add(subscriber: Subscriber): void {
    this.routes.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.routes.delete(subscriber);
  }

  async drain(): Promise<void> {
    this.#closing = true;
    await this.intake.idle();
  }

  /** Takes no more requests, answers those it has, and closes. */
  async finish(): Promise<void> {
    await this.drain();
    // Each reply gives up by itself after `replySendTimeoutMs`.
    await this.replies.close(new Promise(() => undefined));
    await this.keeper.close();
  }

  cancelRunning(reason: Error): number {
    let running = 0;
    for (const call of this.#calls.values()) {
      if (call.ctx.handled) running++;
      call.cancel(reason);
    }
    return running;
  }

  /** A cancel has come through its chain. It counts only for the peer whose request it names, and for its topic: another may be unprotected. */
  cancelled(ctx: ReceiveContext): void {
    const call = this.#calls.get(callKey(ctx.peer ?? '', ctx.correlation ?? ''));
    if (call?.ctx.topic === ctx.topic) call.abandon('CANCELLED', 'the caller has cancelled');
  }

  #onPacket({ packet }: IncomingPacket, peer: Peer): void {
    packet.records.forEach((record, index) => {
      const kind = KINDS_BY_NUMBER[record.kind];
      const topic = record.headers.getText('topic') ?? '';
      const fault = messageTopicFault(topic);
      if (fault !== undefined)
        this.#drop(
          new BusError('MALFORMED_PACKET', `a request has no usable topic: ${fault}`, { endpoint: this.endpoint }),
        );
      else if (kind === 'cancel') this.#onCancel(this.#context(record, packet, index, peer));
      else if (kind === 'request') void this.#onRequest(this.#context(record, packet, index, peer), peer);
      else
        this.#drop(
          new BusError('MALFORMED_PACKET', `a ${kind ?? 'record'} where a request was expected`, {
            endpoint: this.endpoint,
          }),
        );
    });
  }

  #context(record: DecodedRecord, packet: DecodedPacket, index: number, peer: Peer): ReceiveContext {
    const topic = record.headers.getText('topic') ?? '';
    const receivedAt = this.#kernel.clock.now();
    const timeoutMs = Number(record.headers.getText('timeout-ms') ?? NaN);
    const isRequest = record.kind === KIND_NUMBERS.request;
    const route = isRequest ? this.routes.for(topic) : this.routes.known(topic);
    return new ReceiveContext({
      pattern: 'request',
      kind: isRequest ? 'request' : 'cancel',
      topic,
      headers: record.headers,
      payload: record.payload,
      endpoint: this.endpoint,
      epoch: packet.epoch,
      sequence: packet.firstSequence + index,
      sentAtUs: packet.sentAtUs,
      receivedAt,
      deadline: Number.isFinite(timeoutMs) ? receivedAt + timeoutMs : undefined,
      subscription: route?.subscribers.find(({ handler }) => handler !== undefined)?.pattern,
      peer: peer.id,
      socket: this,
    });
  }

  #onCancel(ctx: ReceiveContext): void {
    this.#kernel.chains.receiveCancel(ctx).catch((error: unknown) => {
      reportFailure(this.#kernel, ctx, 'respond', error);
    });
  }

  async #onRequest(ctx: ReceiveContext, peer: Peer): Promise<void> {
    const route = this.routes.for(ctx.topic);
    route.received.value++;
    const call = new RespondCall(peer, route, ctx, (one) => this.#run(one));
    ctx.destination = call;
    const key = callKey(peer.id, ctx.correlation ?? '');
    const limiter = call.responder?.limiter;
    if (this.#closing || this.intake.full || limiter?.tryEnter() === false) {
      const error = this.#closing ? closing(ctx) : overflow(ctx);
      route.gate.pass(call.ticket);
      await this.#refuse(call, error);
      return;
    }
    void this.intake.enter();
    this.#calls.set(key, call);
    if (ctx.deadline !== undefined) this.#kernel.deadlines.add(call, ctx.deadline);
    let started = false;
    let release: Release | undefined;
    try {
      // Its own limit first, and then in turn: what holds a place must never wait for one that comes before it in its topic.
      const place = limiter?.start(ctx.topic, call);
      if (place !== undefined) {
        call.giveUp = (reason) => limiter?.giveUp(call, reason);
        await place;
        call.giveUp = undefined;
      }
      started = true;
      expectWanted(ctx);
      release = await this.#admissions.admit(call);
      expectWanted(ctx);
      await this.#kernel.chains.receive(ctx);
    } catch (error) {
      await this.#refuse(call, error);
    } finally {
      if (started) limiter?.end();
      limiter?.leave();
      letGo(this.#kernel, release, 'respond');
      route.gate.pass(call.ticket);
      this.#kernel.deadlines.remove(call);
      if (this.#calls.get(key) === call) this.#calls.delete(key);
      this.intake.leave();
    }
  }

  async #run(call: RespondCall): Promise<void> {
    const { ctx, responder, route, peer } = call;
    route.gate.pass(call.ticket);
    // A step that did not wait has ended the chain, and the caller has been told.
    if (ctx.settled) return;
    expectWanted(ctx);
    const handler = responder?.handler ?? this.#fallback;
    if (handler === undefined) throw noHandler(ctx);
    ctx.start();
    ctx.result = await handler(ctx);
    if (call.abandoned) return;
    const error = await this.replies.send(peer, ctx, 'reply', ctx.result);
    if (error === undefined) return;
    // The request has failed, and its spans and durations should say so; the caller has been told.
    call.answered = true;
    throw error as Error;
  }

  /** Tells the caller why there is no answer, and counts it here. */
  async #refuse(call: RespondCall, error: unknown): Promise<void> {
    const { ctx, peer, responder } = call;
    const { reporter, settings } = this.#kernel;
    if (call.answered) return;
    if (ctx.cancelled && isEnd(error)) {
      if (!ctx.handled) reporter.inboundDropped(error, 'respond', ctx);
    } else if (responder === undefined && error instanceof BusError && error.code === 'NO_HANDLER') {
      reporter.noHandler('respond', settings.logLevelNoHandler, error.message);
    } else reportFailure(this.#kernel, ctx, 'respond', error);
    // The caller knows already; an answer would only be a late reply.
    if (call.abandoned) return;
    await ctx.run(() => this.replies.send(peer, ctx, 'error', error));
  }

  #drop(error: BusError): void {
    this.#kernel.reporter.inboundDropped(error, 'respond');
  }

  #onPeerGone(peer: Peer): void {
    this.replies.forget(peer);
    for (const call of this.#calls.values()) {
      if (call.peer.id === peer.id) call.abandon('CANCELLED', 'the caller has disconnected');
    }
  }
}

function callKey(peer: string, correlation: string): string {
  return `${peer}\u0000${correlation}`;
}
