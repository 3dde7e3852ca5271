/** Calls whose message leaves before they return: what the rest of the same turn may still do to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { MessageBus } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { codeOf } from '../support/memory-bus.ts';
import { turns } from '../support/fake-clock.ts';
import { until } from '../transports/conformance/waiting.ts';

const TRANSPORTS = [
  { name: 'memory', make: () => memory(), address: 'memory://*' },
  { name: 'zeromq', make: () => zeromq(), address: 'tcp://127.0.0.1:*' },
];

async function pair(t: TestContext, { make, address }: (typeof TRANSPORTS)[number]) {
  const transport = make();
  const far = new MessageBus('far', {
    transport,
    endpoints: { pull: { bind: address }, respond: { bind: address } },
    logLevel: 'silent',
  });
  t.after(() => far.close({ timeoutMs: 0 }));
  const pulled: unknown[] = [];
  const cancelled: string[] = [];
  far.pull('>', ({ body }) => void pulled.push(body));
  far.respond('slow', ({ signal }) => {
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return aborted.then(() => void cancelled.push((signal.reason as { code: string }).code));
  });
  far.respond('echo', ({ body }) => body);
  await far.ready();
  const at = (pattern: string): string =>
    far.describe().links.find((link) => link.pattern === pattern)?.address ?? assert.fail(pattern);
  const near = new MessageBus('near', {
    transport,
    endpoints: { push: { connect: [at('pull')] }, request: { connect: [at('respond')] } },
    failedSocketCooldownMs: 0,
    logLevel: 'silent',
  });
  t.after(() => near.close({ timeoutMs: 0 }));
  await near.push('open', 'open');
  await near.request('echo', 'open');
  await turns(3);
  return { far, near, pulled, cancelled };
}

for (const one of TRANSPORTS) {
  test(`a request that is aborted in the turn of its call is cancelled at the responder, if it has left: ${one.name}`, async (t) => {
    const { near, far, cancelled } = await pair(t, one);
    const caller = new AbortController();
    const call = codeOf(near.request('slow', 1, { signal: caller.signal }));
    caller.abort();
    assert.equal(await call, 'ABORTED');
    await until(() => cancelled.length === 1, 'the cancel');
    assert.deepEqual(cancelled, ['CANCELLED']);
    await until(() => far.stats().in_flight_handlers === 0, 'the handler to end');
    assert.equal(await near.request('echo', 2), 2, 'the next one leaves as ever');
  });

  test(`a request with a deadline of no time and of a millisecond rejects once, and what comes after it leaves: ${one.name}`, async (t) => {
    const { near } = await pair(t, one);
    for (const timeoutMs of [0, 1]) {
      assert.match(String(await codeOf(near.request('slow', 1, { timeoutMs }))), /^(REQUEST|SEND)_TIMEOUT$/);
    }
    assert.equal(await near.request('echo', 3), 3);
    const { request_timeouts, outbound_dropped } = near.metrics();
    assert.equal(request_timeouts + outbound_dropped, 2);
  });

  test(`what was pushed just before close() has left, whether alone or behind it: ${one.name}`, async (t) => {
    const { near, pulled } = await pair(t, one);
    const pushes = [1, 2, 3].map((number) => codeOf(near.push('task', number)));
    await near.close();
    assert.deepEqual(await Promise.all(pushes), ['resolved', 'resolved', 'resolved']);
    await until(() => pulled.length === 4, 'all three');
    assert.deepEqual(pulled, ['open', 1, 2, 3]);
  });

  test(`a handler that pushes and asks while its own reply is made gets both through: ${one.name}`, async (t) => {
    const { near, far, pulled } = await pair(t, one);
    far.respond('chain', async ({ body }) => {
      const [answer] = await Promise.all([near.request('echo', body), near.push('task', body)]);
      return answer;
    });
    assert.deepEqual(await Promise.all([1, 2, 3].map((number) => near.request('chain', number))), [1, 2, 3]);
    await until(() => pulled.length === 4, 'the pushes');
  });
}
