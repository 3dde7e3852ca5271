/**
 * What each test of the conformance suite works on: opens links, records what they tell, closes everything at the end, and
 * fails the test for a failure or malformed input that it did not ask for.
 */
import assert from 'node:assert/strict';
import type { BusError } from '../../../src/core/errors.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { OutgoingPacket } from '../../../src/core/outgoing-packet.ts';
import type { PacketError } from '../../../src/core/packet-error.ts';
import type {
  IncomingPacket,
  Link,
  LinkFact,
  LinkSpec,
  OnPacket,
  Peer,
  PublishSpec,
  Receiver,
  Requester,
  Responder,
  Sender,
  Transport,
} from '../../../src/core/transport.ts';
import { Sealer, textsOf } from './packets.ts';
import type { RecordInit } from './packets.ts';
import { bounded, handOver, isReady } from './waiting.ts';

/** A transport to test, as the caller of the suite makes it: one for each test. */
export interface Subject {
  readonly transport: Transport;
  /** An endpoint that can be bound, a fresh one or a wildcard. */
  endpoint(): string;
  dispose?(): void | Promise<void>;
}

/** Registers one test, with a bench of its own. */
export type Conforms = (title: string, run: (bench: Bench) => Promise<void>) => void;

/** What one link told. */
export class Told {
  connected = 0;
  disconnected = 0;
  changes = 0;
  readonly facts: LinkFact[] = [];
  /** Of the handshakes that failed. */
  readonly reasons: (string | undefined)[] = [];
  readonly failures: BusError[] = [];
  readonly malformed: PacketError[] = [];
  readonly packets: IncomingPacket[] = [];
  readonly gone: Peer[] = [];

  /** The payloads of all packets so far, the bus's own aside. */
  get texts(): string[] {
    return this.packets.filter(({ topic }) => topic?.startsWith('_tb.') !== true).flatMap(textsOf);
  }

  /** Everything in one number, to see that nothing more is told. */
  get total(): number {
    const lists = [this.facts, this.failures, this.malformed, this.packets, this.gone];
    return this.connected + this.disconnected + this.changes + lists.reduce((sum, list) => sum + list.length, 0);
  }
}

/** An open link and what it told. */
interface Opened<L extends Link> {
  readonly link: L;
  readonly told: Told;
}

/** An open publisher, with the writer that the core would be: one packet at a time, ready probes echoed in between. */
interface OpenedPublisher extends Opened<Sender> {
  readonly sealer: Sealer;
  /** Resolves when the link has taken the packet. */
  publish(topic: string, ...records: (string | RecordInit)[]): Promise<void>;
  offer(packet: OutgoingPacket): Promise<void>;
}

/** What a test may choose of a link. */
type Choice = Partial<Pick<LinkSpec, 'endpoint' | 'mode' | 'hwmPackets' | 'closeLingerMs' | 'clock'>>;

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Opens links for one test. */
export class Bench {
  readonly transport: Transport;
  readonly #subject: Subject;
  readonly #opened: Opened<Link>[] = [];
  readonly #problems: string[] = [];

  constructor(subject: Subject) {
    this.#subject = subject;
    this.transport = subject.transport;
  }

  /** A name that can be bound, known beforehand: a wildcard is resolved by binding it for a moment. */
  async reserve(): Promise<string> {
    const { link } = await this.pusher({ mode: 'bind' });
    await link.close();
    return link.endpoint;
  }

  async publisher(choice: Choice & Partial<PublishSpec> = {}): Promise<OpenedPublisher> {
    const told = new Told();
    const sealer = new Sealer();
    let last = Promise.resolve();
    const offer = (packet: OutgoingPacket): Promise<void> => {
      last = last.then(() => handOver(link, packet));
      return last;
    };
    const link: Sender = await this.transport.openPublisher({
      slowSubscribers: 'wait',
      patienceMs: 250,
      patienceRecoveryMs: 60_000,
      ...this.#spec(told, 'bind', choice),
      onReadyProbe: (topic) => {
        offer(sealer.seal(topic, { kind: 'ready', payload: '' })).catch((error: unknown) => {
          this.#problems.push(`a ready probe was not answered: ${String(error)}`);
        });
      },
      onSubscribersChanged: () => {
        told.changes++;
      },
    });
    const publish = (topic: string, ...records: (string | RecordInit)[]) => offer(sealer.seal(topic, ...records));
    return this.#keep({ link, told, sealer, publish, offer });
  }

  /** Subscribed to the patterns, and ready when it connects to an open publisher (`ready: false` to do that oneself). */
  async subscriber(
    choice: Choice & { patterns?: string[]; onPacket?: OnPacket; ready?: boolean },
  ): Promise<Opened<Receiver>> {
    const { patterns = [], onPacket, ready = true, ...rest } = choice;
    const told = new Told();
    const link = await this.transport.openSubscriber(this.#receiveSpec(told, 'connect', rest, onPacket));
    const opened = this.#keep({ link, told });
    for (const pattern of patterns) link.subscribe(pattern);
    if (ready) await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the subscriber to be ready');
    return opened;
  }

  async pusher(choice: Choice = {}): Promise<Opened<Sender>> {
    const told = new Told();
    return this.#keep({ link: await this.transport.openPusher(this.#spec(told, 'bind', choice)), told });
  }

  async puller(choice: Choice, onPacket?: OnPacket): Promise<Opened<Receiver>> {
    const told = new Told();
    const link = await this.transport.openPuller(this.#receiveSpec(told, 'connect', choice, onPacket));
    return this.#keep({ link, told });
  }

  async requester(choice: Choice, onPacket?: OnPacket): Promise<Opened<Requester>> {
    const told = new Told();
    const link = await this.transport.openRequester(this.#receiveSpec(told, 'connect', choice, onPacket));
    return this.#keep({ link, told });
  }

  async responder(
    choice: Choice,
    onRequest: (incoming: IncomingPacket, peer: Peer) => void,
  ): Promise<Opened<Responder>> {
    const told = new Told();
    const link = await this.transport.openResponder({
      ...this.#spec(told, 'bind', choice),
      onRequest: (incoming, peer) => {
        told.packets.push(incoming);
        onRequest(incoming, peer);
      },
      onMalformed: (error) => told.malformed.push(error),
      onPeerGone: (peer) => told.gone.push(peer),
    });
    return this.#keep({ link, told });
  }

  /** Closes what is open, last opened first, and says what went wrong besides what the test saw. */
  async close(): Promise<string[]> {
    for (const { link } of this.#opened.toReversed()) await bounded(link.close(), `close of ${link.endpoint}`);
    await this.#subject.dispose?.();
    for (const { link, told } of this.#opened) {
      for (const error of told.failures) this.#problems.push(`${link.endpoint} failed: ${error.message}`);
      for (const error of told.malformed) this.#problems.push(`${link.endpoint} got: ${error.message}`);
    }
    return this.#problems;
  }

  #keep<O extends Opened<Link>>(opened: O): O {
    this.#opened.push(opened);
    return opened;
  }

  #spec(told: Told, mode: 'bind' | 'connect', choice: Choice): LinkSpec {
    assert.ok(choice.endpoint !== undefined || mode === 'bind', 'a connecting link needs an endpoint');
    return {
      endpoint: choice.endpoint ?? this.#subject.endpoint(),
      mode,
      hwmPackets: 64,
      closeLingerMs: 1000,
      // Nobody sends heartbeats here, and nobody shall take that for a dead peer.
      heartbeatMs: 60_000,
      clock: systemClock,
      logger: SILENT,
      events: {
        onPeerConnected: () => {
          told.connected++;
        },
        onPeerDisconnected: () => {
          told.disconnected++;
        },
        onFailure: (error) => {
          told.failures.push(error);
        },
        onFact: (fact) => {
          told.facts.push(fact);
        },
      },
      ...choice,
    };
  }

  #receiveSpec(told: Told, mode: 'bind' | 'connect', choice: Choice, onPacket?: OnPacket) {
    return {
      ...this.#spec(told, mode, choice),
      onPacket: (incoming: IncomingPacket) => {
        told.packets.push(incoming);
        return onPacket?.(incoming);
      },
      onMalformed: (error: PacketError) => {
        told.malformed.push(error);
      },
    };
  }
}
