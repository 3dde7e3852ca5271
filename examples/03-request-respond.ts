/** Questions and answers: any number at once, errors with a code, time-outs that reach the handler. */
import { BusError, MessageBus } from 'tracebus';
import type { Call } from 'tracebus';

// Plain types name the topics: `bus.request('stat.get', ...)` would not compile.
type Topics = {
  'state.get': Call<{ key: string }, { key: string; value: number }>;
  'state.slow': Call<null, string>;
};

const state = new Map([['answer', 42]]);
const endpoint = 'inproc://state';
const server = new MessageBus<Topics>('state', { endpoints: { respond: { bind: endpoint } } });
server.respond('state.get', ({ body }) => {
  const value = state.get(body.key);
  if (value === undefined) throw Object.assign(new Error(`no key ${body.key}`), { code: 'NO_KEY' });
  return { key: body.key, value };
});
server.respond('state.slow', ({ signal }) => {
  return new Promise<string>((resolve) => {
    // The caller's time-out, its abort and its death all arrive here.
    signal.addEventListener('abort', () => {
      console.log('handler was told to stop');
      resolve('too late');
    });
  });
});
await server.ready();

const client = new MessageBus<Topics>('client', { endpoints: { request: { connect: [endpoint] } } });
const answers = await Promise.all([1, 2, 3].map(() => client.request('state.get', { key: 'answer' })));
console.log(answers);

for (const call of [
  client.request('state.get', { key: 'nothing' }),
  client.request('state.slow', null, { timeoutMs: 50 }),
]) {
  await call.catch((error: unknown) => {
    if (error instanceof BusError) console.log(error.code, error.remoteCode ?? '');
  });
}
await client.close();
await server.close();
