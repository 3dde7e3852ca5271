/**
 * A publisher that does as it is told: `{ publish: [topic, ...], body }` publishes the body once on each topic and says nothing,
 * `{ stats: true }` says what it counted. Argument: the endpoint to bind.
 */
import { MessageBus } from '../../../src/message-bus.ts';
import { onCommand, say } from './talk.ts';

const bus = new MessageBus('publisher', {
  endpoints: { publish: { bind: process.argv[2] ?? 'tcp://127.0.0.1:*' } },
  heartbeatMs: 100,
});
await bus.ready();
say({ endpoint: bus.describe().links[0]?.address });

onCommand(async ({ publish: topics, body }) => {
  for (const topic of (topics as readonly string[] | undefined) ?? []) await bus.publish(topic, body ?? topic);
  if (topics === undefined) say({ ...bus.metrics(), ...bus.stats() });
});
