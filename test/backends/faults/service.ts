/**
 * A service that is well until it is told otherwise. Argument: its name, which is the fault of provoke.ts that `{ provoke: true }` brings.
 * It says where its metrics are as soon as all patterns work, and `{ provoked: true }` when the fault is there.
 */
import { startTelemetry } from 'tracebus/telemetry';
import { onCommand, say } from '../../faults/peers/talk.ts';
import { talkHealthily } from './healthy.ts';
import { FAULTS } from './provoke.ts';

const [name = ''] = process.argv.slice(2);
const telemetry = await startTelemetry({
  serviceName: name,
  prometheus: { port: 0 },
  otlp: false,
  logger: { info() {}, warn: console.error },
});
await talkHealthily();
say({ url: telemetry.prometheusUrl });

onCommand(async () => {
  const provoke = FAULTS[name];
  if (provoke === undefined) throw new Error(`Expected one of ${Object.keys(FAULTS).join(', ')}, got ${name}`);
  await provoke();
  say({ provoked: true });
});
