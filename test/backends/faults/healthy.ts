/** Two buses that talk with each other by all patterns and are well; what a fault of the same process is compared with. */
import { MessageBus } from 'tracebus';

const EVERY_MS = 100;

/** Nobody times out, on a busy machine either. */
const PATIENT = {
  publishTimeoutMs: 20_000,
  pushTimeoutMs: 20_000,
  requestTimeoutMs: 20_000,
  logLevel: 'warn',
} as const;

/** Binds a free port. */
export const FREE = 'tcp://127.0.0.1:*';

/** The address that a bound endpoint got. */
export async function addressOf(bus: MessageBus, pattern: string): Promise<string> {
  for (let tries = 0; tries < 1000; tries++) {
    const address = bus.describe().links.find((link) => link.pattern === pattern)?.address;
    if (address !== undefined) return address;
    await pause(5);
  }
  throw new Error(`No address of ${pattern}`);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Starts the traffic, which goes on until the process ends. */
export async function talkHealthily(): Promise<void> {
  const answering = new MessageBus('answering', {
    endpoints: { publish: { bind: FREE }, pull: { bind: FREE }, respond: { bind: FREE } },
    ...PATIENT,
  });
  answering.pull('task', () => {});
  answering.respond('state', ({ body }) => body);
  await answering.ready();
  const asking = new MessageBus('asking', {
    endpoints: {
      subscribe: { connect: [await addressOf(answering, 'publish')] },
      push: { connect: [await addressOf(answering, 'pull')] },
      request: { connect: [await addressOf(answering, 'respond')] },
    },
    ...PATIENT,
  });
  asking.subscribe('price.*', () => {});
  asking.subscribe('news', () => {});
  await asking.ready();
  const round = async (): Promise<void> => {
    await Promise.all([
      answering.publish('price.tick', 1),
      answering.publish('news', 'none'),
      asking.push('task', 1),
      asking.request('state', 1),
    ]);
  };
  await round();
  setInterval(() => void round(), EVERY_MS);
}
