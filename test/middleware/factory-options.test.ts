import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encode, decode } from '@msgpack/msgpack';
import * as middleware from '../../src/middleware/index.ts';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { memory } from '../../src/transports/memory.ts';
import { importKey } from '../../src/middleware/import-key.ts';

const SECRET = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const signing = importKey({ kid: 's', alg: 'hmac-sha256', secret: SECRET });
const sealing = importKey({ kid: 'e', alg: 'aes-256-gcm', secret: SECRET });
const source = { get: () => Promise.resolve(undefined), current: () => Promise.resolve(undefined) };
const {
  cachedKeys,
  circuitBreaker,
  compress,
  encrypt,
  inWorker,
  jsonCodec,
  keysFromFile,
  logs,
  metrics,
  msgpack,
  retry,
  sign,
  trace,
  validate,
} = middleware;

/** Each factory that takes options: how it is called with them, a misspelt name, and the one that is meant. */
const FACTORIES: readonly (readonly [(options: never) => unknown, wrong: string, meant: string, needed?: object])[] = [
  [(options) => cachedKeys(source, options), 'refreshMS', 'refreshMs'],
  [circuitBreaker, 'failure', 'failures'],
  [compress, 'treshold', 'threshold'],
  [encrypt, 'protects', 'protect', { keys: [sealing] }],
  [histogramProducer, 'share', 'shared'],
  [(options) => inWorker(new URL('file:///work.js'), options), 'maxThread', 'maxThreads'],
  [jsonCodec, 'maxdepth', 'maxDepth'],
  [(options) => keysFromFile('/nowhere', options), 'refresh', 'refreshMs'],
  [logs, 'levl', 'level'],
  [memory, 'hubs', 'hub'],
  [metrics, 'duration', 'durations'],
  [(options) => msgpack({ encode, decode }, options), 'maxDept', 'maxDepth'],
  [retry, 'maxAttempt', 'maxAttempts'],
  [sign, 'maxAge', 'maxAgeMs', { keys: [signing] }],
  [trace, 'filters', 'filter'],
  [(options) => validate({}, options), 'directions', 'direction'],
];

for (const [make, wrong, meant, needed = {}] of FACTORIES) {
  test(`an option \`${wrong}\` is refused with the name that is meant, \`${meant}\``, () => {
    assert.throws(() => make({ ...needed, [wrong]: 1 } as never), {
      name: 'TypeError',
      message: `Unknown option \`${wrong}\`; did you mean \`${meant}\`?`,
    });
    for (const none of [null, 3, 'text', true]) {
      assert.throws(() => make(none as never), {
        name: 'TypeError',
        message: /^Expected `options` to be an object, got /,
      });
    }
  });
}

test('each option of each factory is checked by its type', () => {
  const wrong: readonly (readonly [() => unknown, string])[] = [
    [() => sign({ keys: [signing], now: 5 as never }), 'Expected `now` to be a function, got 5'],
    [
      () => sign({ keys: [signing], direction: 'in' as never }),
      "Expected `direction` to be one of 'both', 'send', 'receive', got \"in\"",
    ],
    [
      () => encrypt({ keys: [sealing], maxSessions: '9' as never }),
      'Expected `maxSessions` to be an integer from 1, got "9"',
    ],
    [() => compress({ allowWithEncrypt: 1 as never }), 'Expected `allowWithEncrypt` to be true or false, got 1'],
    [
      () => compress({ algorithm: 'lz4' as never }),
      "Expected `algorithm` to be one of 'gzip', 'brotli', 'zstd', got \"lz4\"",
    ],
    [
      () => circuitBreaker({ clock: { now: Date.now } as never }),
      'Expected `clock` to be a clock with now, wallUs, setTimeout, clearTimeout, got object',
    ],
    [() => retry({ publish: 'yes' as never }), 'Expected `publish` to be true or false, got "yes"'],
    [() => retry({ random: 0.5 as never }), 'Expected `random` to be a function, got 0.5'],
    [() => retry({ handlers: { tries: 1 } as never }), 'Unknown option `handlers.tries`'],
    [() => retry({ budget: { ration: 1 } as never }), 'Unknown option `budget.ration`; did you mean `budget.ratio`?'],
    [() => retry({ budget: null as never }), 'Expected `budget` to be an object, got null'],
    [() => retry({ budget: true as never }), 'Expected `budget` to be an object, got true'],
    [() => validate(null as never), 'Expected `schemas` to be an object, got null'],
    [() => cachedKeys(null as never), 'Expected `source` to be a source of keys with get, current, got null'],
    [() => cachedKeys(undefined as never), 'Expected `source` to be a source of keys with get, current, got undefined'],
    [() => cachedKeys({} as never), 'Expected `source` to be a source of keys with get, current, got object'],
    [() => cachedKeys(source, { now: 'today' as never }), 'Expected `now` to be a function, got "today"'],
    [
      () => inWorker(new URL('file:///work.js'), { resourceLimits: 8 as never }),
      'Expected `resourceLimits` to be an object, got 8',
    ],
    [() => middleware.keysFromEnvironment('KEYS', null as never), 'Expected `environment` to be an object, got null'],
    [() => middleware.limitConcurrency('3' as never), 'Expected `limit` to be an integer from 1, got "3"'],
  ];
  for (const [make, message] of wrong)
    assert.throws(make, (error: Error) => error.message.startsWith(message), message);
});

test('no factory with options is missing here', () => {
  const index = readFileSync(new URL('../../src/middleware/index.ts', import.meta.url), 'utf8');
  const factories = [...index.matchAll(/export \{ (\w+) \} from '\.\/([a-z-]+)\.ts'/g)].flatMap(([, name, file]) => {
    const source = readFileSync(new URL(`../../src/middleware/${file!}.ts`, import.meta.url), 'utf8');
    return new RegExp(`export function ${name!}\\b[^{]*Options`).test(source) ? [name!] : [];
  });
  const tested = FACTORIES.map(([make]) => make.name || make.toString()).join(' ');
  assert.ok(factories.length >= 12);
  for (const name of factories) assert.match(tested, new RegExp(`\\b${name}\\b`));
});
