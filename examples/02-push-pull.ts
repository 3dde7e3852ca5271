/** Work is dealt out: each pushed task goes to one of two workers, and `push` resolves when a worker's socket has it. */
import { MessageBus } from 'tracebus';

type Topics = { 'task.resize': { id: number } };

// The producer binds, so that any number of workers can come and go. `inproc` stays inside this process; use tcp or ipc between several.
const endpoint = 'inproc://tasks';
const producer = new MessageBus<Topics>('producer', { endpoints: { push: { bind: endpoint } } });
// Pushed before there is anybody: it waits for a worker, up to `pushTimeoutMs`.
const first = producer.push('task.resize', { id: 0 });

const done: string[] = [];
const workers = ['worker-a', 'worker-b'].map((name) => {
  const worker = new MessageBus<Topics>(name, { endpoints: { pull: { connect: [endpoint] } } });
  // One at a time: what this worker does not take yet stays with the producer, or goes to the other.
  worker.pull('task.*', ({ body }) => void done.push(`${name} ${String(body.id)}`), { concurrency: 1 });
  return worker;
});
await Promise.all(workers.map((worker) => worker.ready()));
await first;

for (let id = 1; id < 100; id++) await producer.push('task.resize', { id });
while (done.length < 100) await new Promise((resolve) => setTimeout(resolve, 5));
const byA = done.filter((entry) => entry.startsWith('worker-a')).length;
console.log(`100 tasks done, each once; both workers had some: ${String(byA > 0 && byA < 100)}`);

await producer.close();
await Promise.all(workers.map((worker) => worker.close()));
