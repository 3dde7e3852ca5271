/** Pulling from one endpoint: each message goes to the first handler whose pattern matches, else to the fallback. */
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { logAt } from './logger.ts';
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
    const first = subscribers.find(({ handler }) => handler !== undefined);
    let result: unknown;
    if (first !== undefined) result = first.handle(ctx);
    else if (this.#fallback !== undefined) {
      ctx.handled = true;
      result = this.#fallback(ctx);
    }
    return settling(result);
  }

  protected onLink(_link: Receiver): void {
    // A puller has nothing to ask for: it gets what is dealt to it.
  }

  protected wants(route: Route): boolean {
    if (!route.subscribers.some(({ handler }) => handler !== undefined)) {
      this.kernel.counters.noHandler.add('pull');
      logAt(this.kernel.logger, this.kernel.settings.logLevelNoHandler, `no handler for pushed topic ${route.topic}`);
    }
    return true;
  }

  protected onPacket({ packet }: IncomingPacket): Promise<void> | undefined {
    for (const record of packet.records) {
      const fault = messageTopicFault(topicOf(record));
      if (fault === undefined) continue;
      const error = new BusError('MALFORMED_PACKET', `a pushed message has no usable topic: ${fault}`, {
        endpoint: this.endpoint,
        hint: this.#wire === 'plain' ? 'Give the transport a `topic` for plain messages.' : undefined,
      });
      this.kernel.reporter.inboundDropped(error, 'pull');
      return undefined;
    }
    return this.take(topicOf, packet);
  }
}

function topicOf(record: DecodedRecord): string {
  return record.headers.getText('topic') ?? '';
}
