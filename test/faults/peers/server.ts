/**
 * A server of all three patterns: it keeps what was pushed, answers requests with their body, and publishes when it is told to.
 * Argument: the options of `zeromq()` as JSON. Commands: publish, authorize, revoke, state.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Counters } from '../../../src/core/counters.ts';
import { MessageBus } from '../../../src/message-bus.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import type { ZeromqOptions } from '../../../src/transports/zeromq/index.ts';
import { onCommand, say } from './talk.ts';

const FREE = 'tcp://127.0.0.1:*';
const transport = zeromq({
  handshakeTimeoutMs: 1000,
  ...(JSON.parse(process.argv[2] ?? '{}') as ZeromqOptions),
});
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const logged: string[] = [];
const write = (line: string): void => void logged.push(line);

// The counts by reason are what the metrics middleware reads; a bus shows their sums only.
let counters = new Counters();
const bus = new MessageBus('server', {
  transport,
  endpoints: { publish: { bind: FREE }, pull: { bind: FREE }, respond: { bind: FREE } },
  logger: { debug: write, info: write, warn: write, error: write },
}).use({
  name: 'look',
  stage: 'observe',
  attach: (host) => {
    counters = host.counters;
  },
});
const pushed: unknown[] = [];
bus.pull('>', ({ body }) => void pushed.push(body));
bus.respond('>', ({ body }) => body);
await bus.ready();
const addresses = Object.fromEntries(bus.describe().links.map(({ pattern, address }) => [pattern, address]));
say({ addresses });

onCommand(async ({ command, ...rest }) => {
  if (command === 'publish') {
    await bus.publish('event', rest.body);
    say({ published: rest.body });
  } else if (command === 'authorize' || command === 'revoke') {
    transport.curveClients?.[command](String(rest.key));
    say({ done: command });
  } else {
    const failures = Object.fromEntries(
      ['auth_failed', 'handshake_failed'].map((reason) => [
        reason,
        [...counters.handshakeFailures.all()]
          .filter(({ errorType }) => errorType === reason)
          .reduce((sum, { value }) => sum + value, 0),
      ]),
    );
    const { inbound_dropped, messages_received } = bus.metrics();
    // What has been collected is not what a stranger made it hold.
    collect();
    say({
      state: {
        pushed: pushed.length,
        last: pushed.at(-1),
        failures,
        inbound_dropped,
        messages_received,
        denials: transport.curveClients?.denials(),
        logged,
        rss: process.memoryUsage.rss(),
      },
    });
  }
});
