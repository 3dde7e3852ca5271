import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { EventType } from 'zeromq';
import { PeerCount } from '../../../src/transports/zeromq/peer-count.ts';

function peersAfter(mode: 'bind' | 'connect', events: readonly EventType[]): number[] {
  const count = new PeerCount(mode);
  return events.map((event) => {
    count.onEvent(event);
    return count.peers;
  });
}

it('counts a connection as a peer from its handshake to its end', () => {
  assert.deepEqual(peersAfter('bind', ['accept', 'handshake', 'accept', 'handshake', 'disconnect']), [0, 1, 1, 2, 1]);
  assert.deepEqual(peersAfter('connect', ['connect:delay', 'connect', 'handshake', 'disconnect']), [0, 0, 1, 0]);
});

it('takes the one without a handshake for the one that left, and corrects a wrong guess', () => {
  // A peer is there, a port scanner comes and goes.
  assert.deepEqual(peersAfter('bind', ['accept', 'handshake', 'accept', 'disconnect']), [0, 1, 1, 1]);
  // The peer left while the scanner stayed: wrong until the scanner ends.
  assert.deepEqual(peersAfter('bind', ['accept', 'handshake', 'accept', 'disconnect', 'disconnect']), [0, 1, 1, 1, 0]);
  // The peer left, and the other turned out to be a peer too.
  assert.deepEqual(peersAfter('bind', ['accept', 'handshake', 'accept', 'disconnect', 'handshake']), [0, 1, 1, 1, 1]);
});

it('never falls below zero', () => {
  assert.deepEqual(peersAfter('bind', ['disconnect', 'accept', 'handshake']), [0, 0, 1]);
});

it('says by how much the number changed, also when everything is given up', () => {
  const count = new PeerCount('connect');
  assert.deepEqual(
    [count.onEvent('connect'), count.onEvent('handshake'), count.reset(), count.reset()].map(Number),
    [0, 1, -1, 0],
  );
});
