import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { describeIssues, isStandardSchema } from '../../src/middleware/standard-schema.ts';

test('schemas of a library, as objects or functions, are recognised, and nothing else is', () => {
  const callable = Object.assign(() => 1, { '~standard': z.string()['~standard'] });
  const others = [
    undefined,
    null,
    1,
    'text',
    {},
    () => 1,
    { '~standard': {} },
    { '~standard': { version: 2, validate() {} } },
  ];
  assert.deepEqual([z.string(), callable].map(isStandardSchema), [true, true]);
  assert.deepEqual(
    others.map(isStandardSchema),
    others.map(() => false),
  );
});

test('issues are one line with their paths, whatever form a step of a path has', () => {
  const issues = [
    { message: 'expected a number', path: ['bids', 0, { key: 'price' }] },
    { message: 'required', path: [Symbol('at')] },
    { message: 'unknown member' },
    { message: 'top', path: [] },
  ];
  assert.equal(describeIssues(issues), 'bids.0.price: expected a number; Symbol(at): required; unknown member; top');
});

test('many and long issues are cut', () => {
  const text = describeIssues(Array.from({ length: 1000 }, () => ({ message: 'x'.repeat(1000) })));
  assert.ok(text.length < 10 * 210);
  assert.match(text, /; and 990 more$/);
});
