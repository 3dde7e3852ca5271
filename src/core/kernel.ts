/** What the parts of one bus share: options with their defaults filled in, clock, counters, error reporting, the chains. */
import type { Chains } from './chain.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { Counters } from './counters.ts';
import { Deadlines } from './deadlines.ts';
import type { Gap } from './gap-detector.ts';
import { MessageHeaders } from './headers.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { LogLevel, Logger } from './logger.ts';
import { leveledLogger } from './logger.ts';
import type { CoreBusOptions } from './options.ts';
import type { AdmitStep } from './middleware.ts';
import { Reporter } from './reporter.ts';
import type { SlowSubscribers, Transport } from './transport.ts';
import { Turn } from './turn.ts';

/** The options of a bus with nothing left open. */
export interface Settings {
  readonly hwmOutbound: number;
  readonly hwmInbound: number;
  readonly hwmPackets: number | undefined;
  readonly maxQueueBytes: number;
  readonly publishTimeoutMs: number;
  readonly pushTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly replySendTimeoutMs: number;
  readonly failedSocketCooldownMs: number;
  readonly closeLingerMs: number;
  readonly heartbeatMs: number;
  readonly slowSubscribers: SlowSubscribers;
  readonly requireSubscribers: boolean;
  readonly order: 'global' | 'topic';
  readonly pack: number;
  readonly logLevelNoHandler: LogLevel;
  readonly onGap: ((gap: Gap) => void) | undefined;
}

/** libzmq counts packets of many messages each, so its mark is small where the bus packs. */
const PACKED_HWM = 256;

/** The shared parts of one bus. */
export class Kernel {
  readonly serviceName: string;
  readonly transport: Transport;
  readonly audience: string | undefined;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: Counters = new Counters();
  /** What all writers share. */
  readonly turn: Turn = new Turn();
  readonly deadlines: Deadlines;
  readonly reporter: Reporter;
  /** The header block of an event that has no headers of its own: it names its sender. */
  readonly senderBlock: Uint8Array;
  /** The `admit` of each middleware that has one. */
  admits: readonly AdmitStep[] = [];
  #chains: Chains | undefined;

  constructor(options: CoreBusOptions) {
    this.serviceName = options.serviceName;
    this.transport = options.transport;
    this.audience = options.audience;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.logger = leveledLogger(options.logger ?? console, options.logLevel ?? 'info', options.serviceName);
    this.senderBlock = MessageHeaders.from({ sender: options.serviceName }).encode(KIND_NUMBERS.message);
    this.deadlines = new Deadlines(this.clock);
    this.reporter = new Reporter(this.counters, this.logger, options.onError, this.clock);
    this.settings = {
      hwmOutbound: options.hwmOutbound ?? 1000,
      hwmInbound: options.hwmInbound ?? 1000,
      hwmPackets: options.hwmPackets,
      maxQueueBytes: options.maxQueueBytes ?? 64 * 1024 * 1024,
      publishTimeoutMs: options.publishTimeoutMs ?? 1000,
      pushTimeoutMs: options.pushTimeoutMs ?? 1000,
      requestTimeoutMs: options.requestTimeoutMs ?? 5000,
      replySendTimeoutMs: options.replySendTimeoutMs ?? 5000,
      failedSocketCooldownMs: options.failedSocketCooldownMs ?? 10_000,
      closeLingerMs: options.closeLingerMs ?? 100,
      heartbeatMs: options.heartbeatMs ?? 1000,
      slowSubscribers: options.slowSubscribers ?? 'leave-behind',
      requireSubscribers: options.requireSubscribers ?? false,
      order: options.order ?? 'global',
      pack: options.pack ?? 1,
      logLevelNoHandler: options.logLevelNoHandler ?? 'debug',
      onGap: options.onGap,
    };
  }

  /** The transport's own high-water mark where the bus packs. */
  get packedHwm(): number {
    return (
      this.settings.hwmPackets ?? (this.transport.features.wire === 'native' ? PACKED_HWM : this.settings.hwmOutbound)
    );
  }

  /** The composed chains; set once, when the bus starts. */
  get chains(): Chains {
    if (this.#chains === undefined) throw new Error('the bus has not started');
    return this.#chains;
  }

  set chains(chains: Chains) {
    this.#chains = chains;
  }
}
