import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Intake } from '../../src/core/intake.ts';
import { turns } from '../support/fake-clock.ts';

test('up to the limit messages come in at once; then one waits for another to leave, first come first served', async () => {
  const intake = new Intake(2);
  assert.equal(intake.enter(), undefined);
  assert.equal(intake.full, false);
  assert.equal(intake.enter(), undefined);
  assert.equal(intake.full, true);
  const log: string[] = [];
  const third = intake.enter()!.then(() => log.push('third'));
  const fourth = intake.enter()!.then(() => log.push('fourth'));
  assert.equal(intake.inFlight, 2);
  intake.leave();
  await third;
  assert.deepEqual(log, ['third']);
  assert.equal(intake.inFlight, 2, 'the place went over');
  intake.leave();
  await fourth;
  intake.leave();
  intake.leave();
  assert.equal(intake.inFlight, 0);
});

test('idle() resolves when nothing is being worked on', async () => {
  const intake = new Intake(5);
  await intake.idle();
  void intake.enter();
  void intake.enter();
  let idle = false;
  void intake.idle().then(() => (idle = true));
  intake.leave();
  await turns(1);
  assert.equal(idle, false);
  intake.leave();
  await turns(1);
  assert.equal(idle, true);
});

test('a few in flight need no breather; after a burst reading pauses until they have left or the event loop has turned', async () => {
  const intake = new Intake(1000);
  for (let index = 0; index < 63; index++) void intake.enter();
  assert.equal(intake.breather(), undefined);
  void intake.enter();
  const turned = intake.breather()!;
  let breathed = false;
  void turned.then(() => (breathed = true));
  await Promise.resolve();
  assert.equal(breathed, false);
  await turns(2);
  assert.equal(breathed, true);
  assert.equal(intake.breather(), undefined, 'nothing came since, however many are in flight');
  for (let index = 0; index < 64; index++) void intake.enter();
  const left = intake.breather()!;
  let settled = false;
  void left.then(() => (settled = true));
  for (let index = 0; index < 128; index++) intake.leave();
  await Promise.resolve();
  assert.equal(settled, true, 'at once, not with the next turn');
});

test('a packet of which more is to come in keeps it from being idle', async () => {
  const intake = new Intake(5);
  void intake.enter();
  intake.hold();
  let idle = false;
  void intake.idle().then(() => (idle = true));
  intake.leave();
  await turns(1);
  assert.equal(idle, false);
  assert.equal(intake.inFlight, 0);
  intake.unhold();
  await turns(1);
  assert.equal(idle, true);
});
