/**
 * Programs that are built from Go modules of this repository, each once: the binary is kept outside of it, in
 * `${XDG_CACHE_HOME:-~/.cache}/tracebus/<name>-<version>-<hash>/`, where the hash is that of everything the build is made from.
 * A build goes to a name of its own and is moved into place when it is whole, so that two may build at the same time.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

/** A program and the folder with the go.mod and go.sum that pin it. */
export interface GoProgram {
  readonly name: string;
  /** Holds go.mod, go.sum and, for a main package of its own, Go files. */
  readonly folder: string;
  /** What `go build` is given, from that folder. */
  readonly package: string;
  /** The module in go.mod whose version is the program's. */
  readonly module: string;
}

/** A program that can be run. */
export interface Installed {
  readonly name: string;
  readonly version: string;
  readonly path: string;
}

export interface BuildOptions {
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  /** Where `go` may be, in this order. @default on the PATH, then where Go's own instructions put it */
  readonly go?: readonly string[];
  /** Gets a line when a build starts. @default standard error */
  readonly log?: (line: string) => void;
}

/** Since 1.21 Go fetches by itself the newer tool chain that a go.mod asks for. */
const OLDEST_GO = [1, 21] as const;

/** Where Go's own installation instructions put it. */
const USUAL_GO = '/usr/local/go/bin/go';

/**
 * The program, built if that has not been done yet.
 *
 * @throws Error that says what to install when Go is missing or too old, or with the compiler's words when the build fails
 */
export async function ensureGoProgram(program: GoProgram, options: BuildOptions = {}): Promise<Installed> {
  const {
    env = process.env,
    go: candidates = ['go', USUAL_GO],
    log = (line) => process.stderr.write(`${line}\n`),
  } = options;
  const { name } = program;
  const version = versionOf(program);
  const folder = path.join(cacheFolder(env), `${name}-${version}-${hashOf(program)}`);
  const binary = path.join(folder, name);
  if (existsSync(binary)) return { name, version, path: binary };

  const go = findGo(name, candidates, env);
  log(`Building ${name} ${version}, once: with nothing in Go's own cache this takes minutes ...`);
  mkdirSync(folder, { recursive: true });
  const unfinished = mkdtempSync(path.join(folder, 'unfinished-'));
  try {
    const output = path.join(unfinished, name);
    await build(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', output, program.package], program, env);
    renameSync(output, binary);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return { name, version, path: binary };
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  const wanted = env['XDG_CACHE_HOME'];
  const base = wanted !== undefined && path.isAbsolute(wanted) ? wanted : path.join(homedir(), '.cache');
  return path.join(base, 'tracebus');
}

function versionOf({ folder, module }: GoProgram): string {
  const lines = readFileSync(path.join(folder, 'go.mod'), 'utf8').split('\n');
  const words = lines.map((line) =>
    line
      .replace(/^require /, '')
      .trim()
      .split(/\s+/),
  );
  const version = words.find(([name]) => name === module)?.[1];
  if (version === undefined) throw new Error(`Expected ${folder}/go.mod to require ${module}.`);
  return version.replace(/^v/, '');
}

function hashOf({ folder, package: what }: GoProgram): string {
  const hash = createHash('sha256').update(what);
  const inputs = readdirSync(folder).filter((file) => /^go\.(mod|sum)$|\.go$/.test(file));
  for (const file of inputs.sort()) hash.update(`\0${file}\0`).update(readFileSync(path.join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}

function findGo(name: string, candidates: readonly string[], env: NodeJS.ProcessEnv): string {
  const found = candidates.map((go) => [go, goVersion(go, env)] as const).find(([, text]) => text !== undefined);
  const ways =
    `Install it from https://go.dev/dl/ (Debian and Ubuntu: apt-get install golang-go, if that is 1.21 or newer), ` +
    'or run the same programs in containers: docker compose -f observability/compose.yaml up';
  if (found === undefined) throw new Error(`Building ${name} takes Go, and there is no \`go\` on the PATH. ${ways}`);
  const [go, version = ''] = found;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST_GO[0] || (major === OLDEST_GO[0] && minor < OLDEST_GO[1]);
  if (isOld) throw new Error(`Building ${name} takes Go ${OLDEST_GO.join('.')} or newer, found ${version}. ${ways}`);
  return go;
}

/** Like `1.26.8`; undefined where there is none. */
function goVersion(go: string, env: NodeJS.ProcessEnv): string | undefined {
  const { stdout, status } = spawnSync(go, ['version'], { env, encoding: 'utf8' });
  return status === 0 ? /go version go(\d+\.\d+(?:\.\d+)?)/.exec(stdout)?.[1] : undefined;
}

async function build(go: string, args: string[], { name, folder }: GoProgram, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(go, args, {
    cwd: folder,
    env: { ...env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const how = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal ?? code ?? 'nothing');
    });
  });
  if (how !== 0) throw new Error(`\`go build\` of ${name} ended with ${how}:\n${said}`);
}
