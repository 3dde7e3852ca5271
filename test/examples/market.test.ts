import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../examples/market/reconcile.ts';

/** Six processes that compile first, on a machine that does other things too. */
const TIMEOUT_MS = 120_000;

/** What is promised is a second; a busy machine may need longer to notice. */
const END_TIMEOUT_MS = 3000;

class Demo {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  stdout = '';
  stderr = '';

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, ['--import', 'tsx', 'examples/market/main.ts', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  async exitCode(): Promise<number | null> {
    await once(this.child, 'close');
    return this.child.exitCode;
  }

  /** Resolves when the first line about events has been written; answers the ids of all processes. */
  async running(): Promise<number[]> {
    await until(() => this.stdout.includes('events/s') || this.child.exitCode !== null, TIMEOUT_MS);
    assert.equal(this.child.exitCode, null, this.stderr);
    const pids = [...this.stdout.matchAll(/ process (\d+) /g)].map(([, pid]) => Number(pid));
    assert.equal(pids.length, 5, this.stdout);
    assert.deepEqual(pids.filter(isAlive), pids);
    return pids;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!condition() && performance.now() < endsAt) await sleep(10);
  assert.ok(condition(), `not within ${timeoutMs} ms`);
}

test('everything that is sent arrives, and one line of JSON says so', { timeout: TIMEOUT_MS }, async () => {
  const demo = new Demo('--seconds', '2', '--json');
  const code = await demo.exitCode();
  assert.equal(code, 0, demo.stderr + demo.stdout);
  assert.match(demo.stdout, /^\{.*\}\n$/);
  const outcome = JSON.parse(demo.stdout) as Outcome;
  const { ok, lost, duplicated, gaps, drops, failedRequests } = outcome;
  assert.deepEqual(
    { ok, lost, duplicated, gaps, drops, failedRequests },
    { ok: true, lost: 0, duplicated: 0, gaps: 0, drops: 0, failedRequests: 0 },
  );
  const { sent, received, consumers, pushed, results, requests, latencyMs, topics } = outcome;
  assert.ok(sent >= 2000, `only ${sent} events`);
  assert.equal(received, sent * consumers);
  assert.ok(results > 0 && results === pushed);
  assert.ok(requests > 0);
  assert.ok(latencyMs.p50 > 0 && latencyMs.p50 <= latencyMs.p99 && latencyMs.p99 <= latencyMs.max);
  const { 'price.sp500': sp500 } = topics;
  assert.deepEqual(sp500?.received, { 'analytics-short': sp500?.sent, 'analytics-long': sp500?.sent });
  assert.match(demo.stderr, /analytics-long {3}process \d+ {2}metrics http:\/\/127\.0\.0\.1:\d+\/metrics/);
});

test('one event dropped on purpose is one lost, and the exit code 1', { timeout: TIMEOUT_MS }, async () => {
  const demo = new Demo('--seconds', '1', '--json', '--drop-one');
  assert.equal(await demo.exitCode(), 1, demo.stderr);
  const { ok, lost, duplicated, gaps, drops, sent, received } = JSON.parse(demo.stdout) as Outcome;
  assert.deepEqual({ ok, lost, duplicated, gaps, drops }, { ok: false, lost: 1, duplicated: 0, gaps: 0, drops: 1 });
  assert.equal(received, sent * 2 - 1);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends all processes, with exit code 0`, { timeout: TIMEOUT_MS }, async () => {
    const demo = new Demo();
    const pids = await demo.running();
    const exited = demo.exitCode();
    const sentAt = performance.now();
    demo.child.kill(signal);
    assert.equal(await exited, 0, demo.stderr);
    assert.ok(performance.now() - sentAt < END_TIMEOUT_MS);
    assert.deepEqual(pids.filter(isAlive), []);
    // What is not a terminal gets lines without control characters.
    assert.match(
      demo.stdout,
      /^1 s {2}[\d,]+ events\/s {2}latency p50 [\d.]+ ms p99 [\d.]+ ms {2}gaps 0 {2}drops 0 {2}/m,
    );
    // eslint-disable-next-line no-control-regex -- it is what must not be there
    assert.doesNotMatch(demo.stdout, /[\u0000-\u0009\u000b-\u001f]/);
    assert.equal(demo.stderr, '');
  });
}

test('a process that dies ends the demo, with exit code 1', { timeout: TIMEOUT_MS }, async () => {
  const demo = new Demo();
  const pids = await demo.running();
  const [url = ''] = /http:\S+/.exec(demo.stdout) ?? [];
  assert.match(await (await fetch(url)).text(), /^messagebus_messages_sent_total\{.*\} [1-9]/m);
  process.kill(pids[2]!, 'SIGKILL');
  assert.equal(await demo.exitCode(), 1);
  assert.equal(demo.stderr, 'The demo failed: analytics-long has ended by itself (SIGKILL).\n');
  assert.deepEqual(pids.filter(isAlive), []);
});

test('--rate sets the pace, and no process outlives a launcher that was killed', { timeout: TIMEOUT_MS }, async () => {
  const demo = new Demo('--rate', '100');
  const pids = await demo.running();
  const pace = Number(/(\d+) events\/s/.exec(demo.stdout)?.[1]);
  assert.ok(pace > 0 && pace <= 300, `${pace} events/s in the first second`); // it starts a little before it is measured
  demo.child.kill('SIGKILL');
  await until(() => !pids.some(isAlive), END_TIMEOUT_MS);
});

test('--help explains the options', async () => {
  const demo = new Demo('--help');
  assert.equal(await demo.exitCode(), 0);
  for (const option of ['--seconds', '--json', '--rate', '--drop-one']) assert.ok(demo.stdout.includes(option), option);
});

for (const [args, why] of [
  [['--seconds', 'soon'], "Expected --seconds to be a number above 0, got 'soon'"],
  [['--rate', '0'], "Expected --rate to be a number above 0, got '0'"],
  [['--fast'], "Unknown option '--fast'"],
  [['now'], "Unexpected argument 'now'"],
] as const) {
  test(`"${args.join(' ')}" is answered with what is wrong, the usage and exit code 2`, async () => {
    const demo = new Demo(...args);
    assert.equal(await demo.exitCode(), 2);
    assert.ok(demo.stderr.startsWith(why), demo.stderr);
    assert.match(demo.stderr, /Usage: npm start/);
    assert.equal(demo.stdout, '');
  });
}
