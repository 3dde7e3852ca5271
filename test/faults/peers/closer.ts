/**
 * Closes buses in the middle of their work and says what became of every call; then there is nothing left to do, and the process
 * must end by itself. Argument: which bus closes, or what stands in its way.
 */
import { MessageBus } from '../../../src/message-bus.ts';
import type { MessageBusConfig } from '../../../src/message-bus.ts';
import { say } from './talk.ts';

const CALLERS = 20;
const CLOSE_AFTER = 2000;
const HANDLER_MS = 20;
const FREE = 'tcp://127.0.0.1:*';

type Verb = 'publish' | 'push' | 'request';
const VERBS: readonly Verb[] = ['publish', 'push', 'request'];

const resolved: Record<Verb, Set<string>> = { publish: new Set(), push: new Set(), request: new Set() };
const rejected: Record<Verb, Map<string, string>> = { publish: new Map(), push: new Map(), request: new Map() };
const seen: Record<Verb, string[]> = { publish: [], push: [], request: [] };
let attempted = 0;
let settled = 0;
let running = 0;
let startedAfterClose = 0;
let receiverClosed = false;

function quiet(name: string, config: MessageBusConfig): MessageBus {
  return new MessageBus(name, { logger: { debug() {}, info() {}, warn() {}, error() {} }, retry: false, ...config });
}

/** A bus with a handler for each pattern, and one that can send to it. */
async function pair(): Promise<{ sender: MessageBus; receiver: MessageBus }> {
  const publisher = { publish: { bind: FREE } };
  const sender = quiet('sender', { endpoints: publisher, slowSubscribers: 'wait', requestTimeoutMs: 1000 });
  await sender.ready();
  const receiver = quiet('receiver', {
    endpoints: {
      subscribe: { connect: [sender.describe().links[0]?.address ?? ''] },
      pull: { bind: FREE },
      respond: { bind: FREE },
    },
  });
  const handle =
    (verb: Verb) =>
    async ({ body }: { body: unknown }): Promise<unknown> => {
      if (receiverClosed) startedAfterClose++;
      running++;
      await new Promise((resolve) => setTimeout(resolve, HANDLER_MS));
      running--;
      seen[verb].push(String(body));
      return body;
    };
  receiver.subscribe('price', handle('publish'));
  receiver.pull('>', handle('push'));
  receiver.respond('state', handle('request'));
  // What is published before the subscription has arrived is for nobody, and would count as lost.
  await receiver.ready();
  return { sender, receiver };
}

function addressOf(bus: MessageBus, pattern: string): string {
  return bus.describe().links.find((link) => link.pattern === pattern)?.address ?? '';
}

/** Sends through every pattern until `stopped` says so; every call is booked. */
async function load(sender: MessageBus, receiver: MessageBus, stopped: () => boolean): Promise<void> {
  const push = addressOf(receiver, 'pull');
  const request = addressOf(receiver, 'respond');
  const call: Record<Verb, (name: string) => Promise<unknown>> = {
    publish: (name) => sender.publish('price', name),
    push: (name) => sender.push('task', name, { endpoint: push }),
    request: (name) => sender.request('state', name, { endpoint: request }),
  };
  const work = async (verb: Verb): Promise<void> => {
    while (!stopped()) {
      const name = `${verb} ${String(attempted++)}`;
      try {
        await call[verb](name);
        resolved[verb].add(name);
      } catch (error) {
        rejected[verb].set(name, String((error as { code?: string }).code));
      }
      settled++;
      // A closed bus rejects at once: sockets and timers get their turn.
      if (settled % CALLERS === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(VERBS.flatMap((verb) => Array.from({ length: CALLERS }, () => work(verb))));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const codes = (verb: Verb): string[] => [...new Set(rejected[verb].values())].sort();

/** The books of one pattern. */
function book(verb: Verb): unknown {
  const distinct = new Set(seen[verb]);
  return {
    resolved: resolved[verb].size,
    rejected: rejected[verb].size,
    codes: codes(verb),
    seen: seen[verb].length,
    lost: [...resolved[verb]].filter((name) => !distinct.has(name)).length,
    duplicated: seen[verb].length - distinct.size,
  };
}

function report(extra: object): void {
  say({
    attempted,
    settled,
    running,
    startedAfterClose,
    books: Object.fromEntries(VERBS.map((verb) => [verb, book(verb)])),
    ...extra,
  });
}

const scenarios: Record<string, () => Promise<void>> = {
  async sender() {
    const { sender, receiver } = await pair();
    let done = false;
    const loading = load(sender, receiver, () => done);
    await until(() => settled > CLOSE_AFTER);
    const closed = await sender.close();
    done = true;
    await loading;
    // What has left the sender arrives; then the receiver has nothing to wait for.
    const all = resolved.publish.size + resolved.push.size - closed.undelivered;
    const end = performance.now() + 5000;
    await until(() => seen.publish.length + seen.push.length >= all || performance.now() > end);
    await receiver.close();
    report({ closed, metrics: sender.metrics() });
  },

  async receiver() {
    const { sender, receiver } = await pair();
    let done = false;
    const loading = load(sender, receiver, () => done);
    await until(() => settled > CLOSE_AFTER);
    const closed = await receiver.close();
    receiverClosed = true;
    const runningAtClose = running;
    done = true;
    // Pushes and requests now find nobody, and settle by their deadlines.
    await loading;
    await sender.close();
    report({ closed, runningAtClose });
  },

  async both() {
    const { sender, receiver } = await pair();
    let done = false;
    const loading = load(sender, receiver, () => done);
    await until(() => settled > CLOSE_AFTER);
    const [closed, again, receiverReport] = await Promise.all([sender.close(), sender.close(), receiver.close()]);
    done = true;
    await loading;
    report({ closed, same: closed === again, receiverReport });
  },

  async 'nobody there'() {
    const bus = quiet('lonely', {
      endpoints: { push: { bind: FREE }, request: { bind: FREE } },
      pushTimeoutMs: 60_000,
      requestTimeoutMs: 60_000,
    });
    const calls = Array.from({ length: 100 }, (_, index) => [
      bus.push('task', index),
      bus.request('state', index),
    ]).flat();
    const outcomes = Promise.allSettled(calls);
    const closed = await bus.close({ timeoutMs: 100 });
    const reasons = (await outcomes).map((one) =>
      one.status === 'rejected' ? (one.reason as { code: string }).code : 'resolved',
    );
    say({ closed, reasons: [...new Set(reasons)], dropped: bus.metrics().outbound_dropped });
  },

  async 'a handler that hangs'() {
    const { sender, receiver } = await pair();
    let aborted = 0;
    let held = 0;
    const never = ({ signal }: { signal: AbortSignal }): Promise<never> => {
      held++;
      signal.addEventListener('abort', () => aborted++);
      return new Promise(() => {});
    };
    receiver.subscribe('hang', never);
    receiver.respond('hang', never);
    await receiver.ready().catch(() => {});
    const call = sender
      .request('hang', 1, { endpoint: addressOf(receiver, 'respond') })
      .catch((error: unknown) => (error as { code: string }).code);
    await sender.publish('hang', 1);
    await until(() => held === 2);
    const closed = await receiver.close({ timeoutMs: 100 });
    say({ closed, aborted, call: await call });
    await sender.close();
  },

  async 'requests in flight'() {
    const { sender, receiver } = await pair();
    let held = 0;
    receiver.respond('hang', () => {
      held++;
      return new Promise(() => {});
    });
    const endpoint = addressOf(receiver, 'respond');
    const calls = Array.from({ length: 100 }, () => sender.request('hang', 1, { endpoint, timeoutMs: 600_000 }));
    const outcomes = Promise.allSettled(calls);
    await until(() => held === 100);
    const closed = await sender.close({ timeoutMs: 100 });
    const reasons = (await outcomes).map((one) =>
      one.status === 'rejected' ? (one.reason as { code: string }).code : 'resolved',
    );
    await receiver.close({ timeoutMs: 0 });
    say({ closed, reasons: [...new Set(reasons)] });
  },
};

await scenarios[process.argv[2] ?? '']?.();
