import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Peer } from '../../../src/core/transport.ts';
import { PeerTable } from '../../../src/transports/zeromq/peer-table.ts';
import type { PeerTableOptions } from '../../../src/transports/zeromq/peer-table.ts';

function tableOf(options: Partial<PeerTableOptions<Peer>> = {}) {
  const forgotten: string[] = [];
  const clock = { now: 0 };
  const table = new PeerTable<Peer>({
    now: () => clock.now,
    onForgotten: ({ id }) => forgotten.push(id),
    ...options,
  });
  const hear = (id: string): Peer => table.heard(id, (made) => ({ id: made, trySend: () => true }));
  return { table, forgotten, clock, hear };
}

describe('peer table', () => {
  it('answers with the same object for the same peer until it is forgotten', () => {
    const { table, forgotten, hear } = tableOf();
    const a = hear('a');
    const b = hear('b');
    assert.notEqual(a, b);
    assert.deepEqual([hear('a'), hear('b'), hear('b'), hear('a')], [a, b, b, a]);
    assert.equal(table.get('a'), a);
    table.forget(a);
    assert.deepEqual([table.size, table.get('a'), forgotten], [1, undefined, ['a']]);
    assert.notEqual(hear('a'), a);
    table.forget(a);
    assert.deepEqual([table.size, forgotten], [2, ['a']], 'the one of old is not the one that is known now');
  });

  it('forgets the one that was silent longest when there are more than `maxPeers`', () => {
    const { table, forgotten, hear } = tableOf({ maxPeers: 3 });
    for (const id of ['a', 'b', 'c', 'a', 'd', 'e']) hear(id);
    assert.deepEqual(forgotten, ['b', 'c']);
    assert.equal(table.size, 3);
  });

  it('forgets those that were silent longer than `idleMs` when somebody new comes', () => {
    const { forgotten, clock, hear } = tableOf({ idleMs: 1000 });
    hear('a');
    hear('b');
    clock.now = 900;
    hear('a');
    clock.now = 1500;
    hear('a');
    assert.deepEqual(forgotten, [], 'nobody new has come');
    clock.now = 1600;
    hear('c');
    assert.deepEqual(forgotten, ['b']);
    clock.now = 2501;
    hear('d');
    assert.deepEqual(forgotten, ['b', 'a']);
  });

  it('keeps ten thousand peers, each for an hour, unless told otherwise', () => {
    const { table, forgotten, clock, hear } = tableOf();
    for (let index = 0; index < 10_001; index++) hear(String(index));
    assert.deepEqual([table.size, forgotten], [10_000, ['0']]);
    clock.now = 3_600_001;
    hear('late');
    assert.equal(table.size, 1);
  });
});
