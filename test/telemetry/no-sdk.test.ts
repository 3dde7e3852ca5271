import assert from 'node:assert/strict';
import * as api from '@opentelemetry/api';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixture, runNode } from './child.ts';

const REGISTER = fileURLToPath(new URL('../../src/telemetry/register.ts', import.meta.url));

/** What the fixture prints. */
interface Seen {
  readonly seen: readonly unknown[];
  readonly lines: readonly string[];
  readonly sent: number;
  readonly headerNames: readonly string[];
  readonly rawHeaders: Readonly<Record<string, unknown>>;
  readonly wire: string;
  readonly registered: readonly string[];
  readonly loaded: readonly string[];
  readonly watched?: readonly { readonly what: string; readonly stack: string }[];
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<Seen> {
  const { code, stdout, stderr } = await runNode(args, env, cwd).ended;
  assert.deepEqual([code, stderr], [0, '']);
  return JSON.parse(stdout) as Seen;
}

/** The line of a stack that names who asked for a timer; what was passed through on the way there is below it. */
function callerOf(stack: string): string {
  const [, , , ...lines] = stack.split('\n');
  return lines.find((line) => !line.includes('src/core/clock.ts')) ?? '';
}

/** The bus did its work. */
function expectWork({ seen, lines, sent }: Seen): void {
  assert.deepEqual([seen, lines], [[1, 3], []]);
  assert.ok(sent >= 2);
}

/** And nothing of it shows that OpenTelemetry exists. */
function expectNoTrace({ headerNames, rawHeaders, wire, registered, loaded }: Seen): void {
  assert.deepEqual([registered, loaded], [[], []]);
  assert.deepEqual([headerNames, rawHeaders], [['sender'], { sender: 'no-sdk' }]);
  assert.match(wire, /^raw\.tick\0/, 'the bytes that were looked at are those of the message');
  assert.doesNotMatch(wire, /traceparent|tracestate|baggage|00-[0-9a-f]{32}/);
}

test('without an SDK the bus works, and nothing of OpenTelemetry is loaded, registered or sent; the process ends', async () => {
  const seen = await run([fixture('no-sdk.ts')]);
  expectWork(seen);
  expectNoTrace(seen);
});

test('without an SDK no timer, async hook or async storage is made for telemetry', async () => {
  const seen = await run(['--import', fixture('watch-runtime.ts'), fixture('no-sdk.ts')]);
  expectWork(seen);
  const { watched = [] } = seen;
  assert.ok(
    watched.some(({ what, stack }) => what === 'setTimeout' && callerOf(stack).includes('src/core/')),
    'the timers of the bus itself are seen',
  );
  const hooks = watched.filter(({ what }) => what === 'createHook' || what === 'AsyncLocalStorage');
  assert.deepEqual(hooks, []);
  const timers = watched.filter(({ stack }) => /opentelemetry|src\/middleware|src\/telemetry/.test(callerOf(stack)));
  assert.deepEqual(timers, []);
});

test('of OpenTelemetry the API alone has to be installed', async (t: TestContext) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tracebus-'));
  t.after(() => rm(folder, { recursive: true }));
  const modules = path.join(folder, 'node_modules');
  await mkdir(path.join(modules, '@opentelemetry'), { recursive: true });
  for (const name of ['@opentelemetry/api', 'zeromq']) {
    await symlink(path.resolve('node_modules', name), path.join(modules, name));
  }
  await cp('package.json', path.join(folder, 'package.json'));
  for (const part of ['core', 'middleware', 'transports', 'message-bus.ts', 'ports.ts']) {
    await cp(path.join('src', part), path.join(folder, 'src', part), { recursive: true });
  }
  const script = path.join(folder, 'test/telemetry/fixtures/no-sdk.ts');
  await cp(fixture('no-sdk.ts'), script);
  const seen = await run([script], {}, folder);
  expectWork(seen);
  expectNoTrace(seen);
});

test('with OTEL_SDK_DISABLED=true the preload starts nothing, and the bus works the same', async () => {
  const env = {
    OTEL_SDK_DISABLED: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_LOGS_EXPORTER: 'otlp',
  };
  const seen = await run(['--import', REGISTER, fixture('no-sdk.ts')], env);
  expectWork(seen);
  expectNoTrace(seen);
});

test('what these tests look for is there once an SDK is started', async () => {
  const env = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'console' };
  const watching = ['--import', fixture('watch-runtime.ts')];
  const { code, stdout } = await runNode([...watching, '--import', REGISTER, fixture('no-sdk.ts')], env).ended;
  assert.equal(code, 0);
  const seen = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{"seen"')) ?? '') as Seen;
  expectWork(seen);
  assert.ok(seen.headerNames.includes('traceparent') && 'traceparent' in seen.rawHeaders);
  assert.match(seen.wire, /00-[0-9a-f]{32}/);
  assert.ok(
    seen.registered.includes('opentelemetry.js.api.1') &&
      (seen.registered.some((one) => one.includes('logs')) || 'logs' in api),
  );
  assert.ok(seen.loaded.length > 0);
  assert.ok(seen.watched?.some(({ what }) => what === 'AsyncLocalStorage'));
});
