/** Every kind of row that needs no program from outside, once and briefly: that it works and loses nothing, not how fast it is. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Load } from '../../bench/load.ts';
import { Outside } from '../../bench/outside/needs.ts';
import { playRound } from '../../bench/round.ts';
import { rowOf } from '../../bench/rows.ts';
import type { RowId } from '../../bench/rows.ts';
import { workloadOf } from '../../bench/workloads.ts';
import type { WorkloadId } from '../../bench/workloads.ts';

const TIMING = { warmUpMs: 10, runMs: 40 };
const KINDS: readonly (readonly [WorkloadId, RowId, Partial<Load>?])[] = [
  ['publish-100b', 'raw'],
  ['publish-100b', 'raw-one-frame'],
  ['publish-64kb', 'raw'],
  ['publish-64kb', 'tracebus'],
  ['publish-1000-topics', 'order-topic'],
  ['push-100b', 'raw'],
  ['push-100b', 'pack-200'],
  ['request-lock-step', 'req-rep'],
  ['request-100-in-flight', 'dealer-router'],
  ['request-100-in-flight', '1%'],
  ['idle-to-first', 'tracebus'],
  ['middleware', 'middleware-5', { receivers: 2 }],
];

/** Starting processes takes the time here, not what they do. */
const AT_ONCE = 3;

const outside = new Outside();
after(() => outside.stop());

describe('the row runs and loses nothing:', { concurrency: AT_ONCE }, () => {
  for (const [workload, id, more] of KINDS) {
    test(`${workload}/${id}`, async () => {
      const { load } = workloadOf(workload);
      const row = rowOf(id);
      const { rate, count, send, receive, latency } = await playRound(
        row,
        { ...load, ...row.load, ...more },
        TIMING,
        outside,
      );
      assert.ok(count > 0 && rate > 0 && send.cpuUs > 0 && receive.cpuUs > 0, JSON.stringify({ count, rate }));
      assert.equal(latency !== undefined, load.pattern === 'request' || load.idleMs > 0);
    });
  }
});

test('every span of a fully sampled row reaches the OTLP sink or is reported as dropped', async () => {
  assert.equal(await outside.get('otlp-sink'), undefined);
  const { load } = workloadOf('publish-100b');
  const round = await playRound(rowOf('100%-otlp'), { ...load, idleMs: 1 }, TIMING, outside);
  assert.equal(round.spansDropped, 0); // so few that nothing has to be dropped
});

test('what a peer refuses to do ends the round with its reason, and its processes', async () => {
  const row = { ...rowOf('raw'), system: 'grpc' };
  const { load } = workloadOf('publish-100b');
  await assert.rejects(playRound(row, load, TIMING, outside), /ended early|cannot/);
});
