/**
 * `_fail_socket`, its cool-down and the rebuild, for a socket that reports an error. What time-outs do to an endpoint, and the
 * documented differences (a live peer, a bound socket, a peer that connects), are in test/faults/cool-down.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { actor, SpyTransport } from './stage.ts';

const BROKEN = new BusError('TRANSPORT_FAILED', 'the socket broke');

/** Sockets that were opened for a verb. */
const opened = ({ specs }: SpyTransport, of: string): number => specs.filter(({ verb }) => verb === of).length;

for (const verb of ['publish', 'push', 'request'] as const) {
  test(`a ${verb} socket that fails: calls are skipped and counted during the cool-down, then the next one rebuilds it`, async (t) => {
    const clock = new FakeClock();
    const spy = new SpyTransport();
    const { bus, errors } = actor(t, { clock, transport: spy.transport });
    bus.pull('>', () => undefined);
    bus.respond('>', ({ body }) => body);
    const sends = {
      publish: () => bus.publish('a', 1),
      push: () => bus.push('a', 1),
      request: () => bus.request('a', 1),
    };
    const send: () => Promise<unknown> = sends[verb];
    await send();
    spy.specs.find((one) => one.verb === verb)!.spec.events.onFailure(BROKEN);
    await turns();
    assert.deepEqual(errors, [BROKEN]);

    const before = bus.metrics();
    await bounded(assert.rejects(send(), { code: 'COOLING_DOWN', cause: BROKEN, retryable: false }), 'a refusal');
    await clock.pass(9980, 499);
    await bounded(assert.rejects(send(), { code: 'COOLING_DOWN' }), 'a refusal');
    const after = bus.metrics();
    assert.equal(after.outbound_dropped - before.outbound_dropped, 2);
    assert.equal(after.errors - before.errors, 2);
    assert.equal(bus.stats().cooling_down, 1);
    assert.equal(opened(spy, verb), 1);

    await clock.pass(30);
    assert.equal(opened(spy, verb), 1, 'nothing is rebuilt before it is called');
    await send();
    assert.equal(opened(spy, verb), 2);
    assert.equal(bus.stats().cooling_down, 0);
  });
}

for (const verb of ['subscribe', 'pull', 'respond'] as const) {
  test(`a ${verb} socket that fails is rebuilt by itself after the cool-down, as nobody calls it`, async (t) => {
    const clock = new FakeClock();
    const spy = new SpyTransport();
    const { bus, errors } = actor(t, { clock, transport: spy.transport, publish: true });
    const seen: unknown[] = [];
    bus[verb]('a', ({ body }) => void seen.push(body));
    await bus.ready();
    spy.specs.find((one) => one.verb === verb)!.spec.events.onFailure(BROKEN);
    await turns();
    assert.deepEqual(errors, [BROKEN]);
    await clock.pass(9980, 499);
    assert.equal(opened(spy, verb), 1);
    await clock.pass(30);
    await until(() => opened(spy, verb) === 2, 'the new socket');
    await bus.ready();
    if (verb === 'subscribe') await bus.publish('a', 2);
    else if (verb === 'pull') await bus.push('a', 2);
    else await bus.request('a', 2);
    await until(() => seen.length === 1, 'a message through it');
  });
}
