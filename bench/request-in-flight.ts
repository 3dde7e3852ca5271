/**
 * Request/respond to one responder process through one socket, over loopback TCP: 100 requests in flight beside lock-step. Rounds alternate; the
 * result is the ratio of the medians. `--rounds N --count N`.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { MessageBus } from 'tracebus';
import { machine, median } from './machine.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, count: { type: 'string', default: '20000' } },
});
const rounds = Number(values.rounds);
const count = Number(values.count);
const IN_FLIGHT = 100;

const file = new URL('./peers/responder.ts', import.meta.url).pathname;
const responder = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['pipe', 'pipe', 'inherit'] });
const first = await createInterface({ input: responder.stdout })[Symbol.asyncIterator]().next();
const { endpoint } = JSON.parse(String(first.value)) as { endpoint: string };
const bus = new MessageBus('bench-requester', { endpoints: { request: { connect: [endpoint] } } });

/** Requests per second with so many in flight; every answer is compared with its question. */
async function rate(inFlight: number, requests: number): Promise<number> {
  let next = 0;
  const started = performance.now();
  const one = async (): Promise<void> => {
    while (next < requests) {
      const question = next++;
      const answer = await bus.request('echo', { question });
      if ((answer as { question: number }).question !== question) throw new Error('a reply reached another caller');
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return (requests / (performance.now() - started)) * 1000;
}

console.log(machine());
console.log(
  `${String(count)} requests with ${String(IN_FLIGHT)} in flight, ${String(count / 10)} in lock-step, ${String(rounds)} rounds`,
);
await rate(IN_FLIGHT, count / 4);
const [many, single]: [number[], number[]] = [[], []];
for (let i = 0; i < rounds; i++) {
  single.push(await rate(1, count / 10));
  many.push(await rate(IN_FLIGHT, count));
  const [a, b] = [single.at(-1) ?? NaN, many.at(-1) ?? NaN];
  console.log(
    `round ${String(i + 1)}: lock-step ${String(Math.round(a))}/s, ${String(IN_FLIGHT)} in flight ${String(Math.round(b))}/s`,
  );
}
console.log(
  `medians: lock-step ${String(Math.round(median(single)))}/s, in flight ${String(Math.round(median(many)))}/s, ratio ${(median(many) / median(single)).toFixed(1)}`,
);
await bus.close();
responder.stdin.end();
