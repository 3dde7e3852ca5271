import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Liveness, LONGEST_BEAT_MS, toldInterval } from '../../../src/transports/zeromq/liveness.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';

function watched(options: { listening?: () => boolean; random?: number } = {}) {
  const { listening = () => true, random = 0 } = options;
  const clock = new ManualClock();
  const at: number[] = [];
  let beats = 0;
  const liveness = new Liveness({
    clock,
    heartbeatMs: 1000,
    random: () => random,
    listening,
    reconnect: () => at.push(beats),
  });
  liveness.start();
  const beat = (times: number): void => {
    for (let index = 0; index < times; index += 1) {
      beats += 1;
      clock.advance(1000);
    }
  };
  return { clock, liveness, at, beat };
}

it('reconnects after four beats without anything, if something was heard before', () => {
  const { liveness, at, beat } = watched();
  beat(50);
  assert.deepEqual(at, [], 'a publisher without heartbeats is no dead one');
  liveness.heard();
  beat(3);
  liveness.heard();
  beat(3);
  assert.deepEqual(at, []);
  beat(1);
  assert.deepEqual(at, [57]);
});

it('tries again at growing, jittered intervals, and starts over when something is heard', () => {
  const { liveness, at, beat } = watched();
  liveness.heard();
  beat(200);
  const intervals = at.map((beats, index) => beats - (at[index - 1] ?? 0));
  assert.deepEqual(intervals.slice(0, 7), [4, 8, 12, 20, 36, 36, 36]);
  liveness.heard();
  const before = at.length;
  beat(4);
  assert.equal(at.length, before + 1);

  const late = watched({ random: 1 });
  late.liveness.heard();
  late.beat(300);
  assert.deepEqual(
    late.at.slice(0, 6).map((beats, index) => beats - (late.at[index - 1] ?? 0)),
    [4, 12, 20, 36, 68, 68],
  );
});

it('counts no beat in which nothing could be heard, and one beat for however long a pause of the process', () => {
  let listening = true;
  const { clock, liveness, at, beat } = watched({ listening: () => listening });
  liveness.heard();
  beat(3);
  listening = false;
  beat(20);
  assert.deepEqual(at, []);
  listening = true;
  liveness.heard();
  clock.advance(60_000);
  assert.deepEqual(at, []);
});

it('leaves no timer when it is stopped', () => {
  const { clock, liveness, beat } = watched();
  beat(2);
  assert.equal(clock.pending, 1);
  liveness.stop();
  assert.equal(clock.pending, 0);
});

it('goes by the longest interval that a heartbeat has told, when that is more than its own', () => {
  const { clock, liveness, at, beat } = watched();
  liveness.heard(3000);
  beat(1);
  // From the second beat on each is three times as long.
  beat(8);
  assert.deepEqual(at, [], 'four of its own beats are over twice');
  liveness.heard(100);
  beat(9);
  assert.deepEqual(at, [], 'a shorter one changes nothing');
  clock.advance(1000);
  assert.equal(at.length, 1, 'four long beats are over');
});

it('reads the interval that a heartbeat tells, and nothing else', () => {
  const told = (payload: unknown): number | undefined =>
    toldInterval(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)));
  assert.equal(told({ id: 'x', ms: 250, streams: [] }), 250);
  for (const wrong of [{}, { ms: 0 }, { ms: -1 }, { ms: '9' }, { ms: null }, [], 'null', 'no JSON', '']) {
    assert.equal(told(wrong), undefined, JSON.stringify(wrong));
  }
  assert.equal(toldInterval(undefined), undefined);
  for (const far of [60_001, 2 ** 31, 1e300]) assert.equal(told({ ms: far }), LONGEST_BEAT_MS, 'nobody is silenced');
  assert.equal(told('{"ms":1e999}'), LONGEST_BEAT_MS);
});
