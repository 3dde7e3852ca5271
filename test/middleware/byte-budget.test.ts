import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteBudget } from '../../src/middleware/byte-budget.ts';

describe('a byte budget', () => {
  it('starts at once what fits, and the others in line as room is made', async () => {
    const budget = new ByteBudget(10);
    const [a, b, c, d] = [{ bytes: 0 }, { bytes: 0 }, { bytes: 0 }, { bytes: 0 }];
    const log: string[] = [];
    const start = (name: string) => (): string => {
      log.push(name);
      return name;
    };
    assert.equal(budget.grow(a, 6, start('a')), 'a');
    const waiting = [budget.grow(b, 8, start('b')), budget.grow(c, 1, start('c')), budget.grow(d, 2, start('d'))];
    assert.deepEqual(log, ['a'], 'c would fit, and is behind b');
    budget.shrink(a, 3);
    assert.deepEqual(log, ['a']);
    budget.shrink(a, 0);
    assert.deepEqual(log, ['a', 'b', 'c'], 'inside of the call');
    budget.shrink(b, 2);
    assert.deepEqual(log, ['a', 'b', 'c', 'd']);
    assert.deepEqual(await Promise.all(waiting.map((one) => Promise.resolve(one))), ['b', 'c', 'd']);
  });

  it('puts one that needs more before those who hold nothing, also when it finds out as it starts', async () => {
    const budget = new ByteBudget(10);
    const [a, b, c] = [{ bytes: 0 }, { bytes: 0 }, { bytes: 0 }];
    const log: string[] = [];
    await budget.grow(a, 9, () => log.push('a'));
    const more = budget.grow(b, 1, () => {
      log.push('b');
      return budget.grow(b, 10, () => log.push('b again'));
    });
    const last = budget.grow(c, 1, () => log.push('c'));
    budget.shrink(a, 8);
    budget.shrink(a, 1);
    assert.deepEqual(log, ['a', 'b'], 'c would fit');
    budget.shrink(a, 0);
    assert.deepEqual(log, ['a', 'b', 'b again']);
    await more;
    budget.shrink(b, 0);
    await last;
    assert.deepEqual(log, ['a', 'b', 'b again', 'c']);
  });

  it('rejects with what a start throws that had to wait, and throws it at once otherwise', async () => {
    const budget = new ByteBudget(1);
    const [a, b] = [{ bytes: 0 }, { bytes: 0 }];
    const fail = (): never => {
      throw new Error('no');
    };
    assert.throws(() => budget.grow(a, 1, fail), { message: 'no' });
    const waiting = budget.grow(b, 1, fail);
    budget.shrink(a, 0);
    await assert.rejects(Promise.resolve(waiting), { message: 'no' });
  });
});
