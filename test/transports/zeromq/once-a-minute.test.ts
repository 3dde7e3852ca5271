import assert from 'node:assert/strict';
import { it } from 'node:test';
import { OnceAMinute } from '../../../src/transports/zeromq/once-a-minute.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';

it('logs once for each reason and minute, and says how many were left out', () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new OnceAMinute(clock, {
    debug: () => assert.fail(),
    info: () => assert.fail(),
    error: () => assert.fail(),
    warn: (line: string) => void lines.push(line),
  });
  for (let index = 0; index < 5; index += 1) log.warn('auth', 'denied');
  log.warn('protocol', 'garbage');
  clock.advance(59_999);
  log.warn('auth', 'denied');
  assert.deepEqual(lines, ['denied', 'garbage']);
  clock.advance(1);
  log.warn('auth', 'denied');
  log.warn('auth', 'denied');
  log.warn('protocol', 'garbage');
  assert.deepEqual(lines.slice(2), ['denied (and 5 more like it before)', 'garbage']);
});
