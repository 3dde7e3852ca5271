/**
 * CURVE: encryption and authentication of connections, instead of TLS. What binds is the server: it has a key pair and says
 * which clients may come in. What connects is the client: it has a key pair and knows the server's public key. A bus may be both.
 *
 * All or nothing: with CURVE set up no socket of the transport is without it. A server always asks the ZAP handler (see
 * zap-handler.ts), which is up before anything is bound. The keys are in private fields: nothing that prints an object shows them.
 */
import { randomUUID } from 'node:crypto';
import type { Context } from 'zeromq';
import type { LinkSpec } from '../../core/transport.ts';
import { CurveAccess } from './curve-access.ts';
import type { CurveAuthorized } from './curve-access.ts';
import { decodeKey, expectKeyPair } from './curve-keys.ts';
import type { CurveKeyPair } from './curve-keys.ts';
import { expectKnownOptions } from './known-options.ts';
import { leaseZap } from './zap-handler.ts';

/** The side that binds. */
export interface CurveServerOptions extends CurveKeyPair {
  /**
   * Who may connect: the public keys of the clients, a function that decides about one (anything but `true`, a rejection and
   * taking longer than `handshakeTimeoutMs` deny), or `'any'`: whoever knows this server's public key, which only hides what
   * travels. A list is copied; see `CurveClients` for changes at run time.
   */
  readonly authorized: CurveAuthorized;
}

/** The side that connects. */
export interface CurveClientOptions extends CurveKeyPair {
  /** The public key of the server: one for all endpoints, or one by endpoint, exactly as the endpoint is written. */
  readonly serverKey: string | Readonly<Record<string, string>>;
}

/** The option `curve` of `zeromq()`: at least one of the two. All keys are 40 characters of Z85 text. */
export interface CurveOptions {
  /** For the endpoints that are bound. */
  readonly server?: CurveServerOptions | undefined;
  /** For the endpoints that are connected to. */
  readonly client?: CurveClientOptions | undefined;
}

/** Socket options of a CURVE socket. */
export type CurveSocketOptions =
  | {
      readonly curveServer: true;
      readonly curveSecretKey: string;
      readonly zapDomain: string;
      readonly zapEnforceDomain: true;
    }
  | { readonly curvePublicKey: string; readonly curveSecretKey: string; readonly curveServerKey: string };

/** A server with another key closes the connection without a word, and one that does not know the client stays silent. */
const KEYS_TO_CHECK = "With CURVE check the server's public key too, and this client's entry in its `authorized`.";

/** The checked options; see the head of this file. */
export class Curve {
  /** The clients of the server; undefined for one that only connects. */
  readonly clients: CurveAccess | undefined;
  readonly #server: CurveKeyPair | undefined;
  readonly #client: CurveKeyPair | undefined;
  readonly #serverKey: string | undefined;
  readonly #serverKeys: ReadonlyMap<string, string>;
  /** Tells this set-up from others that share the Context. */
  readonly #domain: string = `tracebus-${randomUUID()}`;

  /** @throws TypeError, without any key, for what is not complete or no key */
  constructor(options: CurveOptions, decisionTimeoutMs: number) {
    expectKnownOptions('curve', options, ['server', 'client']);
    const { server, client } = options;
    if (server === undefined && client === undefined) {
      throw new TypeError('Expected `curve` to have `server` (to bind), `client` (to connect), or both');
    }
    if (server !== undefined) {
      expectKnownOptions('curve.server', server, ['publicKey', 'secretKey', 'authorized']);
      expectKeyPair('curve.server', server);
      this.clients = new CurveAccess(server.authorized, decisionTimeoutMs);
      this.#server = { publicKey: server.publicKey, secretKey: server.secretKey };
    }
    const byEndpoint = new Map<string, string>();
    if (client !== undefined) {
      expectKnownOptions('curve.client', client, ['publicKey', 'secretKey', 'serverKey']);
      expectKeyPair('curve.client', client);
      this.#client = { publicKey: client.publicKey, secretKey: client.secretKey };
      const { serverKey } = client;
      if (typeof serverKey === 'object' && (serverKey as unknown) !== null) {
        for (const [endpoint, key] of Object.entries<string>(serverKey)) {
          decodeKey(`curve.client.serverKey[${JSON.stringify(endpoint)}]`, key);
          byEndpoint.set(endpoint, key);
        }
      } else {
        decodeKey('curve.client.serverKey', serverKey);
        this.#serverKey = serverKey as string;
      }
    }
    this.#serverKeys = byEndpoint;
  }

  /** What else to check where a server does not answer; undefined for one that only binds. */
  get connectHint(): string | undefined {
    return this.#client === undefined ? undefined : KEYS_TO_CHECK;
  }

  /** What keeps CURVE from working there; undefined when nothing does. */
  fault(mode: 'bind' | 'connect', endpoint: string): string | undefined {
    if (mode === 'bind') {
      return this.#server === undefined ? 'CURVE is set up for connecting only: set `curve.server` to bind' : undefined;
    }
    if (this.#client === undefined) return 'CURVE is set up for binding only: set `curve.client` to connect';
    return this.#keyOf(endpoint) === undefined ? '`curve.client.serverKey` has no key for the endpoint' : undefined;
  }

  /** The options of a socket for which {@link fault} finds none. */
  socketOptions(mode: 'bind' | 'connect', endpoint: string): CurveSocketOptions {
    const curveServerKey = this.#keyOf(endpoint);
    if (mode === 'bind' && this.#server !== undefined) {
      const { secretKey } = this.#server;
      return { curveServer: true, curveSecretKey: secretKey, zapDomain: this.#domain, zapEnforceDomain: true };
    }
    if (mode === 'connect' && this.#client !== undefined && curveServerKey !== undefined) {
      const { publicKey, secretKey } = this.#client;
      return { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey };
    }
    throw new TypeError(`CURVE is not set up to ${mode} ${endpoint}`);
  }

  /**
   * To be awaited before a socket binds: its clients are asked about from then on. `dropPeers` is called when all its
   * connections have to be made anew. Answers how to end that.
   */
  async guard(
    context: Context,
    spec: Pick<LinkSpec, 'clock' | 'logger'>,
    dropPeers: () => void,
  ): Promise<() => Promise<void>> {
    const { clients } = this;
    if (clients === undefined) return () => Promise.resolve();
    const lease = await leaseZap(context, this.#domain, clients, spec);
    const listening = clients.onDrop(dropPeers);
    return () => {
      listening();
      return lease.release();
    };
  }

  #keyOf(endpoint: string): string | undefined {
    return this.#serverKey ?? this.#serverKeys.get(endpoint);
  }
}
