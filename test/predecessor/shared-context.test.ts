/** The FAQ's "several services that share one Context", seen over inproc: its names live in a Context. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Context, Push } from 'zeromq';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { overZeromq } from './stage.ts';

test('by default all buses of a process share one Context, whatever transport object they have', async (t) => {
  const endpoint = 'inproc://shared-by-default';
  const pulling = overZeromq(t, { transport: zeromq(), endpoints: { pull: { bind: endpoint } } });
  const pushing = overZeromq(t, { transport: zeromq(), endpoints: { push: { connect: [endpoint] } } });
  const seen: unknown[] = [];
  pulling.bus.pull('>', ({ body }) => seen.push(body));
  await bounded(pushing.bus.push(1), 'the push');
  await until(() => seen.length === 1, 'the result');
});

test('zeromq({ context }) makes the sockets in a Context of your own', async (t) => {
  const context = new Context();
  const endpoint = 'inproc://in-my-context';
  const transport = zeromq({ context, wire: 'plain' });
  const pulling = overZeromq(t, { transport, endpoints: { pull: { bind: endpoint } } });
  const seen: unknown[] = [];
  pulling.bus.pull('>', ({ body }) => seen.push(body));
  await pulling.bus.ready();
  // A socket that is not of tracebus finds the name only in the same Context.
  const raw = new Push({ context, linger: 0, sendTimeout: 5000 });
  t.after(() => {
    raw.close();
  });
  raw.connect(endpoint);
  await bounded(raw.send('{"from":"outside"}'), 'the raw push');
  await until(() => seen.length === 1, 'the message');
  assert.deepEqual(seen, [{ from: 'outside' }]);
});
