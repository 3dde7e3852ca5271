/** The ZeroMQ transport over each of its schemes, for tests that work through the conformance bench. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { Transport } from '../../../src/core/transport.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import type { ZeromqOptions } from '../../../src/transports/zeromq/index.ts';
import { Bench } from '../conformance/bench.ts';

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
