/** Sees rejections that nobody looks at: each would end a process. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { turns } from './fake-clock.ts';

/** Fails the test when a promise rejects unobserved until it ends. */
export function forbidUnhandledRejections(t: TestContext): void {
  const seen: unknown[] = [];
  const note = (reason: unknown): void => void seen.push(reason);
  process.on('unhandledRejection', note);
  t.after(async () => {
    await turns();
    process.off('unhandledRejection', note);
    assert.deepEqual(seen, [], 'nothing may reject unobserved');
  });
}
