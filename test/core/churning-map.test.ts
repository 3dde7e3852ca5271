import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChurningMap } from '../../src/core/churning-map.ts';

test('holds what a Map holds, whatever is set and deleted, keys of one row and short ones among them', () => {
  const key = fc.oneof(fc.constantFrom('', 'a', 'ab', 'xyz', '1xyz', '2xyz', '3xyz'), fc.string({ maxLength: 4 }));
  const step = fc.tuple(fc.constantFrom('set', 'delete'), key, fc.nat());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [map, model] = [new ChurningMap<number>(), new Map<string, number>()];
      for (const [what, name, value] of steps) {
        if (what === 'set') {
          map.set(name, value);
          model.set(name, value);
        } else {
          map.delete(name);
          model.delete(name);
        }
        assert.equal(map.size, model.size);
        assert.equal(map.get(name), model.get(name));
      }
      for (const [name, value] of model) assert.equal(map.get(name), value);
      assert.deepEqual(map.values().sort(), [...model.values()].sort());
    }),
  );
});
