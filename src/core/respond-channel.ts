/**
 * Answers requests at one endpoint. It reads on whatever happens, so that a cancel always finds its request; what cannot run
 * yet waits in a bounded queue, and beyond it is answered with OVERFLOW. What has expired or was cancelled meanwhile is not run.
 *
 *     packet -> bounded queue -> limit, admit -> chain -> order of its topic -> handler -> reply chain -> the peer's queue
 */
import { Admissions } from './admissions.ts';
import { ChurningMap } from './churning-map.ts';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import { letGo, reportFailure } from './incoming.ts';
import { Intake } from './intake.ts';
import type { Kernel } from './kernel.ts';
import { KINDS_BY_NUMBER } from './kinds.ts';
import type { Limiter } from './limiter.ts';
import { LinkKeeper } from './link-keeper.ts';
import type { Release } from './middleware.ts';
import type { DecodedPacket } from './packet.ts';
import type { ReceiveContext } from './receive-context.ts';
import { Replies } from './replies.ts';
import { requestContext } from './request-context.ts';
import { callKey, closing, expectWanted, isEnd, noHandler, overflow, RespondCall } from './respond-call.ts';
import { Routes } from './routes.ts';
import type { Route } from './routes.ts';
import type { AnyHandler, Subscriber } from './subscriber.ts';
import { settling } from './subscriber.ts';
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
            kernel.reporter.inboundDropped(unreadable(error, endpoint), 'respond');
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
    const call = this.#calls.get(callKey(ctx));
    if (call?.ctx.topic === ctx.topic) call.abandon('CANCELLED', 'the caller has cancelled');
  }

  #onPacket({ packet }: IncomingPacket, peer: Peer): void {
    for (let index = 0; index < packet.records.length; index++) this.#onRecord(packet, index, peer);
  }

  #onRecord(packet: DecodedPacket, index: number, peer: Peer): void {
    const record = packet.records[index];
    const topic = record?.headers.getText('topic') ?? '';
    const kind = KINDS_BY_NUMBER[record?.kind ?? 0];
    const fault = messageTopicFault(topic);
    if (fault !== undefined) this.#drop(`a request has no usable topic: ${fault}`);
    else if (kind !== 'request' && kind !== 'cancel') this.#drop(`a ${kind ?? 'record'} where a request was expected`);
    else {
      const route = kind === 'request' ? this.routes.for(topic) : this.routes.known(topic);
      const receivedAt = this.#kernel.clock.now();
      const ctx = requestContext(packet, index, { topic, route, peer: peer.id, receivedAt, socket: this });
      if (kind === 'request' && route !== undefined) this.#onRequest(ctx, route, peer);
      else this.#onCancel(ctx);
    }
  }

  #onCancel(ctx: ReceiveContext): void {
    this.#kernel.chains.receiveCancel(ctx).catch((error: unknown) => {
      reportFailure(this.#kernel, ctx, 'respond', error);
    });
  }

  #onRequest(ctx: ReceiveContext, route: Route, peer: Peer): void {
    route.received.value++;
    const call = new RespondCall(peer, route, ctx, this.#run);
    ctx.destination = call;
    const limiter = call.responder?.limiter;
    if (this.#closing || this.intake.full || limiter?.tryEnter() === false) {
      const error = this.#closing ? closing(ctx) : overflow(ctx);
      route.gate.pass(call.ticket);
      void this.#refuse(call, error);
      return;
    }
    void this.intake.enter();
    this.#calls.set(call.key, call);
    if (ctx.deadline !== undefined) this.#kernel.deadlines.add(call, ctx.deadline);
    const waits = limiter !== undefined || this.#admissions.asks;
    // Most requests wait for nothing here: they are handled without a promise of their own.
    const running = waits ? undefined : this.#kernel.chains.receive(ctx);
    if (running === DONE) this.#leave(call);
    else void this.#watch(call, running);
  }

  /** Sees a request to its end; one that is not `running` yet is let in first. */
  async #watch(call: RespondCall, running: Promise<void> | undefined): Promise<void> {
    const limiter = call.responder?.limiter;
    let started = false;
    let release: Release | undefined;
    try {
      if (running === undefined) {
        await this.#start(call, limiter);
        started = true;
        expectWanted(call.ctx);
        release = await this.#admissions.admit(call);
        expectWanted(call.ctx);
      }
      await (running ?? this.#kernel.chains.receive(call.ctx));
    } catch (error) {
      await this.#refuse(call, error);
    } finally {
      if (started) limiter?.end();
      limiter?.leave();
      letGo(this.#kernel, release, 'respond');
      this.#leave(call);
    }
  }

  /** Its own limit first, and then in turn: what holds a place must never wait for one that comes before it in its topic. */
  async #start(call: RespondCall, limiter: Limiter | undefined): Promise<void> {
    call.giveUp = (reason) => limiter?.giveUp(call, reason);
    await limiter?.start(call.ctx.topic, call);
    call.giveUp = undefined;
  }

  #leave(call: RespondCall): void {
    call.route.gate.pass(call.ticket);
    this.#kernel.deadlines.remove(call);
    if (this.#calls.get(call.key) === call) this.#calls.delete(call.key);
    this.intake.leave();
  }

  readonly #run = (call: RespondCall): Promise<void> | undefined => {
    const { ctx, responder, route, ticket } = call;
    route.gate.pass(ticket);
    // A step that did not wait has ended the chain, and the caller has been told.
    if (ctx.settled) return undefined;
    expectWanted(ctx);
    const handler = responder?.handler ?? this.#fallback;
    if (handler === undefined) throw noHandler(ctx);
    ctx.start();
    const result = handler(ctx);
    return settling(result)?.then((settled) => this.#reply(call, settled)) ?? this.#reply(call, result);
  };

  #reply(call: RespondCall, result: unknown): Promise<void> | undefined {
    const { ctx, peer } = call;
    ctx.result = result;
    if (call.abandoned) return undefined;
    return this.replies.send(peer, ctx, 'reply', result)?.then((error) => {
      if (error === undefined) return;
      // The request has failed, and its spans and durations should say so; the caller has been told.
      call.answered = { error };
      throw error as Error;
    });
  }

  /** Tells the caller why there is no answer, and counts it here. */
  async #refuse(call: RespondCall, error: unknown): Promise<void> {
    const { ctx, peer, responder } = call;
    const { reporter, settings } = this.#kernel;
    if (call.answered !== undefined) return;
    if (ctx.cancelled && isEnd(error)) {
      if (!ctx.handled) reporter.inboundDropped(error, 'respond', ctx);
    } else if (responder === undefined && error instanceof BusError && error.code === 'NO_HANDLER') {
      reporter.noHandler('respond', settings.logLevelNoHandler, error.message);
    } else reportFailure(this.#kernel, ctx, 'respond', error);
    // The caller knows already; an answer would only be a late reply.
    if (call.abandoned) return;
    await ctx.run(() => this.replies.send(peer, ctx, 'error', error));
  }

  #drop(what: string): void {
    const error = new BusError('MALFORMED_PACKET', what, { endpoint: this.endpoint });
    this.#kernel.reporter.inboundDropped(error, 'respond');
  }

  #onPeerGone(peer: Peer): void {
    this.replies.forget(peer);
    for (const call of this.#calls.values()) {
      if (call.peer.id === peer.id) call.abandon('CANCELLED', 'the caller has disconnected');
    }
  }
}
