import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodLog } from '../../src/core/flood-log.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { memoryBus, RecordingLogger } from '../support/memory-bus.ts';

function office() {
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const log = new FloodLog(logger, clock);
  const flood = (count: number, kind = 'dropped', level: 'warn' | 'debug' = 'warn'): void => {
    for (let line = 0; line < count; line++) log.write(level, kind, `line ${String(line)}`);
  };
  return { clock, logger, log, flood };
}

test('few lines are written as they come, and no timer is set for them', () => {
  const { clock, logger, flood } = office();
  flood(10);
  assert.equal(logger.lines.length, 10);
  assert.equal(clock.pending, 0);
});

test('of a flood ten lines are written, and a second later how many were left out', () => {
  const { clock, logger, flood } = office();
  flood(25);
  assert.equal(logger.lines.length, 10);
  assert.deepEqual([clock.pending, clock.holding], [1, 0], 'a process does not wait for it');
  clock.advance(1000);
  assert.deepEqual(logger.lines.slice(9), ['warn line 9', 'warn dropped: 15 more line(s) like these were left out']);
  clock.advance(10_000);
  assert.equal(logger.lines.length, 11);
  assert.equal(clock.pending, 0);
});

test('a flood that goes on is told of each second, each kind at its own level', () => {
  const { clock, logger, flood } = office();
  for (let second = 0; second < 3; second++) {
    flood(110);
    flood(12, 'no handler', 'debug');
    clock.advance(1000);
  }
  const summaries = logger.lines.filter((line) => line.includes('left out'));
  assert.deepEqual(summaries.slice(0, 2), [
    'warn dropped: 100 more line(s) like these were left out',
    'debug no handler: 2 more line(s) like these were left out',
  ]);
  assert.equal(summaries.length, 6);
  assert.equal(logger.lines.length, 6 + 3 * 20);
});

test('at the end what was left out is told at once, and no timer stays', () => {
  const { clock, logger, log, flood } = office();
  log.flush();
  flood(11);
  log.flush();
  assert.equal(logger.lines.at(-1), 'warn dropped: 1 more line(s) like these were left out');
  assert.equal(clock.pending, 0);
});

test('what is silent is neither written nor counted', () => {
  const { clock, logger, log } = office();
  for (let line = 0; line < 50; line++) log.write('silent', 'no handler', 'x');
  log.flush();
  assert.deepEqual([logger.lines, clock.pending], [[], 0]);
});

test('a bus limits what it logs of topics nobody handles, in each pattern, counts all, and tells the rest when it closes', async (t) => {
  const { bus, logger } = memoryBus(t, { logLevelNoHandler: 'warn', logLevel: 'warn' });
  bus.subscribe('>');
  bus.pull();
  bus.respond('never');
  await bus.ready();
  for (let index = 0; index < 15; index++) {
    await bus.publish(`unknown.${String(index)}`, index);
    await bus.push('unknown', index);
    await assert.rejects(bus.request('unknown', index), { code: 'NO_HANDLER' });
  }
  await bus.close();
  assert.equal(bus.stats().no_handler, 45);
  assert.deepEqual(logger.lines.slice(30).sort(), [
    'warn no handler (pull): 5 more line(s) like these were left out',
    'warn no handler (respond): 5 more line(s) like these were left out',
    'warn no handler (subscribe): 5 more line(s) like these were left out',
  ]);
});
