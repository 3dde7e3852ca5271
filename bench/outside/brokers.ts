/** Starts the brokers that rows go through, on free loopback ports, for as long as the benchmark runs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endWithUs } from '../children.ts';
import { freePorts } from '../../scripts/backends/ports.ts';
import type { Program } from './programs.ts';

/** A program that listens. */
export interface Broker {
  readonly address: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

/** Neither loses messages of a fast publisher by its standard marks, as tracebus loses none. */
const NATS_CONFIG = `max_payload: 8MB\nmax_pending: 1GB\nwrite_deadline: "60s"\n`;
const REDIS_OPTIONS = ['--save', '', '--appendonly', 'no', '--client-output-buffer-limit', 'pubsub 0 0 0'];

export async function startNats(file: string): Promise<Broker> {
  const [port = 0] = await freePorts(1);
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-bench-'));
  const config = path.join(folder, 'nats.conf');
  writeFileSync(config, NATS_CONFIG);
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--config', config];
  return start({ file, env: {} }, args, { port, scheme: 'nats', folder });
}

export async function startRedis(program: Program): Promise<Broker> {
  const [port = 0] = await freePorts(1);
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-bench-'));
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...REDIS_OPTIONS];
  return start(program, args, { port, scheme: 'redis', folder });
}

interface Place {
  readonly port: number;
  readonly scheme: string;
  readonly folder: string;
}

async function start({ file, env }: Program, args: readonly string[], place: Place): Promise<Broker> {
  const child = spawn(file, args, { stdio: 'ignore', env: { ...process.env, ...env } });
  endWithUs(child);
  const gone = once(child, 'exit');
  const failed = gone.then(([code]) => Promise.reject(new Error(`${file} ended (${String(code)})`)));
  failed.catch(() => undefined);
  const stop = async (): Promise<void> => {
    child.kill();
    await gone;
    rmSync(place.folder, { recursive: true, force: true });
  };
  try {
    await Promise.race([listening(place.port), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `${place.scheme}://127.0.0.1:${String(place.port)}`, stop };
}

async function listening(port: number): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      socket.destroy();
    }
  }
}
