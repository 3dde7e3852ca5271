/** A web service on the bus: a route that asks, a route that publishes, and hooks that start and close the bus with the server. */
import { fastify } from 'fastify';
import { BusError, MessageBus } from 'tracebus';

const bus = new MessageBus('api', {
  endpoints: {
    respond: { bind: 'inproc://api-state' },
    request: { connect: ['inproc://api-state'] },
    publish: { bind: 'inproc://api-events' },
  },
});
const app = fastify();

app.addHook('onReady', async () => {
  bus.respond('state.get', () => ({ state: 'OK', sent: bus.metrics().messages_sent }));
  await bus.ready();
});
app.addHook('onClose', async () => {
  await bus.close();
});

app.get('/state', async (_request, reply) => {
  try {
    return { raw: await bus.request('state.get', { op: 'get_state' }) };
  } catch (error) {
    const code = error instanceof BusError ? error.code : 'INTERNAL';
    return reply.code(code === 'REQUEST_TIMEOUT' ? 504 : 502).send({ error: code });
  }
});
app.post('/orders', async (request, reply) => {
  await bus.publish('order.placed', request.body);
  return reply.code(202).send();
});

const url = await app.listen({ host: '127.0.0.1', port: 0 });
const state: unknown = await (await fetch(`${url}/state`)).json();
console.log('GET /state', JSON.stringify(state));
const order = await fetch(`${url}/orders`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{"article":7}',
});
console.log('POST /orders', order.status);
await app.close();
