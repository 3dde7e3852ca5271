/**
 * Gets each program that a row needs, once, into the folder: packages by npm, nats-server by the Go tool chain, redis-server and the
 * headers of libzmq from Debian's packages, which are unpacked there and not installed.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEBIAN, NATS_SERVER, PACKAGES } from './folder.ts';
import { runProgram } from './run-program.ts';

const C_PEER = fileURLToPath(new URL('../c/libzmq-peer.c', import.meta.url));

/** The folder's npm packages; answers the folder. */
export async function npmPackages(folder: string): Promise<string> {
  const marker = path.join(folder, 'node_modules', '.installed');
  if (existsSync(marker)) return folder;
  mkdirSync(folder, { recursive: true });
  const manifest = { name: 'tracebus-bench', private: true, dependencies: PACKAGES };
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, undefined, 2));
  await runProgram('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder });
  writeFileSync(marker, '');
  return folder;
}

/** Answers the path of nats-server. */
export async function natsServer(folder: string): Promise<string> {
  const program = path.join(folder, 'go', 'nats-server');
  if (existsSync(program)) return program;
  mkdirSync(path.dirname(program), { recursive: true });
  await runProgram('go', ['install', NATS_SERVER], { env: { GOBIN: path.dirname(program) } });
  return program;
}

/** A program and the variables that it runs with. */
export interface Program {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function redisServer(folder: string): Promise<Program> {
  const installed = '/usr/bin/redis-server';
  if (existsSync(installed)) return { file: installed, env: {} };
  const root = await debianPackage(folder, DEBIAN.redis);
  return { file: path.join(root, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: librariesOf(root).join(':') } };
}

/** Compiles the C program against libzmq. */
export async function libzmqPeer(folder: string): Promise<Program> {
  const isInstalled = existsSync('/usr/include/zmq.h');
  const root = isInstalled ? '/' : await debianPackage(folder, DEBIAN.libzmq);
  const libraries = [...librariesOf(root), ...librariesOf('/')];
  const file = path.join(folder, 'libzmq-peer');
  mkdirSync(folder, { recursive: true });
  await runProgram('cc', [
    ...['-O2', '-Wall', '-o', file, C_PEER, `-I${path.join(root, 'usr/include')}`],
    ...libraries.map((library) => `-L${library}`),
    ...['-l:libzmq.so.5', '-Wl,--allow-shlib-undefined'],
  ]);
  return { file, env: isInstalled ? {} : { LD_LIBRARY_PATH: libraries.join(':') } };
}

function librariesOf(root: string): string[] {
  const folder = path.join(root, 'usr/lib');
  const triples = readdirSync(folder).filter((name) => name.endsWith('-linux-gnu'));
  return triples.map((name) => path.join(folder, name));
}

/** Unpacks a Debian package and what it needs beyond the system's into a folder, which it answers. Needs no rights. */
async function debianPackage(folder: string, name: string): Promise<string> {
  const root = path.join(folder, name);
  if (existsSync(root)) return root;
  const [archives, unpacked] = [path.join(folder, `${name}-archives`), path.join(folder, `${name}-unpacked`)];
  mkdirSync(path.join(archives, 'partial'), { recursive: true });
  mkdirSync(unpacked, { recursive: true });
  await runProgram('apt-get', [
    ...['install', '--yes', '--no-install-recommends', '--download-only', '-o', 'Debug::NoLocking=true'],
    ...['-o', `Dir::Cache=${archives}`, '-o', `Dir::Cache::archives=${archives}/`, name],
  ]);
  for (const archive of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    await runProgram('dpkg', ['-x', path.join(archives, archive), unpacked]);
  }
  renameSync(unpacked, root);
  return root;
}
