/**
 * Who may connect to the sockets that a CURVE server binds: asked by the ZAP handler at each handshake, changed at run time.
 *
 * Fails closed: a callback that throws, takes too long or answers anything but `true` denies, and so does too much to ask at
 * once. A revoked key is denied whatever the list, the callback or 'any' say. Public keys stay in here: what is logged or
 * thrown never names one, `denials()` does because it is asked.
 */
import { decodeKey, encodeKey, KEY_BYTES } from './curve-keys.ts';
import type { ZapStatus } from './zap-request.ts';

/** Decides about one client; anything but `true` denies. */
export type CurveAuthorizer = (publicKey: string) => boolean | Promise<boolean>;

/** Who may connect: public keys, a function, or whoever knows the server's public key. */
export type CurveAuthorized = readonly string[] | ReadonlySet<string> | CurveAuthorizer | 'any';

/** A client that was refused. */
export interface CurveDenial {
  /** Z85. Nobody but the owner of its secret key can be refused under it. */
  readonly publicKey: string;
  /** From where it connected the last time, as ZAP tells it: an address without port; over ipc `localhost:uid:gid:pid` where the system says. */
  readonly address: string;
  /** How many of its handshakes were refused. */
  readonly count: number;
}

/** The clients of one CURVE server, see `zeromq({ curve: { server } })`. */
export interface CurveClients {
  /** Lets a client in from its next handshake on; one that was refused comes back by itself. Throws TypeError for what is no key. */
  authorize(publicKey: string): void;
  /**
   * Refuses a client from now on. If it has ever been let in, all connections of the bound sockets are dropped, because
   * ZeroMQ cannot drop one: the others come back by themselves, and lose what was in their queues. Throws TypeError for what is no key.
   */
  revoke(publicKey: string): void;
  /** Who was refused, the last 1000 keys, the most recent last. */
  denials(): readonly CurveDenial[];
}

/** Keys whose denials are counted; a stranger can make as many as it likes. */
const MAX_DENIED_KEYS = 1000;

/** Keys that are remembered as let in; with more, every revoked one is taken for let in. */
const MAX_ADMITTED_KEYS = 10_000;

/** Callbacks that are waited for at once. */
const MAX_QUESTIONS = 256;

/** See the head of this file. */
export class CurveAccess implements CurveClients {
  readonly #authorized = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #others: CurveAuthorizer | 'any' | undefined;
  readonly #admitted = new Set<string>();
  readonly #denials = new Map<string, { address: string; count: number }>();
  readonly #dropPeers = new Set<() => void>();
  readonly #timeLimitMs: number;
  #questions = 0;

  /** @throws TypeError for what is neither keys nor a function nor 'any' */
  constructor(authorized: CurveAuthorized, timeLimitMs: number) {
    this.#timeLimitMs = timeLimitMs;
    if (typeof authorized === 'function' || authorized === 'any') {
      this.#others = authorized;
      return;
    }
    if (!Array.isArray(authorized) && !(authorized instanceof Set)) {
      throw new TypeError(
        "Expected `curve.server.authorized` to be a list of public keys, a function, or 'any' for whoever knows the server's key",
      );
    }
    for (const key of authorized as Iterable<unknown>) this.#authorized.add(canonical('curve.server.authorized', key));
  }

  authorize(publicKey: string): void {
    const key = canonical('publicKey', publicKey);
    this.#revoked.delete(key);
    this.#authorized.add(key);
  }

  revoke(publicKey: string): void {
    const key = canonical('publicKey', publicKey);
    this.#authorized.delete(key);
    this.#revoked.add(key);
    const mayBeIn = this.#admitted.delete(key) || this.#admitted.size >= MAX_ADMITTED_KEYS;
    if (mayBeIn) for (const drop of this.#dropPeers) drop();
  }

  denials(): readonly CurveDenial[] {
    return Array.from(this.#denials, ([publicKey, { address, count }]) => ({ publicKey, address, count }));
  }

  /** Calls `drop` whenever all connections have to be made anew, until the function that it returns is called. */
  onDrop(drop: () => void): () => void {
    this.#dropPeers.add(drop);
    return () => this.#dropPeers.delete(drop);
  }

  /** Decides about the key of a handshake: 200 lets it in, 500 says that there was no decision. Never rejects. */
  async decide(credentials: Buffer, address: string): Promise<ZapStatus> {
    if (credentials.length !== KEY_BYTES) return '500';
    const key = encodeKey(credentials);
    const asked = this.#isListed(key) ?? (await this.#ask(key));
    // Once more: it may have been revoked while the callback was thinking.
    const allowed = asked === true && !this.#revoked.has(key);
    if (!allowed) this.#deny(key, address);
    else if (this.#admitted.size < MAX_ADMITTED_KEYS) this.#admitted.add(key);
    return allowed ? '200' : asked === undefined ? '500' : '400';
  }

  /** What the lists say; undefined when they say nothing. */
  #isListed(key: string): boolean | undefined {
    if (this.#revoked.has(key)) return false;
    if (this.#authorized.has(key) || this.#others === 'any') return true;
    return this.#others === undefined ? false : undefined;
  }

  /** What the callback says; undefined when it says nothing. */
  async #ask(key: string): Promise<boolean | undefined> {
    if (typeof this.#others !== 'function' || this.#questions >= MAX_QUESTIONS) return undefined;
    this.#questions += 1;
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(resolve, this.#timeLimitMs, undefined);
      });
      const answer: unknown = await Promise.race([this.#others(key), late]);
      return answer === undefined ? undefined : answer === true;
    } catch {
      // Told by the status; what it threw may name the key.
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#questions -= 1;
    }
  }

  #deny(key: string, address: string): void {
    const count = (this.#denials.get(key)?.count ?? 0) + 1;
    this.#denials.delete(key);
    this.#denials.set(key, { address, count });
    if (this.#denials.size <= MAX_DENIED_KEYS) return;
    for (const oldest of this.#denials.keys()) {
      this.#denials.delete(oldest);
      return;
    }
  }
}

function canonical(name: string, key: unknown): string {
  return encodeKey(decodeKey(name, key));
}
