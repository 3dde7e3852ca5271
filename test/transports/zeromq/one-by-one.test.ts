import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Kind } from '../../../src/core/kinds.ts';
import type { SealedRecord } from '../../../src/core/outgoing-packet.ts';
import { OneByOne } from '../../../src/transports/zeromq/one-by-one.ts';
import { Sealer } from '../conformance/packets.ts';

const textOf = (record: SealedRecord): string => Buffer.from(record.payload).toString();
const recordsOf = (...texts: string[]) => new Sealer().seal(undefined, ...texts).records;

/** A socket with room for so many messages. */
function socketWith(room: number) {
  const sent: string[] = [];
  const socket = { room, sent, send: async (record: SealedRecord): Promise<boolean> => take(record) };
  const take = (record: SealedRecord): boolean => {
    if (socket.room === 0) return false;
    socket.room -= 1;
    sent.push(textOf(record));
    return true;
  };
  return socket;
}

describe('one by one', () => {
  it('sends each record as a message of its own, in order', async () => {
    const socket = socketWith(10);
    assert.equal(await new OneByOne().offer(recordsOf('a', 'b', 'c'), socket.send), true);
    assert.deepEqual(socket.sent, ['a', 'b', 'c']);
  });

  it('sends nothing twice when there was no room in the middle', async () => {
    const socket = socketWith(2);
    const plain = new OneByOne();
    const records = recordsOf('a', 'b', 'c', 'd');
    assert.equal(await plain.offer(records, socket.send), false);
    assert.equal(await plain.offer(records, socket.send), false);
    socket.room = 2;
    assert.equal(await plain.offer([...records], socket.send), true);
    assert.deepEqual(socket.sent, ['a', 'b', 'c', 'd']);
    socket.room = 9;
    assert.equal(await plain.offer(records, socket.send), true);
    assert.equal(socket.sent.length, 8, 'a new offer of records that were all taken is a new packet');
  });

  it('passes over what has no plain form', async () => {
    const socket = socketWith(10);
    const kinds: Kind[] = ['message', 'request', 'reply', 'error', 'cancel', 'heartbeat', 'ready'];
    const packet = new Sealer().seal(undefined, ...kinds.map((kind) => ({ kind, payload: kind })));
    assert.equal(await new OneByOne().offer(packet.records, socket.send), true);
    assert.deepEqual(socket.sent, ['message', 'request', 'reply', 'error']);
  });

  it('passes an error on', async () => {
    const send = async (): Promise<boolean> => {
      throw new Error('no');
    };
    await assert.rejects(new OneByOne().offer(recordsOf('a'), send), /no/);
  });
});
