import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { CloseReport } from '../../src/core/shut-down.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, party } from './scene.ts';

/** From what the process says last to its end: nothing is left to do then. */
const EXIT_BOUND_MS = 5000;

/** Nothing was given up, by anybody. */
const CLEAN: CloseReport = { undelivered: 0, cancelled: 0, byTopic: {} };

interface Book {
  readonly resolved: number;
  readonly rejected: number;
  readonly codes: readonly string[];
  readonly seen: number;
  readonly lost: number;
  readonly duplicated: number;
}

interface Report {
  readonly attempted: number;
  readonly settled: number;
  readonly running: number;
  readonly startedAfterClose: number;
  readonly books: Readonly<Record<'publish' | 'push' | 'request', Book>>;
  readonly closed: CloseReport;
  readonly same: boolean;
  readonly runningAtClose: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Runs a scenario of peers/closer.ts to the end of its process. */
async function run<T>(t: TestContext, scenario: string): Promise<T> {
  const peer = new PeerProcess(t, 'closer', scenario);
  const report = await peer.next<T>('what became of everything');
  assert.deepEqual(await peer.end(EXIT_BOUND_MS), { code: 0, signal: null }, 'the process ends by itself');
  return report;
}

test('a sender that closes under load: what it accepted arrives, every call settles, the process ends by itself', async (t) => {
  const { attempted, settled, books, closed, metrics } = await run<Report>(t, 'sender');
  assert.equal(settled, attempted);
  assert.deepEqual(closed, CLEAN);
  for (const book of Object.values(books)) {
    assert.ok(book.resolved > 0 && book.rejected > 0, 'closed in the middle');
    assert.deepEqual(book.codes, ['CLOSED']);
    const { seen, lost, duplicated } = book;
    assert.deepEqual({ seen, lost, duplicated }, { seen: book.resolved, lost: 0, duplicated: 0 });
  }
  const { publish, push, request } = books;
  assert.equal(metrics['messages_sent'], publish.resolved + push.resolved + request.resolved);
  assert.equal(metrics['errors'], publish.rejected + push.rejected + request.rejected);
  assert.equal(metrics['active_connections'], 0);
});

test('a receiver that closes under load: what runs finishes, nothing starts afterwards, every call settles, the process ends by itself', async (t) => {
  const { attempted, settled, books, closed, running, runningAtClose, startedAfterClose } = await run<Report>(
    t,
    'receiver',
  );
  assert.equal(settled, attempted);
  assert.deepEqual(closed, CLEAN);
  assert.deepEqual(
    { running, runningAtClose, startedAfterClose },
    { running: 0, runningAtClose: 0, startedAfterClose: 0 },
  );
  for (const { duplicated } of Object.values(books)) assert.equal(duplicated, 0);
  assert.equal(books.request.lost, 0, 'who got a reply was handled');
  // Those who asked meanwhile were told, or found nobody.
  const told = ['CLOSED', 'COOLING_DOWN', 'REQUEST_TIMEOUT', 'SEND_TIMEOUT'];
  assert.deepEqual(
    books.request.codes.filter((code) => !told.includes(code)),
    [],
  );
  assert.deepEqual(
    books.push.codes.filter((code) => !told.includes(code)),
    [],
  );
});

test('both ends close at once, one of them twice: one report, every call settles, the process ends by itself', async (t) => {
  const { attempted, settled, books, running, startedAfterClose, same } = await run<Report>(t, 'both');
  assert.equal(settled, attempted);
  assert.equal(same, true);
  assert.deepEqual({ running, startedAfterClose }, { running: 0, startedAfterClose: 0 });
  for (const { duplicated } of Object.values(books)) assert.equal(duplicated, 0);
});

test('messages for nobody do not hold the process: close gives them up, says how many, and every call is told', async (t) => {
  assert.deepEqual(await run(t, 'nobody there'), {
    closed: { undelivered: 200, cancelled: 0, byTopic: { task: 100, state: 100 } },
    reasons: ['CLOSED'],
    dropped: 200,
  });
});

test('handlers that hang do not hold the process: their signals are aborted, they are counted, and close resolves', async (t) => {
  assert.deepEqual(await run(t, 'a handler that hangs'), {
    closed: { undelivered: 0, cancelled: 2, byTopic: {} },
    aborted: 2,
    call: 'REQUEST_TIMEOUT',
  });
});

test('requests in flight when their bus closes are told so, and do not hold the process', async (t) => {
  assert.deepEqual(await run(t, 'requests in flight'), { closed: CLEAN, reasons: ['CLOSED'] });
});

test('closing is idempotent, ends every handle, and a closed bus says what it is', async (t) => {
  const { bus } = party(t, 'service', {
    endpoints: { publish: { bind: FREE }, pull: { bind: FREE }, respond: { bind: FREE } },
  });
  bus.pull();
  bus.respond();
  await addressOf(bus, 'respond');
  await bus.publish('price', 1);
  assert.equal(bus.metrics().active_connections, 3);
  const first = bus.close();
  assert.equal(bus.close(), first);
  assert.deepEqual(await first, CLEAN);
  assert.deepEqual(await bus.close(), CLEAN);
  assert.equal(bus.metrics().active_connections, 0);
  await assert.rejects(bus.publish('price', 2), { code: 'CLOSED' });
  await assert.rejects(bus.push('task', 2), { code: 'CLOSED' });
  await assert.rejects(bus.request('state', 2), { code: 'CLOSED' });
  await assert.rejects(bus.ready(), { code: 'CLOSED' });
  assert.throws(() => bus.subscribe('price'), { code: 'CLOSED' });
});
