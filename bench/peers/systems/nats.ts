/** NATS core by its own client, through a nats-server of this machine; with a traceparent as a header, or without headers. */
import { TOPIC, TOPICS_PREFIX, decodeBody, encodeBody } from '../../body.ts';
import type { Spec } from '../../load.ts';
import { load } from '../packages.ts';
import type { System } from '../system.ts';

interface Headers {
  set(name: string, value: string): void;
  get(name: string): string;
}

interface Message {
  readonly data: Uint8Array;
  readonly headers?: Headers;
  respond(payload: string | Uint8Array, options?: object): boolean;
}

interface Connection {
  publish(topic: string, payload: string | Uint8Array, options?: object): void;
  subscribe(topic: string, options: { callback: (error: Error | null, message: Message) => void }): unknown;
  request(topic: string, payload: string | Uint8Array, options: object): Promise<Message>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface Client {
  connect(options: { servers: string }): Promise<Connection>;
  headers(): Headers;
}

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
/** `publish` never waits: a loop has to, now and then, or everything stays in the process. */
const FLUSH_EVERY_BYTES = 65_536;
const REQUEST_TIMEOUT_MS = 5000;

async function open({ packages, address }: Spec): Promise<{ client: Client; connection: Connection }> {
  const client = load(packages, '@nats-io/transport-node') as Client;
  return { client, connection: await client.connect({ servers: address }) };
}

export const system: System = {
  async openSender(spec) {
    const { client, connection } = await open(spec);
    let unflushed = 0;
    return {
      address: '',
      send(topic, body) {
        const payload = encodeBody(body);
        if (spec.variant.headers === true) {
          const headers = client.headers();
          headers.set('traceparent', TRACEPARENT);
          connection.publish(topic, payload, { headers });
        } else {
          connection.publish(topic, payload);
        }
        unflushed += payload.length;
        if (unflushed < FLUSH_EVERY_BYTES) return undefined;
        unflushed = 0;
        return connection.flush();
      },
      flush: () => connection.flush(),
      close: () => connection.close(),
    };
  },

  async openReceiver(spec, onBody) {
    const { connection } = await open(spec);
    connection.subscribe(spec.load.topics === 1 ? TOPIC : `${TOPICS_PREFIX}*`, {
      callback(error, message) {
        if (error !== null) throw error;
        if (spec.variant.headers === true && message.headers?.get('traceparent') !== TRACEPARENT)
          throw new Error('no traceparent arrived');
        onBody(decodeBody(message.data, spec.load.body));
      },
    });
    await connection.flush();
    return { address: '', close: () => connection.close() };
  },

  async openRequester(spec) {
    const { client, connection } = await open(spec);
    const ask = async (body: unknown): Promise<unknown> => {
      const headers = client.headers();
      headers.set('traceparent', TRACEPARENT);
      const options = { timeout: REQUEST_TIMEOUT_MS, headers };
      return decodeBody((await connection.request('echo', encodeBody(body), options)).data, spec.load.body);
    };
    return { ask, close: () => connection.close() };
  },

  async openResponder(spec) {
    const { connection } = await open(spec);
    connection.subscribe('echo', {
      callback(error, message) {
        if (error !== null) throw error;
        message.respond(encodeBody(decodeBody(message.data, spec.load.body)));
      },
    });
    await connection.flush();
    return { address: spec.address, close: () => connection.close() };
  },
};
