/**
 * What each entry point exports, by name: to change a list here is to change what users may import, so it is done on purpose.
 * Values are what the module has when it runs; types are what the compiler sees besides.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Names {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const CORE: Names = {
  values: [
    'Bus',
    'BusError',
    'ERROR_CODES',
    'PacketError',
    'decodePacket',
    'decodePublishedPacket',
    'encodePacket',
    'errorType',
    'packetLimits',
    'systemClock',
  ],
  types: `
    Admission AnyHandler AnyTopics BusDescription BusErrorCode BusErrorDetails BusOptions BusStats Call CallName CallWatcher Clock ClockTimer
    CloseOptions CloseReport CoreBusOptions Count Counters DecodedPacket DecodedRecord Delivery DocumentedMetrics EndpointChoice
    EndpointPattern EndpointRole Endpoints ErrorCodeFacts EventBody EventName Failure Gap Handler HandlerOptions HandshakeFailure HeaderValue HeadersInit
    IncomingPacket Kind Link LinkDescription LinkEvents LinkFact LinkSpec LogLevel Logger Matching Message MessageHeaders
    MessagePattern MessagesOptions Middleware MiddlewareFunction MiddlewareHost MixedTopics Next OnPacket Operation OutChannel OutgoingPacket
    OutgoingRecord OutgoingRun Overflow PacketErrorReason PacketLimits PacketRoute PacketRun PacketSink PacketStamp PatternBody PatternReply PatternRequest Peer
    PublishSpec PullOptions ReadyOptions ReceiveContext ReceiveInit ReceiveSpec Receiver Release ReplyBody RequestBody RequestOptions
    RequestSpec Requester RespondSpec Responder SealedRecord SendContext SendInit SendOptions Sender Series SlowSubscribers Stage
    SubscribeOptions Subscription Transport TransportFeatures ValidPattern`
    .trim()
    .split(/\s+/),
};

/** By the name under which package.json exports them. */
const ENTRIES: Readonly<Record<string, Names>> = {
  '.': {
    values: [...CORE.values, 'MessageBus', 'Ports', 'Topics'],
    types: [...CORE.types, 'MessageBusConfig', 'PortNumbers'],
  },
  './core': CORE,
  './middleware': {
    values: [
      'CodecError',
      'cachedKeys',
      'circuitBreaker',
      'compress',
      'encrypt',
      'importKey',
      'inWorker',
      'jsonCodec',
      'keysFromEnvironment',
      'keysFromFile',
      'limitConcurrency',
      'logs',
      'metrics',
      'msgpack',
      'retry',
      'serialize',
      'sign',
      'trace',
      'validate',
    ],
    types: `
      AttemptOptions CachedKeysOptions CallSchemas CircuitBreakerOptions Codec CompressOptions CompressionAlgorithm
      EncryptOptions HistogramProducer JsonCodecOptions Key KeyAlgorithm KeyAnswer KeyFileOptions KeyProvider KeyScope KeySource KeyState KeyText
      LogRecord LogsOptions MetricsOptions MsgpackModule MsgpackOptions ProtectDirection RecordLogger RecordLoggerProvider RetryBudgetOptions
      RetryOptions SignOptions StandardIssue StandardResult StandardSchema TopicSchemas TraceOptions ValidateOptions
      WorkerHandler WorkerMessage WorkerOptions`
      .trim()
      .split(/\s+/),
  },
  './zeromq': {
    values: ['curveKeyPair', 'startForwarder', 'zeromq'],
    types: `
      CurveAuthorized CurveAuthorizer CurveClientOptions CurveClients CurveDenial CurveKeyPair CurveOptions CurveServerOptions
      Forwarder ForwarderOptions ZeromqOptions ZeromqTransport`
      .trim()
      .split(/\s+/),
  },
  './memory': { values: ['memory', 'memoryHub'], types: ['MemoryHub', 'MemoryOptions'] },
  './telemetry': {
    values: ['histogramProducer', 'startTelemetry'],
    types: `
      CollectedHistogram CollectedHistograms CollectedResource HistogramPoint HistogramProducer HistogramProducerOptions OtlpOptions
      PrometheusOptions Telemetry TelemetryLogger TelemetryOptions`
      .trim()
      .split(/\s+/),
  },
  './testing': { values: ['testBus'], types: ['RecordedMessage', 'TestBus', 'TestBusOptions'] },
};

/** Entry points of another kind: the SDK is started by importing it, and package.json is no module. */
const OTHERS = ['./package.json', './register'];

const exported = (JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { exports: Record<string, unknown> })
  .exports;

/** The source of an entry point. */
function sourceOf(entry: string): string {
  const { default: built } = exported[entry] as { default: string };
  return built.replace('./dist/', `${ROOT}src/`).replace(/\.js$/, '.ts');
}

test('package.json exports these entry points and no others', () => {
  assert.deepEqual(Object.keys(exported).sort(), [...Object.keys(ENTRIES), ...OTHERS].sort());
});

test('each entry point exports these values', async () => {
  for (const [entry, { values }] of Object.entries(ENTRIES)) {
    const module = (await import(sourceOf(entry))) as Record<string, unknown>;
    assert.deepEqual(Object.keys(module).sort(), [...values].sort(), entry);
  }
});

test('each entry point exports these types besides', () => {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const sources = Object.keys(ENTRIES).map(sourceOf);
  const program = ts.createProgram(sources, options);
  const checker = program.getTypeChecker();
  for (const [entry, { values, types }] of Object.entries(ENTRIES)) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(sourceOf(entry))!)!;
    const names = checker.getExportsOfModule(module).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => !values.includes(name)).sort(), [...types].sort(), entry);
  }
});

/** The native modules that importing a source loads, in a process of its own. */
async function nativeModulesOf(source: string): Promise<string[]> {
  const script = `
    const loaded = [];
    const { dlopen } = process;
    process.dlopen = (module, file, ...rest) => { loaded.push(file); return dlopen(module, file, ...rest); };
    await import(${JSON.stringify(source)});
    console.log(JSON.stringify(loaded));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { cwd: ROOT, timeout: 60_000 },
  );
  return JSON.parse(stdout) as string[];
}

test('tracebus/core and tracebus/memory load no native code; tracebus/zeromq does', async () => {
  assert.deepEqual(await nativeModulesOf(sourceOf('./core')), []);
  assert.deepEqual(await nativeModulesOf(sourceOf('./memory')), []);
  const native = await nativeModulesOf(sourceOf('./zeromq'));
  assert.ok(
    native.some((file) => file.includes('zeromq')),
    'else this test could not see it',
  );
});
