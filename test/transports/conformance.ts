/**
 * The one suite that every transport passes: src/core/transport.ts in tests, driven by what a transport declares of itself.
 * Tests of what only some transports can do are there for those alone.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Bench } from './conformance/bench.ts';
import type { Conforms, Subject } from './conformance/bench.ts';
import { lifeCycle } from './conformance/life-cycle.ts';
import { publishSubscribe } from './conformance/publish-subscribe.ts';
import { pushPull } from './conformance/push-pull.ts';
import { requestRespond } from './conformance/request-respond.ts';
import { slowSubscribers } from './conformance/slow-subscribers.ts';

/** Registers the suite; `makeSubject` is called for each test, and once before to see what the transport can do. */
export function conformance(name: string, makeSubject: () => Subject): void {
  const probe = makeSubject();
  const { features } = probe.transport;
  describe(`conformance of ${name}`, () => {
    after(() => probe.dispose?.());
    const conforms: Conforms = (title, run) => {
      it(title, async (t) => {
        const bench = new Bench(makeSubject());
        const failed = await run(bench).then(
          () => undefined,
          (error: unknown) => ({ error }),
        );
        const problems = await bench.close();
        if (failed !== undefined) {
          for (const problem of problems) t.diagnostic(problem);
          throw failed.error;
        }
        assert.deepEqual(problems, [], 'something went wrong beside what the test looks at');
      });
    };
    lifeCycle(conforms, features);
    publishSubscribe(conforms, features);
    slowSubscribers(conforms, features);
    pushPull(conforms, features);
    requestRespond(conforms, features);
  });
}
