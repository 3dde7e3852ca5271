/**
 * The public surface, name by name, as users get it: from the type declarations and modules in `dist` that package.json points
 * to. A name that comes or goes changes a list here, so that it is a decision. Build first, as for all tests that import `tracebus`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Names {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const words = (text: string): string[] => text.trim().split(/\s+/).sort();

const CORE: Names = {
  values: words('Bus BusError ERROR_CODES errorType systemClock'),
  types: words(`
    Admission AnyHandler AnyTopics BusDescription BusErrorCode BusErrorDetails BusOptions BusStats Call CallName
    Clock ClockTimer CloseOptions CloseReport CoreBusOptions Count Counters DecodedPacket DecodedRecord Delivery
    DocumentedMetrics EndpointChoice EndpointPattern EndpointRole Endpoints ErrorCodeFacts EventBody EventName
    Gap Handler HandlerOptions HeaderValue HeadersInit IncomingPacket Kind Link LinkDescription LinkEvents
    LinkFact LinkSpec LogLevel Logger Matching Message MessageHeaders MessagePattern MessagesOptions Middleware
    MiddlewareFunction MiddlewareHost Next OnPacket Operation OutChannel OutgoingPacket OutgoingRecord Overflow
    PacketError PacketErrorReason PacketSink PacketStamp PatternBody PatternReply PatternRequest Peer
    PublishSpec ReadyOptions ReceiveContext ReceiveInit ReceiveSpec Receiver Release ReplyBody RequestBody
    RequestOptions RequestSpec Requester RespondSpec Responder SealedRecord SendContext SendInit SendOptions
    Sender Series SlowSubscribers Stage SubscribeOptions Subscription Transport TransportFeatures ValidPattern`),
};

const EXPECTED: Readonly<Record<string, Names>> = {
  '.': {
    values: [...CORE.values, 'MessageBus', 'Ports', 'Topics'].sort(),
    types: [...CORE.types, 'MessageBusConfig', 'PortNumbers'].sort(),
  },
  './core': CORE,
  './middleware': {
    values: words(
      'CodecError circuitBreaker inWorker jsonCodec limitConcurrency metrics msgpack retry serialize trace validate',
    ),
    types: words(`
      AttemptOptions CallSchemas CircuitBreakerOptions Codec JsonCodecOptions MetricsOptions MsgpackModule MsgpackOptions
      RetryBudgetOptions RetryOptions StandardIssue StandardResult StandardSchema TopicSchemas TraceOptions ValidateOptions
      WorkerHandler WorkerMessage WorkerOptions`),
  },
  './zeromq': { values: words('startForwarder zeromq'), types: words('Forwarder ForwarderOptions ZeromqOptions') },
  './memory': { values: words('memory memoryHub'), types: words('MemoryHub MemoryOptions') },
  './telemetry': {
    values: ['startTelemetry'],
    types: words('OtlpOptions PrometheusOptions Telemetry TelemetryLogger TelemetryOptions'),
  },
  './register': { values: [], types: [] },
  './testing': { values: ['testBus'], types: words('RecordedMessage TestBus TestBusOptions') },
};

interface EntryPoint {
  readonly types: string;
  readonly default: string;
}

/** The entry points of the package, without its package.json. */
function entryPoints(): Map<string, EntryPoint> {
  const { exports } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, EntryPoint | string>;
  };
  const all = Object.entries(exports).filter(([name]) => name !== './package.json');
  return new Map(all as [string, EntryPoint][]);
}

/** What each declaration file exports: values, and what can only be used as a type. */
function declared(files: readonly string[]): Map<string, Names> {
  const module = ts.ModuleKind.NodeNext;
  const moduleResolution = ts.ModuleResolutionKind.NodeNext;
  const program = ts.createProgram(files, { module, moduleResolution, strict: true, noEmit: true, types: ['node'] });
  const checker = program.getTypeChecker();
  const isTypeOnly = (symbol: ts.Symbol): boolean =>
    symbol.declarations?.some((one) => ts.isExportSpecifier(one) && ts.isTypeOnlyExportDeclaration(one)) === true;
  return new Map(
    files.map((file) => {
      const source = program.getSourceFile(file);
      assert.ok(source, `${file}: is it built?`);
      const exporting = checker.getSymbolAtLocation(source);
      const names: { values: string[]; types: string[] } = { values: [], types: [] };
      for (const symbol of exporting === undefined ? [] : checker.getExportsOfModule(exporting)) {
        const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
        const isValue = (target.flags & ts.SymbolFlags.Value) !== 0 && !isTypeOnly(symbol);
        names[isValue ? 'values' : 'types'].push(symbol.name);
      }
      return [file, { values: names.values.sort(), types: names.types.sort() }] as const;
    }),
  );
}

test('the package has exactly these entry points', () => {
  assert.deepEqual([...entryPoints().keys()].sort(), Object.keys(EXPECTED).sort());
});

test('each entry point declares exactly these values and types', () => {
  const points = entryPoints();
  const found = declared([...points.values()].map(({ types }) => path.join(ROOT, types)));
  for (const [name, { types }] of points) {
    assert.deepEqual(found.get(path.join(ROOT, types)), EXPECTED[name], `the names of ${name}`);
  }
});

test('each entry point gives at run time the values that it declares, and no default', async () => {
  for (const [name, { default: file }] of entryPoints()) {
    // It starts telemetry when it is imported, which is all that it is for.
    if (name === './register') continue;
    const module = (await import(path.join(ROOT, file))) as object;
    assert.deepEqual(Object.keys(module).sort(), EXPECTED[name]?.values, `the values of ${name}`);
  }
});

/** What a fresh process has loaded after an import: addons that are mapped into it, and those that `require` knows. */
const PROBE = `
  import { createRequire } from 'node:module';
  await import(process.argv[1]);
  const native = (files) => files.filter((file) => file.endsWith('.node'));
  const { cache } = createRequire(import.meta.url);
  const loaded = native(process.report.getReport().sharedObjects);
  console.log(JSON.stringify({ loaded, required: native(Object.keys(cache)), zeromq: Object.keys(cache).filter((file) => file.includes('zeromq')) }));
`;

function loads(entry: string): { loaded: string[]; required: string[]; zeromq: string[] } {
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROBE, entry], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: process.env['PATH'] },
  });
  return JSON.parse(output) as ReturnType<typeof loads>;
}

test('importing tracebus/core loads no native code, nor does what works without sockets', () => {
  for (const entry of ['tracebus/core', 'tracebus/memory', 'tracebus/middleware']) {
    assert.deepEqual(loads(entry), { loaded: [], required: [], zeromq: [] }, entry);
  }
});

test('the same look at tracebus/zeromq does find the addon', () => {
  const { loaded, required, zeromq } = loads('tracebus/zeromq');
  assert.match(loaded.join(), /zeromq.*\.node$/);
  assert.match(required.join(), /zeromq.*\.node$/);
  assert.notEqual(zeromq.length, 0);
});
