/** The ZeroMQ transport over each of its schemes, for tests that work through the conformance bench. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { BusError } from '../../../src/core/errors.ts';
import type { Transport } from '../../../src/core/transport.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import type { ZeromqOptions } from '../../../src/transports/zeromq/index.ts';
import { Bench } from '../conformance/bench.ts';
import { BOUND_MS, pause } from '../conformance/waiting.ts';

export type Scheme = 'tcp' | 'ipc' | 'inproc';

export const SCHEMES: readonly Scheme[] = ['tcp', 'ipc', 'inproc'];

let names = 0;

/** A bench whose endpoints the test may ask for itself. */
export class SchemeBench extends Bench {
  readonly endpoint: () => string;

  constructor(transport: Transport, endpoint: () => string) {
    super({ transport, endpoint });
    this.endpoint = endpoint;
  }
}

/** A bench that is closed when the test ends; what went wrong on the side fails it, unless `tolerant`. */
export function benchFor(
  t: TestContext,
  scheme: Scheme,
  options: ZeromqOptions & { readonly tolerant?: boolean } = {},
): SchemeBench {
  const { tolerant = false, ...transport } = options;
  const folder = mkdtempSync(path.join(tmpdir(), 'tb-'));
  const endpoint = (): string => {
    if (scheme === 'tcp') return 'tcp://127.0.0.1:*';
    names += 1;
    return scheme === 'ipc' ? `ipc://${folder}/${String(names)}` : `inproc://test-${String(names)}`;
  };
  // Short waits between attempts to reconnect, so that restarts do not make the tests slow.
  const bench = new SchemeBench(zeromq({ reconnectMs: 5, reconnectMaxMs: 40, ...transport }), endpoint);
  t.after(async () => {
    const problems = await bench.close();
    rmSync(folder, { recursive: true, force: true });
    if (!tolerant) assert.deepEqual(problems, []);
  });
  return bench;
}

/** Binds as soon as a raw socket, which was closed just now, has given its endpoint back: that takes a moment. */
export async function whenFree<T>(open: () => Promise<T>): Promise<T> {
  const end = performance.now() + BOUND_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'BIND_FAILED' || performance.now() > end) throw error;
      await pause();
    }
  }
}
