import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Subscriber, XPublisher } from 'zeromq';
import type { SlowSubscribers as Policy } from '../../../src/core/transport.ts';
import { SlowSubscribers } from '../../../src/transports/zeromq/slow-subscribers.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';
import { accounting } from '../conformance/packets.ts';
import { bounded, Gate, pause, until } from '../conformance/waiting.ts';
import { rawSocket } from './link-spec.ts';
import { benchFor } from './subjects.ts';

let names = 0;

/** A publishing socket with one subscriber that reads only when it is told to; over inproc, where queues are as long as asked. */
async function scene(t: TestContext, slowSubscribers: Policy, bytes = 8) {
  const endpoint = `inproc://slow-${String(names++)}`;
  const pub = rawSocket(t, new XPublisher({ linger: 0, sendTimeout: 0, sendHighWaterMark: 4 }));
  const clock = new ManualClock();
  const facts: string[] = [];
  const events = { onFact: (fact: string) => facts.push(fact) };
  const spec = { endpoint, hwmPackets: 4, slowSubscribers, patienceMs: 400, patienceRecoveryMs: 10_000, clock, events };
  const slow = new SlowSubscribers(pub, spec);
  pub.bindSync(endpoint);
  const sub = rawSocket(t, new Subscriber({ linger: 0, receiveTimeout: 0, receiveHighWaterMark: 4 }));
  sub.subscribe('');
  sub.connect(endpoint);
  await bounded(pub.receive(), 'the subscription');
  const frames = [Buffer.alloc(bytes)];
  const offer = (waitedMs: number): Promise<boolean> => slow.offer(frames, waitedMs);
  /** Offers until it has waited so long, as a writer does; the last answer. The ones before must be refusals. */
  const waitUntil = async (waitedMs: number): Promise<boolean> => {
    for (let at = 0; at < waitedMs; at += 10) assert.equal(await offer(at), false, `at ${String(at)} ms`);
    return offer(waitedMs);
  };
  const fill = async (): Promise<number> => {
    for (let taken = 0; taken < 100; taken += 1) if (!(await offer(0))) return taken;
    return assert.fail('it takes everything');
  };
  const drain = async (): Promise<number> => {
    for (let read = 0; ; read += 1) {
      const message = await sub.receive().catch(() => undefined);
      if (message !== undefined) continue;
      // libzmq looks for news from the other side at most about every millisecond.
      for (let turn = 0; turn < 5; turn += 1) await pause();
      return read;
    }
  };
  return { pub, slow, clock, facts, offer, waitUntil, fill, drain };
}

describe('slow subscribers', () => {
  it('wait: a message is refused while anybody is full, however long it was offered', async (t) => {
    const { offer, fill, drain, facts } = await scene(t, 'wait');
    assert.equal(await fill(), 8);
    assert.deepEqual([await offer(399), await offer(1e9)], [false, false]);
    assert.equal(await drain(), 8, 'what was refused is not there');
    assert.equal(await offer(0), true);
    assert.deepEqual(facts, []);
  });

  it('drop: every message is taken, what a full subscriber has no room for is gone', async (t) => {
    const { offer, drain, facts } = await scene(t, 'drop');
    for (let index = 0; index < 50; index += 1) assert.equal(await offer(0), true);
    assert.equal(await drain(), 8);
    assert.deepEqual(facts, []);
  });

  it('leave-behind: waits for the patience, then goes on without those that are full until they have drained', async (t) => {
    const { offer, waitUntil, fill, drain, facts } = await scene(t, 'leave-behind');
    await fill();
    assert.equal(await waitUntil(399), false);
    assert.equal(await offer(400), true);
    assert.deepEqual(facts, ['subscribersLeftBehind']);
    for (let index = 0; index < 50; index += 1) assert.equal(await offer(0), true, 'nobody waits for it');
    assert.equal(await drain(), 8);
    assert.equal(await fill(), 8, 'it is waited for again');
    assert.deepEqual(facts, ['subscribersLeftBehind']);
  });

  it('leave-behind: leaves nobody behind when there is room by the end of the patience', async (t) => {
    const { offer, waitUntil, fill, drain, facts } = await scene(t, 'leave-behind');
    await fill();
    assert.equal(await waitUntil(399), false);
    assert.equal(await drain(), 8);
    assert.equal(await offer(400), true);
    assert.deepEqual(facts, []);
    assert.equal(await drain(), 1, 'that message was for everybody');
  });

  it('leave-behind: the patience halves each time, not below 100 ms, and is back after patienceRecoveryMs', async (t) => {
    const { offer, waitUntil, fill, drain, facts, clock } = await scene(t, 'leave-behind');
    for (const patience of [400, 200, 100, 100, 100]) {
      await fill();
      assert.equal(await waitUntil(patience - 1), false, `before ${String(patience)} ms`);
      assert.equal(await offer(patience), true, `after ${String(patience)} ms`);
      await drain();
      clock.advance(1000);
    }
    clock.advance(8999);
    await fill();
    assert.equal(await waitUntil(99), false);
    clock.advance(1);
    assert.equal(await waitUntil(399), false);
    assert.equal(await offer(400), true);
    assert.equal(facts.length, 6);
  });

  it('leave-behind: a subscriber that is full of large packets is given the time that reading them takes', async (t) => {
    const { offer, waitUntil, fill, drain, facts } = await scene(t, 'leave-behind', 20 * 1_048_576);
    // The backlog is the mark of 4 packets after an even number of them: 80 MiB, and 8 ms for each.
    assert.equal(await fill(), 8);
    assert.equal(await waitUntil(639), false, 'the patience alone was over at 400');
    assert.equal(await drain(), 8);
    assert.equal(await offer(640), true);
    assert.deepEqual(facts, []);
    assert.equal(await fill(), 7);
    assert.equal(await waitUntil(639), false);
    assert.equal(await offer(640), true, 'it is stuck');
    assert.deepEqual(facts, ['subscribersLeftBehind']);
  });

  it('leave-behind: a stall of the publishing process is not waiting', async (t) => {
    const { offer, fill, facts } = await scene(t, 'leave-behind');
    await fill();
    assert.deepEqual([await offer(1), await offer(5000), await offer(10_000)], [false, false, false]);
    for (let at = 10_010; at <= 10_370; at += 10) assert.equal(await offer(at), false, `at ${String(at)} ms`);
    assert.equal(await offer(10_380), true);
    assert.equal(facts.length, 1);
  });

  it('leave-behind: a message that was given up does not count for the next one', async (t) => {
    const { offer, waitUntil, fill } = await scene(t, 'leave-behind');
    await fill();
    assert.equal(await waitUntil(390), false);
    assert.equal(await waitUntil(399), false);
    assert.equal(await offer(400), true);
  });

  it('leave-behind: keeps the untrue warning of the binding from the user, and no other', async (t) => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => {
      warnings.push(warning.message);
    };
    process.on('warning', listen);
    t.after(() => process.off('warning', listen));
    const before = Object.getOwnPropertyDescriptor(process, 'emitWarning');
    const { fill, waitUntil, facts } = await scene(t, 'leave-behind');
    await fill();
    await waitUntil(400);
    assert.deepEqual(facts, ['subscribersLeftBehind']);
    assert.deepEqual(Object.getOwnPropertyDescriptor(process, 'emitWarning'), before);
    process.emitWarning('another one');
    await until(() => warnings.length > 0, 'the other warning');
    assert.deepEqual(warnings, ['another one']);
  });

  it('leave-behind: beside a stuck subscriber one that pauses 30 ms now and then loses nothing', async (t) => {
    const bench = benchFor(t, 'tcp');
    const policy = { slowSubscribers: 'leave-behind', patienceMs: 800, hwmPackets: 256, closeLingerMs: 0 } as const;
    const publisher = await bench.publisher(policy);
    const { endpoint } = publisher.link;
    const gate = new Gate();
    const stuck = await bench.subscriber({ endpoint, patterns: ['a'], onPacket: () => gate.opened });
    const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
    let packets = 0;
    const healthy = await bench.subscriber({
      endpoint,
      patterns: ['a'],
      hwmPackets: 256,
      onPacket: () => (++packets % 500 === 0 ? rest() : undefined),
    });
    const filling = 'x'.repeat(16_384);
    const sent = Array.from({ length: 3000 }, (_, index) => `${String(index)} ${filling}`);
    for (const text of sent) await publisher.publish('a', text);
    await until(() => healthy.told.packets.length >= sent.length, 'the healthy one to have it all');
    assert.deepEqual(accounting(sent, healthy.told.texts), {
      accepted: 3000,
      seen: 3000,
      lost: 0,
      duplicated: 0,
      unexpected: 0,
    });
    assert.ok(publisher.told.facts.includes('subscribersLeftBehind'));
    assert.ok(stuck.told.packets.length < 3000);
    gate.open();
  });
});
