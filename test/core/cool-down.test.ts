import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoolDown } from '../../src/core/cool-down.ts';
import { BusError } from '../../src/core/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('a call fails at once for as long as the window lasts, with the remaining time and the cause', () => {
  const clock = new FakeClock();
  const coolDown = new CoolDown(clock, 10_000);
  coolDown.check('t', 'tcp://x');
  const cause = new Error('refused');
  coolDown.open(cause);
  clock.advance(4000);
  assert.equal(coolDown.active, true);
  assert.equal(coolDown.remainingMs, 6000);
  assert.throws(
    () => coolDown.check('price.tick', 'tcp://127.0.0.1:5557'),
    (error) => {
      assert.ok(error instanceof BusError);
      assert.equal(error.code, 'COOLING_DOWN');
      assert.equal(error.retryable, false);
      assert.equal(error.cause, cause);
      assert.equal(error.topic, 'price.tick');
      assert.equal(error.endpoint, 'tcp://127.0.0.1:5557');
      assert.match(error.message, /left alone for another 6000 ms.*limit 10000 ms.*failedSocketCooldownMs/);
      return true;
    },
  );
  clock.advance(6000);
  assert.equal(coolDown.active, false);
  assert.equal(coolDown.remainingMs, 0);
  coolDown.check('t', 'tcp://x');
});

test('another failure begins the window anew; the end of it ends everything', () => {
  const clock = new FakeClock();
  const coolDown = new CoolDown(clock, 100);
  coolDown.open(1);
  clock.advance(90);
  coolDown.open(2);
  clock.advance(90);
  assert.equal(coolDown.active, true);
  coolDown.end();
  assert.equal(coolDown.active, false);
  assert.equal(coolDown.remainingMs, 0);
});

test('a window of 0 never blocks a call', () => {
  const coolDown = new CoolDown(new FakeClock(), 0);
  coolDown.open(new Error('x'));
  assert.equal(coolDown.active, false);
  coolDown.check('t', 'tcp://x');
});
