import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backlog } from '../../../src/transports/zeromq/backlog.ts';

const MIB = 1_048_576;

function after(hwmPackets: number, ...packets: (readonly [count: number, bytes: number])[]): number {
  const backlog = new Backlog(hwmPackets);
  for (const [count, bytes] of packets) for (let index = 0; index < count; index += 1) backlog.add(bytes);
  return backlog.drainMs;
}

describe('the backlog', () => {
  it('needs no time while nothing was taken, and 8 ms for each MiB', () => {
    assert.equal(after(256), 0);
    assert.equal(after(256, [1, MIB]), 8);
    assert.equal(after(256, [200, MIB]), 1600);
  });

  it('is at least what a full queue can hold, and at most half as much again', () => {
    for (let more = 0; more < 300; more += 1) {
      const packets = after(256, [1000 + more, MIB]) / 8;
      assert.ok(packets >= 256 && packets < 384, `${String(packets)} after ${String(1000 + more)}`);
    }
  });

  it('forgets large packets when a full queue cannot hold one any more, not before', () => {
    assert.ok(after(256, [300, MIB], [128, 0]) >= 128 * 8);
    assert.equal(after(256, [300, MIB], [384, 0]), 0);
  });

  it('stays below the least patience for packets of the size that a writer packs to', () => {
    assert.ok(after(256, [1150, 32_768]) < 100);
  });

  it('works with a mark of one packet', () => {
    assert.equal(after(1, [5, MIB]), 16);
  });
});
