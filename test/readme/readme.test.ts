/**
 * The README tells the truth: every code block runs against the packed package, every command is known here with the way it
 * is run, and both languages carry the same blocks.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import type { PackedProject } from '../support/packed.ts';
import { packedProject } from '../support/packed.ts';
import { complaints } from '../support/compile.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const DEPENDENCIES = ['zeromq', '@opentelemetry/api', '@opentelemetry/sdk-node', '@opentelemetry/exporter-prometheus'];

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }));
}

const blocks = blocksOf('README.md');
const programs = blocks.filter(({ language }) => language === 'ts');
const commands = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text.trim());

/** How each command of the README is run. */
const COMMANDS: Readonly<Record<string, string>> = {
  'npm install tracebus @opentelemetry/api': 'here: the packed package is unpacked into a folder',
  'npm ci && npm start': '.ci/run, with -- --seconds 5 --json',
  'npm ci && npm test': '.ci/run',
  'npx tracebus forward --in 5555 --out 5565': 'here: beside the block that follows it',
  'node --import tracebus/register app.js': 'here',
  'npm run observability': 'test/backends/observability.test.ts',
  'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_TRACES_SAMPLER=always_on npm start -- --rate 200':
    'test/backends/demo.test.ts, through scripts/backends/demo.ts',
  'npx tracebus keygen hmac': 'here',
};

describe('the README', () => {
  let project: PackedProject;
  before(() => {
    project = packedProject(DEPENDENCIES);
  });
  after(() => {
    project.remove();
  });

  it('has the same code and commands in both languages', () => {
    assert.deepEqual(blocksOf('README.zh-CN.md'), blocks);
  });

  it('shows install, start and test on its first screen', () => {
    const screen = readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').slice(0, 45).join('\n');
    for (const command of ['npm install tracebus', 'npm ci && npm start', 'npm ci && npm test'])
      assert.ok(screen.includes(command), command);
  });

  it('names no command that is not run somewhere', () => {
    assert.deepEqual(commands, Object.keys(COMMANDS));
    const ci = readFileSync(join(ROOT, '.ci/run'), 'utf8');
    assert.match(ci, /^npm ci$/m);
    assert.match(ci, /npm start -- --seconds 5 --json/);
    assert.match(ci, /npm test/);
  });

  it('leaves what takes Go to the tests of the back ends, which run the same files', () => {
    const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
    assert.match(read('.ci/run'), /^npm run test:backends/m);
    const observability = 'scripts/observability.ts';
    assert.ok(scripts['observability']?.endsWith(observability));
    assert.ok(read('test/backends/observability.test.ts').includes(`'${observability}'`));
    // The demo there has another address of the Collector, and the same variables and arguments.
    assert.ok(scripts['start']?.endsWith('examples/market/main.ts'));
    assert.match(read('test/backends/demo.test.ts'), /startDemo\(/);
    const demo = read('scripts/backends/demo.ts');
    for (const part of [
      'OTEL_EXPORTER_OTLP_ENDPOINT:',
      "OTEL_TRACES_SAMPLER: 'always_on'",
      "'--rate'",
      'market/main.ts',
    ])
      assert.ok(demo.includes(part), part);
  });

  it('shows TypeScript that compiles under strict rules', () => {
    const files = programs.map(({ text }, index) => [join(ROOT, `readme-block-${String(index)}.ts`), text]);
    assert.deepEqual(complaints(Object.fromEntries(files) as Record<string, string>), []);
  });

  it('prints what it says for the first program', async () => {
    const { stdout } = await run(await withFreePorts(programs[0]?.text ?? ''));
    assert.equal(stdout, blocks.find(({ language }) => language === 'text')?.text);
  });

  const expected: readonly (readonly [index: number, title: string, lines: readonly string[]])[] = [
    [1, 'two publishers on endpoints of their own', ['news.flash from news', 'price.tick from prices']],
    [3, 'three typed patterns', ['alert BTC', '{ last: 43210.5 }']],
    [4, 'a middleware of your own', ['receive hello fast', 'send hello fast', 'world']],
    [5, 'telemetry', ['true 1']],
    [6, 'signatures, encryption and CURVE', ['{ received: { amount: 12 } }']],
  ];
  for (const [index, title, lines] of expected) {
    it(`runs its program about ${title}`, async () => {
      const { stdout } = await run(await withFreePorts(programs[index]?.text ?? ''));
      const seen = stdout
        .trim()
        .split('\n')
        .filter((line) => !line.includes('http://'))
        .sort();
      assert.deepEqual(seen, lines);
    });
  }

  it('runs its forwarder and the program behind it', async () => {
    const [inPort, outPort] = [String(await freePort()), String(await freePort())];
    const bin = join(project.folder, 'node_modules/tracebus/dist/cli/main.js');
    const forwarder = spawn(process.execPath, [bin, 'forward', '--in', inPort, '--out', outPort], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await createInterface({ input: forwarder.stdout })[Symbol.asyncIterator]().next();
      const text = (programs[2]?.text ?? '').replaceAll('5555', inPort).replaceAll('5565', outPort);
      const { stdout } = await run(text);
      assert.deepEqual(stdout.trim().split('\n').sort(), ['news.flash from news', 'price.tick from prices']);
    } finally {
      forwarder.kill();
    }
  });

  it('traces an application that was not changed', async () => {
    writeFileSync(join(project.folder, 'app.js'), 'console.log("app ran");\n');
    const { stdout } = await execute(['--import', 'tracebus/register', 'app.js']);
    assert.match(stdout, /app ran/);
  });

  it('makes keys', async () => {
    const { stdout } = await execute(['node_modules/tracebus/dist/cli/main.js', 'keygen', 'hmac']);
    const { alg, secret } = JSON.parse(stdout) as { alg: string; secret: string };
    assert.equal(alg, 'hmac-sha256');
    assert.equal(Buffer.from(secret, 'base64url').length, 32);
  });

  /** Default ports would collide with whatever runs here: the text stays, the numbers are free ones. */
  async function withFreePorts(text: string): Promise<string> {
    const ports = `ports: { GLOBAL_EVENTS: ${String(await freePort())}, TASK_RESULTS: ${String(await freePort())}, STATE_MANAGEMENT: ${String(await freePort())} }`;
    return text
      .replaceAll("('analytics', { publish: true }", `('analytics', { publish: true, ${ports} }`)
      .replaceAll("('cards', {", `('cards', { ${ports},`)
      .replaceAll('5601', String(await freePort()))
      .replaceAll('5602', String(await freePort()));
  }

  let programCount = 0;
  function run(text: string): Promise<{ stdout: string }> {
    const file = `program-${String(++programCount)}.ts`;
    writeFileSync(join(project.folder, file), text);
    return execute(['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs'), file]);
  }

  async function execute(args: readonly string[]): Promise<{ stdout: string }> {
    const child = spawn(process.execPath, args, { cwd: project.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearTimeout(timer);
    assert.equal(code, 0, stderr);
    return { stdout };
  }
});
