/** Conformance: what a publisher does about a subscriber that stands still, beside one that reads. */
import assert from 'node:assert/strict';
import type { PublishSpec, SlowSubscribers, TransportFeatures } from '../../../src/core/transport.ts';
import type { Bench, Conforms } from './bench.ts';
import { accounting } from './packets.ts';
import { fill, Gate, until } from './waiting.ts';

/** Large, so that the buffers of the system are soon full too. */
const FILLING = 'x'.repeat(32 * 1024);

/** More than all the buffers between two processes hold. */
const PLENTY = 3000;

/** A healthy subscriber is never so far behind that its own queue could be full. */
const WINDOW = 16;

export function slowSubscribers(conforms: Conforms, features: TransportFeatures): void {
  for (const policy of features.slowSubscribers) POLICIES[policy](conforms);
}

const POLICIES: Readonly<Record<SlowSubscribers, (conforms: Conforms) => void>> = {
  wait: (conforms) => {
    conforms(
      'slow subscribers, wait: the slowest sets the pace, trySend answers false, nobody loses anything',
      async (bench) => {
        const { publisher, healthy, stuck, gate, packet } = await slowScene(bench, { slowSubscribers: 'wait' });
        const accepted = await fill(publisher.link, packet, PLENTY);
        assert.ok(accepted > 0, 'some fitted into the queues');
        assert.equal(await publisher.link.trySend(packet(accepted), 3_600_000), false, 'however long it has waited');
        gate.open();
        const texts = numbers(accepted);
        for (const { told } of [healthy, stuck]) {
          await until(
            () => told.packets.length >= accepted,
            () => `${accepted} packets, got ${told.packets.length}`,
          );
          assert.deepEqual(indexes(told.texts), texts);
        }
      },
    );
  },
  'leave-behind': (conforms) => {
    conforms(
      'slow subscribers, leave-behind: after the patience it goes on without the stuck one until that has drained',
      async (bench) => {
        const scene = await slowScene(bench, { slowSubscribers: 'leave-behind', patienceMs: 60 });
        const { publisher, healthy, stuck, gate, sendPaced } = scene;
        const behind = () => publisher.told.facts.filter((fact) => fact === 'subscribersLeftBehind').length;
        let sent = 0;
        while (behind() === 0) {
          await sendPaced(sent++);
          assert.ok(sent < PLENTY, 'the stuck subscriber was never left behind');
        }
        const start = performance.now();
        for (let more = 0; more < 50; more++) await sendPaced(sent++);
        const elapsed = performance.now() - start;
        assert.ok(elapsed < 50 * 50, `nobody waits for it any more: 50 packets took ${Math.round(elapsed)} ms`);
        const missed = sent - 1;
        gate.open();
        const isBack = () => Number(indexes(stuck.told.texts).at(-1)) > missed;
        while (!isBack()) {
          await sendPaced(sent++);
          assert.ok(sent < 2 * PLENTY, 'the subscriber never came back after it had drained');
        }
        await until(
          () => healthy.told.packets.length >= sent,
          () => `${sent} packets, got ${healthy.told.packets.length}`,
        );
        assert.deepEqual(indexes(healthy.told.texts), numbers(sent));
        assertOrderedPart(indexes(stuck.told.texts), sent);
      },
    );
  },
  drop: (conforms) => {
    conforms(
      'slow subscribers, drop: trySend never answers false, the stuck one misses packets, the other none',
      async (bench) => {
        const { publisher, healthy, stuck, gate, packet } = await slowScene(bench, { slowSubscribers: 'drop' });
        const sent = 800;
        for (let index = 0; index < sent; index++) {
          assert.equal(await publisher.link.trySend(packet(index), 0), true);
          await until(
            () => healthy.told.packets.length > index - WINDOW,
            () => `the healthy one to keep up at ${index}`,
          );
        }
        await until(
          () => healthy.told.packets.length >= sent,
          () => `${sent} packets, got ${healthy.told.packets.length}`,
        );
        assert.deepEqual(indexes(healthy.told.texts), numbers(sent));
        gate.open();
        // What it missed is gone; what was in the queues arrives. The last sign is a packet that fits again.
        let last = sent;
        while (Number(indexes(stuck.told.texts).at(-1)) < sent) {
          assert.equal(await publisher.link.trySend(packet(last++), 0), true);
          await until(() => healthy.told.packets.length >= last, 'the healthy one to keep up');
          assert.ok(last < PLENTY, 'the stuck subscriber got nothing after it had drained');
        }
        assertOrderedPart(indexes(stuck.told.texts), last);
      },
    );
  },
};

async function slowScene(bench: Bench, options: Partial<PublishSpec>) {
  const publisher = await bench.publisher({ hwmPackets: 32, ...options });
  const { endpoint } = publisher.link;
  const gate = new Gate();
  const choice = { endpoint, patterns: ['a'], hwmPackets: 32 };
  const healthy = await bench.subscriber(choice);
  const stuck = await bench.subscriber({
    ...choice,
    onPacket: ({ topic }) => (topic === 'a' ? gate.opened : undefined),
  });
  for (const { told } of [healthy, stuck]) told.packets.length = 0; // what ready() may have brought
  const packet = (index: number) => publisher.sealer.seal('a', `${index} ${FILLING}`);
  const sendPaced = async (index: number) => {
    await publisher.offer(packet(index));
    await until(
      () => healthy.told.packets.length > index - WINDOW,
      () => `the healthy one to keep up at ${index}`,
    );
  };
  return { publisher, healthy, stuck, gate, packet, sendPaced };
}

function indexes(texts: readonly string[]): string[] {
  return texts.map((text) => text.slice(0, text.indexOf(' ')));
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

function assertOrderedPart(seen: readonly string[], sent: number): void {
  const { lost, duplicated, unexpected } = accounting(numbers(sent), seen);
  assert.ok(lost > 0, 'it missed some');
  assert.deepEqual({ duplicated, unexpected }, { duplicated: 0, unexpected: 0 });
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => Number(a) - Number(b)),
    'in order',
  );
}
