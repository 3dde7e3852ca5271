/** Redis publish/subscribe by ioredis with automatic pipelining, through a redis-server of this machine. It has no headers. */
import { TOPIC, TOPICS_PREFIX, decodeBody, encodeBody } from '../../body.ts';
import type { Spec } from '../../load.ts';
import { load } from '../packages.ts';
import type { System } from '../system.ts';

interface Client {
  publish(topic: string, payload: string | Buffer): Promise<number>;
  subscribe(topic: string): Promise<number>;
  psubscribe(pattern: string): Promise<number>;
  on(event: 'messageBuffer', take: (topic: Buffer, payload: Buffer) => void): unknown;
  on(event: 'pmessageBuffer', take: (pattern: Buffer, topic: Buffer, payload: Buffer) => void): unknown;
  quit(): Promise<unknown>;
}

interface Module {
  readonly Redis: new (port: number, host: string, options: object) => Client;
}

/** Answers outstanding before the caller waits for one. */
const WINDOW = 1000;

function open({ packages, address }: Spec): Client {
  const { hostname, port } = new URL(address);
  const { Redis } = load(packages, 'ioredis') as Module;
  return new Redis(Number(port), hostname, { enableAutoPipelining: true });
}

export const system: System = {
  openSender(spec) {
    const client = open(spec);
    let outstanding = 0;
    return Promise.resolve({
      address: '',
      send(topic, body) {
        const accepted = client.publish(topic, encodeBody(body) as string | Buffer);
        if (++outstanding < WINDOW) {
          accepted.catch(() => process.exit(1)); // a lost connection ends the round
          return undefined;
        }
        outstanding = 0;
        return accepted;
      },
      flush: () => Promise.resolve(),
      close: () => client.quit(),
    });
  },

  async openReceiver(spec, onBody) {
    const client = open(spec);
    const take = (payload: Buffer): void => onBody(decodeBody(payload, spec.load.body));
    client.on('messageBuffer', (_topic, payload) => take(payload));
    client.on('pmessageBuffer', (_pattern, _topic, payload) => take(payload));
    if (spec.load.topics === 1) await client.subscribe(TOPIC);
    else await client.psubscribe(`${TOPICS_PREFIX}*`);
    return { address: '', close: () => client.quit() };
  },
};
