/** A process that opens links, closes them, and must then end by itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bounded } from '../conformance/waiting.ts';

const urlOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs `work`, the text of a function of a bench and an endpoint, over tcp and inproc, closes the bench, and waits for the exit. */
export async function endsByItself(work: string): Promise<void> {
  const script = `
    import { zeromq } from ${urlOf('../../../src/transports/zeromq/index.ts')};
    import { Bench } from ${urlOf('../conformance/bench.ts')};
    import { Sealer } from ${urlOf('../conformance/packets.ts')};
    import { handOver, until } from ${urlOf('../conformance/waiting.ts')};
    for (const endpoint of ['tcp://127.0.0.1:*', 'inproc://x']) {
      const bench = new Bench({ transport: zeromq(), endpoint: () => endpoint });
      await (${work})(bench, endpoint);
      process.stdout.write(JSON.stringify(await bench.close()));
    }`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await bounded(once(child, 'close'), 'the process to end')) as [number | null];
    assert.deepEqual([code, out], [0, '[][]'], 'the exit code, and what went wrong beside');
  } finally {
    child.kill('SIGKILL');
  }
}
