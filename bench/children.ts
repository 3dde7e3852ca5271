/** Ends every child process with this one, also when this one is interrupted: a stopped child would not notice. */
import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();

/** Kills it when this process exits, unless it has ended by then. */
export function endWithUs(child: ChildProcess): void {
  if (children.size === 0 && process.listenerCount('exit', killAll) === 0) {
    process.on('exit', killAll);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  }
  children.add(child);
  child.once('exit', () => children.delete(child));
}

function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}
