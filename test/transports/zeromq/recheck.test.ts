import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Pull, Push, Subscriber, XPublisher } from 'zeromq';
import { recheckReceive } from '../../../src/transports/zeromq/recheck.ts';
import { bounded } from '../conformance/waiting.ts';
import { rawSocket } from './link-spec.ts';

it('a receive that was pending before an inproc connect sees what comes through it', async (t) => {
  const pub = rawSocket(t, new XPublisher({ linger: 0 }));
  pub.bindSync('inproc://recheck-sub');
  const sub = rawSocket(t, new Subscriber({ linger: 0 }));
  sub.subscribe('');
  const receiving = sub.receive();
  sub.connect('inproc://recheck-sub');
  recheckReceive(sub);
  await bounded(pub.receive(), 'the subscription');
  await pub.send('hello');
  assert.equal(String(await bounded(receiving, 'the message')), 'hello');
});

it('may be called at any time and as often as one likes, and sends nothing', async (t) => {
  const pull = rawSocket(t, new Pull({ linger: 0 }));
  pull.bindSync('inproc://recheck-pull');
  const push = rawSocket(t, new Push({ linger: 0 }));
  push.connect('inproc://recheck-pull');
  for (const socket of [pull, push, pull, push]) recheckReceive(socket);
  const receiving = pull.receive();
  recheckReceive(pull);
  await push.send(['one', 'two']);
  assert.deepEqual((await bounded(receiving, 'the message')).map(String), ['one', 'two']);
});
