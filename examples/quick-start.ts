/** The quick start of the Python MessageBus, line by line: one bus, all three patterns with itself, push before pull. */
import { MessageBus, Ports } from 'tracebus';

const bus = new MessageBus('analytics', {
  hwmOutbound: 2000,
  handlerMaxConcurrency: 20,
  serializer: 'json',
  publish: true, // binds the event port at ready(): subscriber and publisher are one process here
});

// register_handler + subscribe_loop
bus.subscribe(
  'price.tick',
  (message) => {
    console.log('Price update:', message.body);
  },
  { endpoint: Ports.GLOBAL_EVENTS },
);
await bus.ready(); // instead of "sleep(0.1)": from here on nothing is lost

// publish an event
await bus.publish('price.tick', { symbol: 'BTC', price: 43210.5 });

// response_loop
bus.respond('>', () => ({ state: 'OK' }), { endpoint: Ports.STATE_MANAGEMENT });

// request
const response = await bus.request({ op: 'get_state' });
console.log('State response:', response);

// push_result, before anybody pulls: it waits for a puller up to `pushTimeoutMs`
const pushed = bus.push({ task_id: 'abc123', status: 'done' });

// pull_results_loop
const pulled = new Promise<void>((resolve) => {
  bus.pull('>', (message) => {
    console.log('Result:', message.body);
    resolve();
  });
});
await Promise.all([pushed, pulled]);

// cleanup
await bus.close();
