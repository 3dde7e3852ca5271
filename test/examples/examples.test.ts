/** The numbered examples and the quick start print what they promise and end by themselves. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';

const FOLDER = new URL('../../examples', import.meta.url).pathname;

/** Bounded: an example that hangs is killed, and fails by its exit code. */
async function run(file: string): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(FOLDER, file)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('the examples', () => {
  it('01 says hello over ZeroMQ', async () => {
    assert.equal(
      await run('01-hello.ts'),
      "price.tick from prices: { symbol: 'BTC', price: 43210.5 }\n{ undelivered: 0, cancelled: 0, byTopic: {} }\n",
    );
  });

  it('02 deals every task once, to both workers', async () => {
    assert.equal(await run('02-push-pull.ts'), '100 tasks done, each once; both workers had some: true\n');
  });

  it('03 answers requests, with errors by code and a time-out that reaches the handler', async () => {
    const lines = (await run('03-request-respond.ts')).trim().split('\n');
    assert.equal(lines.filter((line) => line.includes("{ key: 'answer', value: 42 }")).length, 3);
    assert.ok(lines.includes('HANDLER_FAILED NO_KEY'));
    assert.ok(lines.some((line) => line.startsWith('REQUEST_TIMEOUT')));
    assert.ok(lines.includes('handler was told to stop'));
  });

  it('04 runs a middleware of your own', async () => {
    const attempt = ['receive request stock.count', 'send reply stock.count'];
    assert.deepEqual((await run('04-your-own-middleware.ts')).trim().split('\n'), [
      ...attempt,
      'red is told { left: 3 }',
      ...attempt,
      'blue is told REJECTED',
    ]);
  });

  it('05 repeats a flaky step and limits what runs at once', async () => {
    assert.equal(
      await run('05-retry-and-limit.ts'),
      'sent after 3 attempts, 2 of them repeats\n10 handled, at most 2 at once\n',
    );
  });

  it('06 is traced: one trace id on both sides, and the nine metrics at its own endpoint', async () => {
    const text = await run('06-traced.ts');
    const ids = text.match(/\b[0-9a-f]{32}\b/g) ?? [];
    assert.ok(ids.length >= 2, text);
    assert.match(text, /http:\/\/127\.0\.0\.1:\d+\/metrics/);
    assert.match(text, /^messagebus_messages_sent_total/m);
  });

  it('07 serves the bus over HTTP', async () => {
    const lines = (await run('07-fastify.ts')).trim().split('\n');
    assert.match(lines[0] ?? '', /^GET \/state \{"raw":\{"state":"OK","sent":\d+\}\}$/);
    assert.equal(lines[1], 'POST /orders 202');
  });

  it('08 signs and encrypts: who has the keys gets the message, who has others gets nothing', async () => {
    const lines = (await run('08-signed-and-encrypted.ts')).trim().split('\n').sort();
    assert.equal(lines[0], 'dashboard: price.tick {"symbol":"BTC","price":43210.5}');
    assert.match(lines[1] ?? '', /^stranger: BusError: UNVERIFIED: the message could not be authenticated/);
    assert.equal(lines.length, 2);
  });

  it('09 has a signer of your own', async () => {
    assert.equal(await run('09-your-own-signer.ts'), 'the shop is told { left: 3 }\nthe stranger is told REJECTED\n');
  });

  it('10 has an encryption of your own', async () => {
    assert.deepEqual((await run('10-your-own-encryption.ts')).trim().split('\n'), [
      'request on the wire is hidden',
      "the responder reads { number: '4242 4242 4242 4242' }",
      'reply on the wire is hidden',
      'the caller reads { paid: true }',
    ]);
  });

  it('11 lets in over CURVE whom the server lists, at once or later', async () => {
    assert.equal(await run('11-curve.ts'), 'the guest is told NOT_READY\nanalytics got 1\nthe guest got 2\n');
  });

  it('the quick start of the predecessor works line by line', async () => {
    // The text is what a user copies; only its ports are moved out of the way of whatever runs here.
    const ports = [await freePort(), await freePort(), await freePort()].map(String);
    const text = readFileSync(join(FOLDER, 'quick-start.ts'), 'utf8')
      .replaceAll('Ports.GLOBAL_EVENTS', ports[0] ?? '')
      .replaceAll('Ports.STATE_MANAGEMENT', ports[2] ?? '')
      .replace('import { MessageBus, Ports }', 'import { MessageBus }')
      .replace(
        "'analytics', {",
        `'analytics', { ports: { GLOBAL_EVENTS: ${ports[0] ?? ''}, TASK_RESULTS: ${ports[1] ?? ''}, STATE_MANAGEMENT: ${ports[2] ?? ''} },`,
      );
    const file = `quick-start.${String(process.pid)}.tmp.ts`;
    writeFileSync(join(FOLDER, file), text);
    try {
      assert.equal(
        await run(file),
        [
          "Price update: { symbol: 'BTC', price: 43210.5 }",
          "State response: { state: 'OK' }",
          "Result: { task_id: 'abc123', status: 'done' }",
          '',
        ].join('\n'),
      );
    } finally {
      rmSync(join(FOLDER, file));
    }
  });
});
