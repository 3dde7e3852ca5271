/**
 * What every process of the demo has in common: telemetry first, then a bus, the answer to `demo.report`, and an end that takes
 * less than a second. The launcher ends a process with SIGTERM; a process whose launcher has died ends by itself.
 */
import { MessageBus } from 'tracebus';
import type { MessageBusConfig } from 'tracebus';
import { startTelemetry } from 'tracebus/telemetry';
import { zeromq } from 'tracebus/zeromq';
import { Tally } from './tally.ts';
import type { Report } from './tally.ts';
import type { Market } from './topics.ts';
import { RECONNECT_MAX_MS } from './wiring.ts';
import type { Wiring } from './wiring.ts';

/** What a process works with. */
export interface Service {
  readonly wiring: Wiring;
  readonly bus: MessageBus<Market>;
  readonly tally: Tally;
  /** Where it answers the launcher. */
  readonly control: string;
  /** Aborted when the process is to end. */
  readonly signal: AbortSignal;
  readonly report: () => Report;
  /** Ends the process with exit code 1: for what must not happen. */
  readonly fail: (error: unknown) => void;
}

/** How long closing may take, in milliseconds: ended by Ctrl-C the whole demo is gone within a second. */
const CLOSE_TIMEOUT_MS = 300;

/** Starts the process; `setUp` adds its subscriptions and loops. */
export async function runService(
  setUp: (service: Service) => void | Promise<void>,
  config: (wiring: Wiring) => MessageBusConfig,
): Promise<void> {
  const wiring = JSON.parse(process.argv[2] ?? '') as Wiring;
  const { name } = wiring;
  const control = wiring.control[name];
  const ending = new AbortController();
  const isEnding = (): boolean => ending.signal.aborted;
  const end = (): void => {
    ending.abort();
  };
  const fail = (error: unknown): void => {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    end();
  };
  process.on('SIGTERM', end).on('disconnect', end);
  process.channel?.unref(); // the line to the launcher alone keeps no process alive
  process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the launcher ends everybody in order

  const telemetry = await startTelemetry({
    serviceName: name,
    shutdownTimeoutMs: CLOSE_TIMEOUT_MS,
    logger: { info: () => undefined, warn: (line) => console.warn(line) }, // the launcher shows the URL
  });
  if (isEnding()) return telemetry.shutdown();
  const bus = new MessageBus<Market>(name, {
    transport: zeromq({ reconnectMaxMs: RECONNECT_MAX_MS }),
    onError: failOnTakenPort(fail),
    ...config(wiring),
  });
  const tally = new Tally();
  const report = (): Report => tally.report(name, bus, telemetry.prometheusUrl);
  ending.signal.addEventListener('abort', () => {
    void bus.close({ timeoutMs: CLOSE_TIMEOUT_MS }).then(() => telemetry.shutdown());
  });
  try {
    await setUp({ wiring, bus, tally, control, signal: ending.signal, report, fail });
    bus.respond('demo.report', report, { endpoint: control });
  } catch (error) {
    if (!isEnding()) fail(error);
  }
}

/** A port that somebody else took in the meantime would be tried again; the demo rather says so and ends. */
function failOnTakenPort(fail: (error: unknown) => void): NonNullable<MessageBusConfig['onError']> {
  return (error) => {
    if ('code' in error && error.code === 'BIND_FAILED') fail(error);
  };
}
