/**
 * Seals messages with one key in several workers, which are started anew several times, and counts the nonces:
 * `npx tsx scripts/unique-nonces.ts [--workers 4] [--restarts 5] [--seals 50000]` (a million by default).
 *
 * GCM is broken by one nonce used twice under one key. The key of a session follows from its salt, so what must be unique is (salt, counter).
 */
import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { TopicPieces } from '../src/middleware/pae.ts';
import { Sealer } from '../src/middleware/sealer.ts';

const FILE = import.meta.url;
/** Workers of Node 20 know nothing of TypeScript, whatever their parent was started with. */
const START = `import('tsx/esm/api').then(({ register }) => {
  register();
  return import(require('node:worker_threads').workerData.file);
});`;
/** Salt 16 and counter 8, behind version, suite, kid and before what is encrypted. */
const [SALT_AT, SALT_BYTES, COMMITMENT_BYTES, COUNTER_BYTES] = [4, 16, 32, 8];

/** How much is sealed. */
export interface NonceRun {
  readonly workers: number;
  readonly restarts: number;
  readonly seals: number;
}

/** The number of messages that were sealed, and of different nonces among them. */
export async function countNonces({ workers, restarts, seals }: NonceRun): Promise<{ sealed: number; unique: number }> {
  const seen = new Set<string>();
  let sealed = 0;
  for (let restart = 0; restart < restarts; restart++) {
    const rounds = Array.from({ length: workers }, async () => {
      const worker = new Worker(START, { eval: true, workerData: { seals, file: FILE } });
      const [nonces] = (await once(worker, 'message')) as [Uint8Array];
      await worker.terminate();
      const bytes = Buffer.from(nonces);
      for (let at = 0; at < bytes.length; at += SALT_BYTES + COUNTER_BYTES) {
        seen.add(bytes.toString('latin1', at, at + SALT_BYTES + COUNTER_BYTES));
        sealed++;
      }
    });
    await Promise.all(rounds);
  }
  return { sealed, unique: seen.size };
}

function sealAll(seals: number): Buffer {
  const key = { kid: 'e', alg: 'aes-256-gcm', key: createSecretKey(Buffer.alloc(32, 7)) } as const;
  const sealer = new Sealer(key, new TopicPieces('nonces'), 1);
  const associated = { pattern: 'publish', topic: 't', headers: Buffer.from([1]), sender: 's' } as const;
  const nonces = Buffer.alloc(seals * (SALT_BYTES + COUNTER_BYTES));
  const counterAt = SALT_AT + SALT_BYTES + COMMITMENT_BYTES;
  for (let count = 0; count < seals; count++) {
    const sealed = sealer.seal(Buffer.alloc(1), associated, Date.now());
    const at = count * (SALT_BYTES + COUNTER_BYTES);
    sealed.copy(nonces, at, SALT_AT, SALT_AT + SALT_BYTES);
    sealed.copy(nonces, at + SALT_BYTES, counterAt, counterAt + COUNTER_BYTES);
  }
  return nonces;
}

if (!isMainThread && parentPort !== null && (workerData as { seals?: number } | null)?.seals !== undefined) {
  parentPort.postMessage(sealAll((workerData as { seals: number }).seals));
} else if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ options: { workers: number, restarts: number, seals: number } });
  const run = {
    workers: Number(values.workers ?? 4),
    restarts: Number(values.restarts ?? 5),
    seals: Number(values.seals ?? 50_000),
  };
  console.log(await countNonces(run));
}
