/** The folder that holds what the benchmark needs and the project does not: keyed by what is in it, so that a new version is a new folder. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import path from 'node:path';

/** Packages of the systems beside tracebus, at exact versions. */
export const PACKAGES: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': '1.14.7',
  '@grpc/proto-loader': '0.8.1',
  '@nats-io/transport-node': '3.4.0',
  ioredis: '5.11.1',
  moleculer: '0.15.2',
};

/** The Go module of the NATS server. Debian's is years older. */
export const NATS_SERVER = 'github.com/nats-io/nats-server/v2@v2.15.2';

/** Debian packages; what they need and the system lacks comes along. */
export const DEBIAN: Readonly<Record<'redis' | 'libzmq', string>> = { redis: 'redis-server', libzmq: 'libzmq3-dev' };

/** `${XDG_CACHE_HOME:-~/.cache}/tracebus/bench-<hash>`. */
export function benchFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const cache = environment['XDG_CACHE_HOME'] ?? '';
  const base = cache === '' ? path.join(homedir(), '.cache') : cache;
  const hash = createHash('sha256').update(JSON.stringify([PACKAGES, NATS_SERVER, DEBIAN]));
  return path.join(base, 'tracebus', `bench-${hash.digest('hex').slice(0, 16)}`);
}
