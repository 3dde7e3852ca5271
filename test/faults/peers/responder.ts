/**
 * A responder: `echo` answers with the body, `hold` never answers and says how many it holds when the last of them has come.
 * Arguments: the endpoint to bind, the mode, how many it is to hold.
 */
import { MessageBus } from '../../../src/message-bus.ts';
import { onCommand, say } from './talk.ts';

const [endpoint = 'tcp://127.0.0.1:*', mode = 'echo', most = '0'] = process.argv.slice(2);
const bus = new MessageBus('responder', { endpoints: { respond: { bind: endpoint } } });
let held = 0;
bus.respond('state', ({ body }) => {
  if (mode === 'echo') return body;
  if (++held === Number(most)) say({ held });
  return new Promise(() => {});
});
await bus.ready();
say({ endpoint: bus.describe().links[0]?.address });
onCommand(() => {});
