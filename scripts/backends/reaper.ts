/**
 * Ends the programs of a process that has died without ending them, by a crash or by SIGKILL: the last that a process started
 * this way can do. It reads `+PID` and `-PID` from standard input, and when that ends, ends what is left. Started by running.ts.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a program has after SIGTERM, in milliseconds. */
const PATIENCE_MS = 3000;

const watched = new Set<number>();

// Ctrl-C reaches the whole group, and whoever started this may want to end its programs in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1));
  if (!Number.isInteger(pid) || pid <= 1) continue;
  if (line.startsWith('+')) watched.add(pid);
  else watched.delete(pid);
}

for (const pid of watched) send(pid, 'SIGTERM');
const giveUpAt = performance.now() + PATIENCE_MS;
while ([...watched].some((pid) => send(pid, 0)) && performance.now() < giveUpAt) await sleep(50);
for (const pid of watched) send(pid, 'SIGKILL');

/** False when there is no such process. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
