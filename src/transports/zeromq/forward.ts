/**
 * The forwarder: one address where any number of publishers connect (`in`) and one where subscribers do (`out`), because two
 * publishers cannot bind one port.
 *
 * It passes packets on as they are and reads none of them, one at a time: while the subscribers have no room it reads nothing
 * more, so that the pressure reaches the publishers, and slow subscribers are treated as a publisher treats them. What
 * subscribers ask for goes up to the publishers, each prefix once, in order; so `ready()` works through it. It sends heartbeats
 * of its own, which name no streams: those who subscribe hear something when no publisher is there, and gaps are not touched.
 *
 * A loop in JavaScript and not libzmq's proxy: that one blocks a thread of the pool for ever and drops for slow subscribers.
 */
import { randomUUID } from 'node:crypto';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { systemClock } from '../../core/clock.ts';
import type { Clock, ClockTimer } from '../../core/clock.ts';
import type { BusError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { HandshakeFailure, LinkFact, SlowSubscribers } from '../../core/transport.ts';
import { expectAllowed } from './bind-rules.ts';
import type { CurveClients } from './curve-access.ts';
import { parseEndpoint } from './endpoint.ts';
import { ForwarderIn, ForwarderOut } from './forward-links.ts';
import type { ForwarderLinkSpec } from './forward-links.ts';
import { checkedSettings, expectInteger, expectOneOf } from './options.ts';
import type { ZeromqOptions } from './options.ts';

/** Options of {@link startForwarder}. */
export interface ForwarderOptions {
  /** Where publishers connect, for instance `tcp://127.0.0.1:5555`; it is bound. */
  readonly in: string;
  /** Where subscribers connect, for instance `tcp://127.0.0.1:5565`; it is bound. */
  readonly out: string;
  /** What happens to a subscriber that does not keep up. @default 'leave-behind' */
  readonly slowSubscribers?: SlowSubscribers | undefined;
  /** `leave-behind`: how long a packet waits for everyone, in milliseconds. @default 250 */
  readonly patienceMs?: number | undefined;
  /** `leave-behind`: how long after the last time the patience is back at `patienceMs`, in milliseconds. @default 10000 */
  readonly patienceRecoveryMs?: number | undefined;
  /** Packets queued for each subscriber. @default 256 */
  readonly hwmPackets?: number | undefined;
  /** Interval of its heartbeats, in milliseconds. @default 1000 */
  readonly heartbeatMs?: number | undefined;
  /** How long `close` lets packets leave, in milliseconds. @default 100 */
  readonly closeLingerMs?: number | undefined;
  /** Options of the sockets, as for `zeromq()`; the wire is that of the packets: heartbeats are sent on the native one only. */
  readonly zeromq?: ZeromqOptions | undefined;
  /** @default the console for warnings and errors */
  readonly logger?: Logger | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
  /** Counts: a subscriber was left behind, a handshake failed. @default nothing is done */
  readonly onFact?: ((fact: LinkFact, reason?: HandshakeFailure) => void) | undefined;
  /** A socket broke; the forwarder forwards no more. @default it is logged */
  readonly onFailure?: ((error: BusError) => void) | undefined;
}

/** A running forwarder. */
export interface Forwarder {
  /** Where publishers connect, a wildcard port resolved. */
  readonly in: string;
  /** Where subscribers connect, a wildcard port resolved. */
  readonly out: string;
  /** The clients of its CURVE server, publishers and subscribers alike. Undefined without `zeromq: { curve: { server } }`. */
  readonly curveClients: CurveClients | undefined;
  /** Stops forwarding and resolves when both sockets are gone; idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a forwarder in this process. It keeps the process alive until it is closed.
 * Rejects with BIND_FAILED, or INSECURE_BIND beyond loopback without CURVE; wrong options throw TypeError or RangeError.
 *
 * @example
 * ```ts
 * import { startForwarder } from 'tracebus/zeromq';
 *
 * const forwarder = await startForwarder({ in: 'tcp://127.0.0.1:*', out: 'tcp://127.0.0.1:*' });
 * console.log(`publishers connect to ${forwarder.in}, subscribers to ${forwarder.out}`);
 * await forwarder.close();
 * ```
 */
export async function startForwarder(options: ForwarderOptions): Promise<Forwarder> {
  const settings = checkedSettings(options.zeromq);
  const base = linkSpec(options);
  // Both, before there is a socket that would have to be closed again.
  for (const endpoint of [options.in, options.out]) {
    parseEndpoint(endpoint);
    expectAllowed({ mode: 'bind', endpoint }, settings);
  }
  const up = new ForwarderIn({ ...base, endpoint: options.in }, settings);
  const down = new ForwarderOut({ ...base, endpoint: options.out }, settings);
  try {
    // The upper side first: what subscribers ask for as soon as the lower one is bound has somewhere to go.
    await up.open();
    down.passSubscriptionsTo(up);
    await down.open();
  } catch (error) {
    await Promise.all([up.close(), down.close()]);
    throw error;
  }
  up.passPacketsTo(down);
  const heart = settings.wire === 'native' ? beat(down, base) : undefined;
  return {
    in: up.endpoint,
    out: down.endpoint,
    curveClients: settings.curve?.clients,
    close: async () => {
      heart?.stop();
      await Promise.all([up.close(), down.close()]);
    },
  };
}

function linkSpec(options: ForwarderOptions): Omit<ForwarderLinkSpec, 'endpoint'> {
  const { slowSubscribers = 'leave-behind', patienceMs = 250, patienceRecoveryMs = 10_000 } = options;
  const { hwmPackets = 256, heartbeatMs = 1000, closeLingerMs = 100 } = options;
  const { logger = console, clock = systemClock, onFact, onFailure } = options;
  expectOneOf('slowSubscribers', slowSubscribers, ['leave-behind', 'wait', 'drop']);
  expectInteger('patienceMs', patienceMs, 0);
  expectInteger('patienceRecoveryMs', patienceRecoveryMs, 0);
  expectInteger('hwmPackets', hwmPackets, 1);
  expectInteger('heartbeatMs', heartbeatMs, 1);
  expectInteger('closeLingerMs', closeLingerMs, 0);
  const events = {
    onPeerConnected: () => undefined,
    onPeerDisconnected: () => undefined,
    onFailure: onFailure ?? ((error: BusError) => logger.error(`The forwarder stopped: ${error.message}`)),
    onFact: onFact ?? (() => undefined),
  };
  const marks = { slowSubscribers, patienceMs, patienceRecoveryMs, hwmPackets, heartbeatMs, closeLingerMs };
  return { mode: 'bind', ...marks, logger, clock, events };
}

function beat(down: ForwarderOut, { clock, heartbeatMs }: Omit<ForwarderLinkSpec, 'endpoint'>): { stop(): void } {
  const id = randomUUID();
  let timer: ClockTimer = undefined;
  const schedule = (): void => {
    timer = clock.setTimeout(
      () => {
        down.heartbeat(id);
        schedule();
      },
      heartbeatMs,
      { keepAlive: false },
    );
  };
  context.with(ROOT_CONTEXT, schedule);
  return {
    stop: () => {
      if (timer !== undefined) clock.clearTimeout(timer);
    },
  };
}
