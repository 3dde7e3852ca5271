/**
 * One endpoint that messages leave through: the link, the writer in front of it, and what all patterns that send have in
 * common. The end of the outgoing chain is `handOver`.
 */
import type { Series } from './counters.ts';
import { BusError } from './errors.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { Kernel } from './kernel.ts';
import { LinkKeeper } from './link-keeper.ts';
import type { OutgoingPacket } from './outgoing-packet.ts';
import type { OutChannel, SendContext } from './send-context.ts';
import type { Slot, SlotOwner } from './slot.ts';
import { restamp } from './stamp.ts';
import { Streams } from './streams.ts';
import type { Link, LinkSpec, PacketSink } from './transport.ts';
import { Wait } from './wait.ts';
import type { WaitFor, WaitHooks } from './wait.ts';
import type { WriterOptions } from './writer.ts';
import { Writer } from './writer.ts';

/** The patterns that send through an endpoint of their own (replies leave through the responder). */
export type SendingOperation = 'publish' | 'push' | 'request';

/** How a sending channel is made. */
export interface SendingOptions<L extends Link> {
  readonly operation: SendingOperation;
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly hwmPackets: number;
  readonly writer: Pick<WriterOptions, 'maxRecords' | 'order' | 'byTopic'>;
  open(spec: LinkSpec): Promise<L>;
}

/** Series are looked up by topic once; beyond this many topics they share the series `other` anyway. */
const MAX_CACHED_SERIES = 1000;

/** See the head of this file. */
export abstract class SendingChannel<L extends Link & PacketSink> implements OutChannel, SlotOwner {
  readonly endpoint: string;
  readonly keeper: LinkKeeper<L>;
  readonly writer: Writer;
  readonly streams: Streams = new Streams();
  protected readonly kernel: Kernel;
  readonly operation: SendingOperation;
  readonly #sent = new Map<string, Series>();
  readonly #hooks: WaitHooks = {
    now: () => this.kernel.clock.now(),
    onGivenUp: (wait, error) => {
      this.givenUp(wait, error);
    },
    onEnded: (wait) => {
      this.ended(wait);
    },
    // Nobody waits for it any more: from here on it is the channel's.
    onQueued: (slot) => {
      slot.owner = this;
    },
    onSealing: ({ ctx }, slot) => {
      restamp(this.kernel, ctx, slot);
    },
  };

  constructor(kernel: Kernel, options: SendingOptions<L>) {
    this.kernel = kernel;
    this.endpoint = options.endpoint;
    this.operation = options.operation;
    const { hwmOutbound, maxQueueBytes } = kernel.settings;
    this.writer = new Writer(
      {
        ...options.writer,
        hwm: hwmOutbound,
        maxBytes: maxQueueBytes,
        clock: kernel.clock,
        turn: kernel.turn,
        onTaken: (packet) => {
          this.onTaken(packet);
        },
        onRefused: (error) => {
          if (error instanceof BusError && error.code === 'TRANSPORT_FAILED') this.keeper.broken(error);
        },
      },
      this.streams,
    );
    this.keeper = new LinkKeeper(kernel, {
      operation: options.operation,
      endpoint: options.endpoint,
      mode: options.mode,
      hwmPackets: options.hwmPackets,
      reopens: false,
      open: (spec) => options.open(spec),
      onLink: (link) => {
        this.onLink(link);
      },
      mayReplace: () => this.mayReplace(),
    });
  }

  /** Takes the place in the queue that keeps the order of calls. */
  reserve(ctx: SendContext): void {
    ctx.channel = this;
    ctx.slot = this.writer.reserve(ctx.topic);
  }

  handOver(ctx: SendContext): Promise<void> | undefined {
    const slot = ctx.slot ?? this.writer.reserve(ctx.topic);
    ctx.slot = undefined;
    let link: L | Promise<L>;
    try {
      link = this.keeper.ensure(ctx.topic);
      const { headers, kind } = ctx;
      slot.load(ctx, headers.size === 0 ? this.kernel.senderBlock : headers.encode(KIND_NUMBERS[kind]));
    } catch (error) {
      slot.release();
      throw error;
    }
    return link instanceof Promise ? this.#whenOpen(link, ctx, slot) : this.enqueue(ctx, slot);
  }

  /** Puts a filled slot into the queue; settles as the pattern promises. */
  protected abstract enqueue(ctx: SendContext, slot: Slot): Promise<void> | undefined;

  /** A wait ended without success. */
  protected abstract givenUp(wait: Wait, error: BusError): void;

  /** A wait is over, in whatever way. */
  protected ended(_wait: Wait): void {
    // Nothing to forget.
  }

  /** Whether a link that timed out may be replaced: not while that would cost what it has accepted. */
  protected abstract mayReplace(): boolean;

  /** Resolves when nothing is expected any more of what was sent. */
  protected answered(): Promise<unknown> {
    return Promise.resolve();
  }

  /** Fills the slot and answers the wait for it. */
  protected waitFor(ctx: SendContext, slot: Slot, until: WaitFor): Wait {
    const wait = new Wait(ctx, slot, until, this.#hooks);
    wait.marksEnd = true;
    slot.owner = wait;
    return wait;
  }

  protected fill(slot: Slot): boolean {
    if (this.writer.fill(slot)) return true;
    this.kernel.counters.backpressure.add(this.operation);
    return false;
  }

  protected onLink(link: L | undefined): void {
    this.writer.attach(link);
  }

  /** The transport has accepted a packet. */
  protected onTaken(packet: OutgoingPacket): void {
    if (packet.topic !== undefined) {
      this.#series(packet.topic).value += packet.records.length;
      return;
    }
    if (packet.mixed !== undefined) {
      for (const { topic, count } of packet.mixed.runs) this.#series(topic).value += count;
      return;
    }
    for (const { topic, control } of packet.records) {
      if (topic !== undefined && control !== true) this.#series(topic).value++;
    }
  }

  // Messages that nobody waits for any more: published ones in the queue.
  onQueued(): void {
    // Filled with room: the caller's promise resolves by itself.
  }

  onSent(): void {
    // Counted per packet.
  }

  onFailed(_slot: Slot, error: unknown): void {
    this.kernel.reporter.outboundDropped(error, this.operation);
    this.kernel.reporter.report(error, this.operation, `a queued message was lost`);
  }

  /** Closes: what is queued leaves until `flushed` settles; then the rest is given up. Answers what was, by topic. */
  async close(flushed: Promise<void>): Promise<ReadonlyMap<string, number>> {
    await Promise.race([this.writer.flushed().then(() => this.answered()), flushed]);
    const undelivered = this.writer.abandon((slot) => closedBefore(slot, this.endpoint));
    await this.keeper.close();
    return undelivered;
  }

  async #whenOpen(opening: Promise<L>, ctx: SendContext, slot: Slot): Promise<void> {
    const patience = new Promise<never>((_resolve, reject) => {
      ctx.waiting = { giveUp: reject };
    });
    try {
      await Promise.race([opening, patience]);
    } catch (error) {
      slot.release();
      throw error;
    } finally {
      ctx.waiting = undefined;
    }
    this.expectWanted(ctx, slot);
    await this.enqueue(ctx, slot);
  }

  /** @throws what ended the call, or CLOSED, when the message may not be sent any more after a wait */
  protected expectWanted(ctx: SendContext, slot: Slot): void {
    if (ctx.over !== undefined) {
      slot.release();
      throw ctx.over;
    }
    if (slot.state === 'void') throw closedBefore(slot, this.endpoint);
  }

  #series(topic: string): Series {
    const known = this.#sent.get(topic);
    if (known !== undefined) return known;
    const made = this.kernel.counters.sent.series(this.operation, topic);
    if (this.#sent.size < MAX_CACHED_SERIES) this.#sent.set(topic, made);
    return made;
  }
}

/** The bus was closed while a message had a place in the queue. */
function closedBefore({ topic }: Slot, endpoint: string): BusError {
  return new BusError('CLOSED', 'the bus was closed before the message could leave', {
    topic,
    endpoint,
    hint: 'Give close() a longer timeoutMs, or start the peer first.',
  });
}
