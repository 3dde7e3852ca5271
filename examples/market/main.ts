/**
 * The launcher of the demo: starts the processes, shows what they do, compares at the end what was sent with what was
 * received, and ends them. See options.ts for what it can be asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Control } from './control.ts';
import { parseOptions, USAGE } from './options.ts';
import type { Options } from './options.ts';
import { Processes } from './processes.ts';
import { Screen } from './screen.ts';
import { settle } from './settle.ts';
import { makeWiring } from './wiring.ts';

const SHOW_EVERY_MS = 1000;
const FULL_SPEED =
  'At full speed events wait in queues, and that is most of their latency: see --rate 1000 without it.';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | 'help';
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }

  const screen = new Screen(options.isJson ? process.stderr : process.stdout);
  const ending = new AbortController();
  let failure: string | undefined;
  const fail = (why: string): void => {
    failure ??= why;
    ending.abort();
  };
  const wiring = await makeWiring(options);
  const processes = new Processes(wiring, {
    onLine: (line) => {
      screen.log(line);
    },
    onEnd: (name, how) => {
      // Ctrl-C also reaches a process that has not got as far as to ignore it.
      if (how === 'SIGINT') ending.abort();
      else fail(`${name} has ended by itself (${how})`);
    },
  });
  const control = new Control(wiring, ending.signal);
  const onSignal = (): void => {
    if (ending.signal.aborted) processes.kill(); // asked twice
    ending.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.stdout.on('error', () => {
    ending.abort(); // whoever was reading has gone
  });
  const unwatch = watchNpm(onSignal);

  let code = options.isJson ? 1 : 0;
  try {
    code = await run(options, control, screen, ending.signal);
  } catch (error) {
    if (!ending.signal.aborted) fail((error as Error).message);
  }
  await Promise.all([processes.stop(), control.close()]);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  unwatch();
  if (failure === undefined) return code;
  process.stderr.write(`The demo failed: ${failure}.\n`);
  return 1;
}

/** Rejects when the signal is aborted. */
async function run(options: Options, control: Control, screen: Screen, signal: AbortSignal): Promise<number> {
  screen.log('Starting a feed, two analytics, a recorder and a monitor ...');
  if (options.rate === 0) screen.log(FULL_SPEED);
  let before = await control.untilUp();
  screen.introduce(before);
  await control.start();

  const startedAt = performance.now();
  const endsAt = options.seconds === undefined ? Infinity : startedAt + options.seconds * 1000;
  for (let shownAt = startedAt; ;) {
    const next = Math.min(shownAt + SHOW_EVERY_MS, endsAt);
    await sleep(Math.max(0, next - performance.now()), undefined, { signal });
    if (next >= endsAt) break;
    const reports = await control.reports();
    const now = performance.now();
    screen.show((now - startedAt) / 1000, reports, before, now - shownAt);
    [before, shownAt] = [reports, now];
  }

  await control.stop();
  const outcome = await settle(() => control.reports(), (performance.now() - startedAt) / 1000);
  screen.conclude(outcome);
  if (options.isJson) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  return outcome.ok ? 0 : 1;
}

/** npm passes a SIGTERM to its shell, which dies of it and tells nobody: then the parent of this process is another one. */
function watchNpm(onGone: () => void): () => void {
  if (process.env.npm_lifecycle_event === undefined) return () => undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, 200);
  return () => {
    clearInterval(timer);
  };
}
