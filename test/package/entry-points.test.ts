/** The package as it is packed: what importing its entry points loads, without a clock, and that they share their classes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { packedProject } from '../support/packed.ts';
import type { PackedProject } from '../support/packed.ts';

const TIMEOUT_MS = 60_000;

const API = '@opentelemetry/api';
const BUS = [API];
const ZEROMQ = [API, 'cmake-ts', 'zeromq'];

/** For each entry point, the most files of this package that importing it may load, and all others that it does. */
const LIMITS: Readonly<Record<string, readonly [files: number, others: readonly string[]]>> = {
  tracebus: [8, ZEROMQ],
  'tracebus/core': [4, BUS],
  'tracebus/middleware': [8, BUS],
  'tracebus/zeromq': [5, ZEROMQ],
  'tracebus/memory': [5, BUS],
  'tracebus/telemetry': [5, [API]],
  'tracebus/testing': [10, ZEROMQ],
};
const NATIVE = ['tracebus', 'tracebus/zeromq', 'tracebus/testing'];

/** Runs in the loader's thread: a line for each module that `import` loads. */
const LOADER = `
  import { writeSync } from 'node:fs';
  export function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context); }
`;

/** Lines for everything that importing an entry point loads: ES modules by the loader, others by their cache, native ones by dlopen. */
function importing(entry: string): string {
  return `
    import { createRequire, register } from 'node:module';
    const { dlopen } = process;
    process.dlopen = (module, file, ...rest) => { console.log('native ' + file); return dlopen(module, file, ...rest); };
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(LOADER)}));
    await import(${JSON.stringify(entry)});
    for (const file of Object.keys(createRequire(import.meta.url).cache)) console.log(file);
  `;
}

function packagesOf(lines: readonly string[]): string[] {
  const names = lines.map((line) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(line)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined && name !== 'tracebus'))].map(String).sort();
}

/** Prints what is true of classes that came by different entry points. */
const SAME = `
  import * as tracebus from 'tracebus';
  import * as core from 'tracebus/core';
  import { memory } from 'tracebus/memory';
  import { serialize } from 'tracebus/middleware';
  import { testBus } from 'tracebus/testing';
  import { startForwarder } from 'tracebus/zeromq';
  const failure = (promise) => promise.then(() => undefined, (error) => error);
  const bus = new core.Bus({ serviceName: 'a', transport: memory(), endpoints: { publish: { bind: 'memory://a' } } });
  bus.use(serialize());
  const tests = testBus();
  const byMiddleware = await failure(bus.publish('a', 1n));
  const byTransport = await failure(startForwarder({ in: 'tcp://192.0.2.1:5555', out: 'tcp://127.0.0.1:*' }));
  console.log(JSON.stringify({
    exported: tracebus.BusError === core.BusError,
    byMiddleware: [byMiddleware instanceof core.BusError, byMiddleware.code],
    byTransport: [byTransport instanceof core.BusError, byTransport.code],
    busOfTests: tests.bus instanceof tracebus.MessageBus,
    preset: tests.bus instanceof core.Bus,
  }));
  await Promise.all([bus.close(), tests.close()]);
`;

describe('the packed package', () => {
  let project: PackedProject;
  before(() => {
    project = packedProject([API, 'zeromq']);
  });
  after(() => {
    project.remove();
  });

  async function run(program: string, ...options: readonly string[]): Promise<string> {
    const args = [...options, '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: project.folder, timeout: TIMEOUT_MS });
    return stdout;
  }

  /** Its JavaScript, by path. */
  function built(): Map<string, string> {
    const dist = path.join(project.folder, 'node_modules/tracebus/dist');
    const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
    return new Map(names.map((name) => [path.join(dist, name), readFileSync(path.join(dist, name), 'utf8')]));
  }

  for (const [entry, [files, others]] of Object.entries(LIMITS)) {
    const isNative = NATIVE.includes(entry);
    it(`loads few files${isNative ? '' : ', no native code'} and no SDK for ${entry}`, async () => {
      const lines = (await run(importing(entry))).trim().split('\n');
      const own = lines.filter((line) => line.includes('/node_modules/tracebus/'));
      assert.ok(own.length > 0, 'else this test could not see them');
      assert.ok(own.length <= files, own.join('\n'));
      assert.deepEqual(packagesOf(lines), others);
      assert.equal(
        lines.some((line) => line.startsWith('native ')),
        isNative,
      );
    });
  }

  it('has each class once, by whatever entry point it comes', async () => {
    assert.deepEqual(JSON.parse(await run(SAME)), {
      exported: true,
      byMiddleware: [true, 'SERIALIZE_FAILED'],
      byTransport: [true, 'INSECURE_BIND'],
      busOfTests: true,
      preset: true,
    });
  });

  it('calls its classes by their names', () => {
    for (const [file, text] of built()) assert.doesNotMatch(text, /\bclass _/, file);
  });

  it('maps each file to its sources, and stack traces to lines of src', async () => {
    for (const file of built().keys()) {
      const map = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { sources: string[]; sourcesContent: unknown[] };
      assert.ok(
        map.sources.every((source) => source.includes('/src/')),
        file,
      );
      assert.equal(map.sourcesContent.length, map.sources.length, file);
      assert.ok(!map.sourcesContent.includes(null), file);
    }
    const failing = `import { Bus } from 'tracebus/core'; try { new Bus({}); } catch (error) { console.log(error.stack); }`;
    assert.match(await run(failing, '--enable-source-maps'), /src\/core\/bus\.ts:\d+/);
  });
});
