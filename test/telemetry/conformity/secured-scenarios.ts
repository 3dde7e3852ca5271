/** Messages and peers that are not authentic, as scenarios. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { encrypt } from '../../../src/middleware/encrypt.ts';
import type { Key } from '../../../src/middleware/key.ts';
import { sign } from '../../../src/middleware/sign.ts';
import type { MessageBus } from '../../../src/message-bus.ts';
import { curveKeyPair, zeromq } from '../../../src/transports/zeromq/index.ts';
import type { CurveOptions } from '../../../src/transports/zeromq/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { times } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { outcome, until } from './stage.ts';
import type { Stage } from './stage.ts';

const AUDIENCE = 'conformity';
const PROTECT = ['price.>'];

function key(alg: Key['alg']): Key {
  return { kid: 'k1', alg, key: createSecretKey(randomBytes(32)) };
}

/** Three services, each with its own way of securing: the right one pulls, all of them push; what else they do is up to `more`. */
async function threePush(
  stage: Stage,
  secure: readonly ((bus: MessageBus) => unknown)[],
  more: (right: MessageBus, others: readonly MessageBus[]) => Promise<void>,
): Promise<void> {
  const [right, ...others] = secure.map((use, index) => {
    const bus = stage.bus(`service${String(index)}`, { audience: AUDIENCE, publish: false, retry: false });
    use(bus);
    return bus;
  });
  if (right === undefined) return;
  let got = 0;
  right.pull('>', () => got++);
  right.respond('price.get', () => 1);
  await right.ready();
  await right.push('price.tick', 1);
  for (const bus of others) {
    await bus.push('price.tick', 1);
    await bus.push('news.tick', 1);
  }
  await more(right, others);
  await until(() => got === 1 + others.length, 'what is authentic');
}

export const SECURED_SCENARIOS: readonly Scenario[] = [
  {
    name: 'signatures that are missing or wrong, on topics that are protected',
    refused: ['unverified'],
    async play(stage) {
      const signing = (one: Key) => (bus: MessageBus) => bus.use(sign({ keys: [one], protect: PROTECT }));
      const right = key('hmac-sha256');
      await threePush(stage, [signing(right), () => undefined, signing(key('hmac-sha256'))], async (bus, [plain]) => {
        await outcome(plain!.request('price.get', 1));
        await until(() => bus.stats().unverified === 3, 'the refusals');
      });
    },
    spans: [
      'CLIENT price.get unverified',
      ...times(3, 'CONSUMER process >'),
      ...times(2, 'CONSUMER process > unverified'),
      ...times(2, 'PRODUCER push news.tick'),
      ...times(3, 'PRODUCER push price.tick'),
      'SERVER price.get unverified',
    ],
    logs: [], // the step tells of each reason once a minute, and floods nobody
    series: ['messagebus.unverified messagebus.reason=missing', 'messagebus.unverified messagebus.reason=signature'],
    counts: { 'messagebus.unverified': 3, 'messagebus.errors': 4, 'messagebus.inbound_dropped': 3 },
  },
  {
    name: 'payloads that are not sealed, or with another key',
    refused: ['unverified'],
    async play(stage) {
      const sealing = (one: Key) => (bus: MessageBus) => bus.use(encrypt({ keys: [one], protect: PROTECT }));
      await threePush(stage, [sealing(key('aes-256-gcm')), () => undefined, sealing(key('aes-256-gcm'))], async (bus) =>
        until(() => bus.stats().unverified === 2, 'the refusals'),
      );
    },
    spans: [
      ...times(3, 'CONSUMER process >'),
      ...times(2, 'CONSUMER process > unverified'),
      ...times(2, 'PRODUCER push news.tick'),
      ...times(3, 'PRODUCER push price.tick'),
    ],
    logs: [],
    series: ['messagebus.unverified messagebus.reason=malformed', 'messagebus.unverified messagebus.reason=commitment'],
    counts: { 'messagebus.unverified': 2, 'messagebus.errors': 2, 'messagebus.inbound_dropped': 2 },
  },
  {
    name: 'more refused messages than have spans of their own',
    systems: ['memory'], // whose clock can stand still
    refused: ['unverified'],
    isPartlySpanned: true,
    async play(stage) {
      const clock = new FakeClock();
      const bus = stage.bus('right', { audience: AUDIENCE, publish: false, clock });
      const other = stage.bus('other', { audience: AUDIENCE, publish: false });
      bus.use(sign({ keys: [key('hmac-sha256')] }));
      bus.pull('>', () => {});
      await bus.ready();
      for (let n = 0; n < 30; n++) await other.push('price.tick', n);
      await until(() => bus.stats().unverified === 30, 'the refusals');
      clock.advance(1000);
      await other.push('price.tick', 30);
      await until(() => bus.stats().unverified === 31, 'the last refusal');
    },
    spans: [...times(11, 'CONSUMER process > unverified'), ...times(31, 'PRODUCER push price.tick')],
    counts: { 'messagebus.unverified': 31, 'messagebus.errors': 31, 'messagebus.inbound_dropped': 31 },
  },
  {
    name: 'a peer whose key the server does not know',
    systems: ['zeromq'],
    async play(stage) {
      const [server, known, stranger] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];
      const transport = (curve: CurveOptions) => zeromq({ reconnectMs: 5, reconnectMaxMs: 40, curve });
      const client = (keys: typeof known) => transport({ client: { ...keys, serverKey: server.publicKey } });
      const right = { transport: transport({ server: { ...server, authorized: [known.publicKey] } }), publish: false };
      const bus = stage.bus('right', right);
      let got = 0;
      bus.pull('result', () => got++);
      await bus.ready();
      const friend = stage.bus('friend', { transport: client(known), publish: false });
      const other = stage.bus('other', {
        transport: client(stranger),
        publish: false,
        pushTimeoutMs: 300,
        retry: false,
      });
      await friend.push('result', 1);
      await outcome(other.push('result', 2));
      await until(() => got === 1 && bus.stats().handshake_failures > 0, 'the refusal');
    },
    spans: ['CONSUMER process result', 'PRODUCER push result', 'PRODUCER push result send_timeout'],
    series: ['messagebus.handshake_failures error.type=auth_failed'],
    repeated: ['messagebus.handshake_failures', 'messagebus.cool_downs'],
    counts: { 'messagebus.errors': 1, 'messagebus.outbound_dropped': 1 },
  },
];
