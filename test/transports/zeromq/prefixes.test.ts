import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HAND_OVER_MS, Prefixes } from '../../../src/transports/zeromq/prefixes.ts';
import { HEARTBEAT_PREFIX } from '../../../src/transports/zeromq/subscription-table.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';

/** Prefixes of a socket that only remembers what it was told: `+a` and `-a`. */
function prefixesFor({ handOverMs = HAND_OVER_MS } = {}) {
  const clock = new ManualClock();
  const told: string[] = [];
  const socket = {
    closed: false,
    subscribe: (prefix: string) => void told.push(`+${prefix}`),
    unsubscribe: (prefix: string) => void told.push(`-${prefix}`),
  };
  return { clock, socket, prefixes: new Prefixes(socket, clock, handOverMs), take: () => told.splice(0) };
}

it('tells of a prefix once, and of its end when nobody needs it any more', () => {
  const { prefixes, take, clock } = prefixesFor();
  prefixes.begin('a.');
  prefixes.begin('a.');
  prefixes.end('a.');
  assert.deepEqual(take(), ['+a.']);
  prefixes.end('a.');
  prefixes.end('a.');
  prefixes.end('b.');
  assert.deepEqual(take(), ['-a.']);
  assert.equal(clock.pending, 0);
});

it('keeps a prefix until the longer one that takes its place has been there for a while', () => {
  const { prefixes, take, clock } = prefixesFor();
  prefixes.begin('');
  clock.advance(5000);
  prefixes.begin('a.');
  clock.advance(300);
  prefixes.end('');
  clock.advance(HAND_OVER_MS - 301);
  assert.deepEqual(take(), ['+', '+a.']);
  clock.advance(1);
  assert.deepEqual(take(), ['-']);
  assert.equal(clock.pending, 0);
});

it('keeps it longer when another longer one begins meanwhile, and for good when it is needed again', () => {
  const { prefixes, take, clock } = prefixesFor();
  for (const prefix of ['a.', 'a.b.']) prefixes.begin(prefix);
  prefixes.end('a.');
  clock.advance(HAND_OVER_MS - 1);
  prefixes.begin('a.c\0');
  clock.advance(HAND_OVER_MS - 1);
  assert.deepEqual(take(), ['+a.', '+a.b.', '+a.c\0']);
  prefixes.begin('a.');
  clock.advance(HAND_OVER_MS);
  assert.deepEqual(take(), []);
  prefixes.end('a.');
  assert.deepEqual(take(), ['-a.'], 'all longer ones are old by then');
});

it('ends at once where no longer one is new, is needed, or is of users', () => {
  const { prefixes, take, clock } = prefixesFor();
  for (const prefix of ['a.', 'a.b\0', 'x.', 'x.y.', 'z.']) prefixes.begin(prefix);
  prefixes.end('a.b\0');
  prefixes.end('a.');
  prefixes.end('z.');
  prefixes.end('x.y.');
  prefixes.end('x.');
  prefixes.begin('');
  prefixes.begin(HEARTBEAT_PREFIX);
  prefixes.end('');
  assert.deepEqual(take().slice(5), ['-a.b\0', '-a.', '-z.', '-x.y.', '-x.', '+', `+${HEARTBEAT_PREFIX}`, '-']);
  assert.equal(clock.pending, 0);
});

it('ends at once where publishers send by topic alone', () => {
  const { prefixes, take } = prefixesFor({ handOverMs: 0 });
  for (const prefix of ['', 'a']) prefixes.begin(prefix);
  prefixes.end('');
  assert.deepEqual(take(), ['+', '+a', '-']);
});

it('leaves no timer and a closed socket alone', () => {
  const { prefixes, take, clock, socket } = prefixesFor();
  for (const prefix of ['', 'a.']) prefixes.begin(prefix);
  prefixes.end('');
  assert.equal(clock.pending, 1);
  prefixes.stop();
  assert.equal(clock.pending, 0);
  socket.closed = true;
  prefixes.begin('b.');
  prefixes.end('b.');
  assert.deepEqual(take(), ['+', '+a.']);
});
