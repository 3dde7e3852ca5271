/** A responder process: answers `echo` at a free port, which it prints; ends when its standard input does. */
import { MessageBus } from 'tracebus';

const bus = new MessageBus('bench-responder', { endpoints: { respond: { bind: 'tcp://127.0.0.1:*' } } });
bus.respond('echo', ({ body }) => body);
await bus.ready();
console.log(JSON.stringify({ endpoint: bus.describe().links[0]?.address }));
await new Promise((resolve) => process.stdin.resume().once('end', resolve));
await bus.close();
