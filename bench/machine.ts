/** What a figure was measured on: printed beside it. */
import { cpus, totalmem, type } from 'node:os';
import { version as zmqVersion } from 'zeromq';

/** One line: processor, cores, memory, system and versions. */
export function machine(): string {
  const [first] = cpus();
  const memory = `${String(Math.round(totalmem() / 2 ** 30))} GiB`;
  return `${first?.model ?? 'unknown'}, ${String(cpus().length)} cores, ${memory}, ${type()}, Node ${process.versions.node}, libzmq ${zmqVersion}`;
}

/** The middle value; of an even number of values the lower middle one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}
