import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PacketError } from '../../src/core/packet-error.ts';
import { topicNameAt } from '../../src/core/topic-names.ts';

const at = (text: string | Uint8Array): string => {
  const bytes = Buffer.from(text);
  return topicNameAt(Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]), 6, 6 + bytes.length);
};

it('reads a topic, and gives the same text for the same bytes', () => {
  assert.equal(at('price.tick'), 'price.tick');
  assert.equal(at('größe.€'), 'größe.€');
  assert.equal(at('price.tick'), 'price.tick');
});

it('is not taken in by topics with the same hash', () => {
  // Known collisions of FNV-1a with 32 bits.
  const pairs: [string, string][] = [['costarring', 'liquid'], ['declinate', 'macallums'], ['altarage', 'zinke']]; // prettier-ignore
  for (const pair of pairs) {
    for (const topic of [...pair, ...pair, pair[0]]) assert.equal(at(topic), topic);
  }
});

it('keeps nothing of the packet that it read', () => {
  const packet = Buffer.from('kept.topic');
  assert.equal(topicNameAt(packet, 0, packet.length), 'kept.topic');
  packet.fill('x');
  assert.equal(at('kept.topic'), 'kept.topic');
  assert.equal(topicNameAt(packet, 0, packet.length), 'xxxxxxxxxx');
});

it('reads more topics than it keeps', () => {
  const topics = Array.from({ length: 25_000 }, (_, index) => `many.${String(index)}`);
  for (const topic of [...topics, ...topics.slice(0, 100)]) assert.equal(at(topic), topic);
});

it('refuses what users may not publish to, again and again', () => {
  const refused = ['', '_tb.heartbeat', 'a..b', 'a\0', '*', Buffer.from([0xc3])];
  for (const topic of [...refused, ...refused]) {
    assert.throws(
      () => at(topic),
      (error) => error instanceof PacketError && error.reason === 'topic',
    );
  }
});
