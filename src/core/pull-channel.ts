/** Pulling from one endpoint: each message goes to the first handler whose pattern matches, else to the fallback. */
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { DecodedRecord } from './packet.ts';
import type { ReceiveContext } from './receive-context.ts';
import { ReceivingChannel } from './receiving-channel.ts';
import type { Route } from './routes.ts';
import type { AnyHandler, Subscriber } from './subscriber.ts';
import { settling } from './subscriber.ts';
import { messageTopicFault } from './topics.ts';
import type { IncomingPacket, Receiver } from './transport.ts';

/** See the head of this file. */
export class PullChannel extends ReceivingChannel {
  readonly #fallback: AnyHandler | undefined;
  readonly #wire: 'native' | 'plain';

  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect', fallback: AnyHandler | undefined) {
    super(kernel, {
      operation: 'pull',
      pattern: 'push',
      endpoint,
      mode,
      hwmPackets: kernel.settings.hwmPackets ?? kernel.settings.hwmInbound,
      open: (spec) => kernel.transport.openPuller(spec),
    });
    this.#fallback = fallback;
    this.#wire = kernel.transport.features.wire;
  }

  add(subscriber: Subscriber): void {
    this.routes.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.routes.delete(subscriber);
  }

  run(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> | undefined {
    const first = subscribers.find(({ takes }) => takes);
    if (first === undefined) return this.#fallBack(ctx, subscribers);
    const result = settling(first.handle(ctx));
    if (first.limiter === undefined) return result;
    // Its subscription may have been closed while the message waited for its limit: it is somebody else's then.
    return result?.then(() => (first.takes || ctx.handled || ctx.settled ? undefined : this.run(ctx, subscribers)));
  }

  #fallBack(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> | undefined {
    // Whose handler has gone since was not counted when it came.
    if (subscribers.some(({ handler }) => handler !== undefined)) this.#noHandler(ctx.topic);
    if (this.#fallback === undefined) return undefined;
    ctx.start();
    return settling(this.#fallback(ctx));
  }

  #noHandler(topic: string): void {
    const { reporter, settings } = this.kernel;
    reporter.noHandler('pull', settings.logLevelNoHandler, `no handler for pushed topic ${topic}`);
  }

  protected onLink(_link: Receiver): void {
    // A puller has nothing to ask for: it gets what is dealt to it.
  }

  protected wants(route: Route): boolean {
    if (!route.subscribers.some(({ handler }) => handler !== undefined)) this.#noHandler(route.topic);
    return true;
  }

  protected override fault(topic: string, record: DecodedRecord): BusError | undefined {
    const malformed = super.fault(topic, record);
    // Topics that have a route were in order.
    if (malformed !== undefined || this.routes.known(topic) !== undefined) return malformed;
    const fault = messageTopicFault(topic);
    if (fault === undefined) return undefined;
    return new BusError('MALFORMED_PACKET', `a pushed message has no usable topic: ${fault}`, {
      endpoint: this.endpoint,
      hint: this.#wire === 'plain' ? 'Give the transport a `topic` for plain messages.' : undefined,
    });
  }

  begins(): boolean {
    return true;
  }

  protected onPacket({ packet }: IncomingPacket): Promise<void> | undefined {
    return this.take(undefined, packet);
  }
}
