/** What a figure was measured on and with: printed beside it. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem, type } from 'node:os';
import { version as zmqVersion } from 'zeromq';
import { NATS_SERVER, PACKAGES } from './outside/folder.ts';

/** One line: processor, cores, memory, system and versions. */
export function machine(): string {
  const [first] = cpus();
  const memory = `${String(Math.round(totalmem() / 2 ** 30))} GiB`;
  return `${first?.model ?? 'unknown'}, ${String(cpus().length)} cores, ${memory}, ${type()}, Node ${process.versions.node}, libzmq ${zmqVersion}`;
}

/** Versions of what tracebus is compared with. */
export function versions(): string {
  const packages = Object.entries(PACKAGES).map(([name, version]) => `${name} ${version}`);
  return [...packages, `nats-server ${NATS_SERVER.split('@').at(-1) ?? ''}`].join(', ');
}

/** The commit that was measured; `+` where the files differ from it. */
export function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}
