import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JaegerSpan, JaegerTrace } from '../../../scripts/backends/jaeger-api.ts';
import { waterfall } from '../../../scripts/pictures/waterfall.ts';

function span(spanID: string, parent: string | undefined, startTime: number, duration: number): JaegerSpan {
  const references = parent === undefined ? [] : [{ refType: 'FOLLOWS_FROM', traceID: 't', spanID: parent } as const];
  const tags = [{ key: 'span.kind', value: 'consumer' }];
  return {
    traceID: 't',
    spanID,
    operationName: `do ${spanID}`,
    references,
    startTime,
    duration,
    tags,
    logs: [],
    processID: spanID,
  };
}

function trace(...spans: JaegerSpan[]): JaegerTrace {
  const processes = Object.fromEntries(spans.map(({ spanID }) => [spanID, { serviceName: `<${spanID}>` }]));
  return { traceID: 't', spans, processes };
}

test('rows stand below their parents, in the order of their start, with service, kind, name and duration', () => {
  const picture = waterfall(
    trace(span('c', 'a', 300, 50), span('a', undefined, 100, 1500), span('b', 'a', 200, 25)),
    'A trace',
  );
  const titles = [...picture.matchAll(/<g>\n<title>(.*)<\/title>/g)].map(([, title]) => title);
  assert.deepEqual(titles, [
    '&#60;a&#62;: CONSUMER do a, 1.5 ms',
    '&#60;b&#62;: CONSUMER do b, 25 µs',
    '&#60;c&#62;: CONSUMER do c, 50 µs',
  ]);
});

test('a bar is where its span was in time', () => {
  const picture = waterfall(trace(span('a', undefined, 1000, 400), span('b', 'a', 1100, 200)), 'A trace');
  const bars = [...picture.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="16"/g)].map(
    ([, x, width]) => [Number(x), Number(width)],
  );
  const [[x = 0, width = 0] = [], [childX = 0, childWidth = 0] = []] = bars;
  assert.ok(Math.abs(childX - (x + width / 4)) < 0.02, JSON.stringify(bars));
  assert.ok(Math.abs(childWidth - width / 2) < 0.02, JSON.stringify(bars));
});

test('a span whose parent is not there stands on its own', () => {
  const picture = waterfall(trace(span('a', 'elsewhere', 1, 1)), 'A trace');
  assert.match(picture, /CONSUMER do a, 1 µs/);
});

test('it has a title and a description for those who cannot see it, and both colour schemes', () => {
  const picture = waterfall(trace(span('a', undefined, 1, 1)), 'Trace & "quotes"');
  assert.match(picture, /^<svg [^>]*role="img" aria-labelledby="title description">/);
  assert.match(picture, /<title id="title">Trace &#38; &#34;quotes&#34;<\/title>/);
  assert.match(picture, /<desc id="description">&#60;a&#62; CONSUMER do a 1 µs<\/desc>/);
  assert.match(picture, /prefers-color-scheme:dark/);
});

test('a trace without spans is an error', () => {
  assert.throws(() => waterfall(trace(), 'Nothing'), /Expected a trace with spans/);
});
