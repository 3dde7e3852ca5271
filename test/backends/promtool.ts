/** promtool, the checker that comes with Prometheus. */
import { spawnSync } from 'node:child_process';

/** Its exit code and everything that it said. */
export interface Verdict {
  readonly code: number | null;
  readonly said: string;
}

/** Runs it in a folder. A machine without it is told how to get it. */
export function promtool(cwd: string, args: readonly string[], input = ''): Verdict {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { cwd, input, encoding: 'utf8' });
  if (error !== undefined) {
    throw new Error('promtool does not run. Install Prometheus, for instance with: apt-get install prometheus', {
      cause: error,
    });
  }
  return { code: status, said: stdout + stderr };
}
