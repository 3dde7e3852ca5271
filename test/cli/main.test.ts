import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Pull } from 'zeromq';
import { parseForward, USAGE } from '../../src/cli/forward-arguments.ts';
import { curveKeyPair } from '../../src/transports/zeromq/index.ts';
import { bounded, isReady, until } from '../transports/conformance/waiting.ts';
import { rawSocket } from '../transports/zeromq/link-spec.ts';
import { benchFor } from '../transports/zeromq/subjects.ts';

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly code: Promise<number | null>;
}

/** Runs the command line in a process of its own, ended at the latest with the test. */
function run(t: TestContext, ...args: string[]): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const code = once(child, 'close').then(([status]) => status as number | null);
  return { child, output: () => output, errors: () => errors, code };
}

async function started(t: TestContext, ...args: string[]): Promise<Run & { in: string; out: string }> {
  const running = run(t, 'forward', ...args);
  await until(
    () => running.output().split('\n').length === 3,
    () => `two addresses: ${running.errors()}`,
  );
  const [, inside, outside] = /^publishers connect to (\S+)\nsubscribers connect to (\S+)\n$/.exec(running.output())!;
  return { ...running, in: inside!, out: outside! };
}

describe('tracebus', () => {
  it('prints its usage and its version', async (t) => {
    for (const args of [['--help'], ['help'], ['forward', '--help']]) {
      const help = run(t, ...args);
      assert.equal(await bounded(help.code, 'the end'), 0);
      assert.equal(help.output().trim(), USAGE);
    }
    const version = run(t, '--version');
    assert.equal(await bounded(version.code, 'the end'), 0);
    const { version: expected } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    assert.equal(version.output().trim(), expected);
  });

  it('exits with 2 and its usage when the arguments are wrong', async (t) => {
    const bad: readonly (readonly [says: RegExp, ...args: string[]])[] = [
      [/A command is missing/],
      [/no command "proxy"/, 'proxy'],
      [/Both --in and --out/, 'forward', '--in', '5555'],
      [/--out: .*port from 0 to 65535/, 'forward', '--in', '0', '--out', '65536'],
    ];
    for (const [says, ...args] of bad) {
      const refused = run(t, ...args);
      assert.equal(await bounded(refused.code, 'the end'), 2);
      assert.match(refused.errors(), says);
      assert.ok(refused.errors().includes('Usage:'));
      assert.equal(refused.output(), '');
    }
  });
});

describe('tracebus forward', () => {
  it('forwards between the addresses it prints, and ends at once with 0 on SIGINT and SIGTERM', async (t) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const running = await started(t, '--in', '0', '--out', '0');
      const bench = benchFor(t, 'tcp', { tolerant: true });
      const subscriber = await bench.subscriber({ endpoint: running.out, patterns: ['a'], ready: false });
      const publisher = await bench.publisher({ endpoint: running.in, mode: 'connect' });
      await isReady((end) => subscriber.link.ready({ signal: end, publishers: 1 }), 'the way through');
      await publisher.publish('a', 'hello');
      await until(() => subscriber.told.texts.length === 1, 'the message');
      const since = performance.now();
      running.child.kill(signal);
      assert.equal(await bounded(running.code, 'the end'), 0);
      assert.ok(performance.now() - since < 1000);
      assert.equal(running.errors(), '');
    }
  });

  it('exits with 1 and names the way out when a port is taken', async (t) => {
    const taken = rawSocket(t, new Pull());
    taken.bindSync('tcp://127.0.0.1:*');
    const refused = run(t, 'forward', '--in', taken.lastEndpoint!.split(':').at(-1)!, '--out', '0');
    assert.equal(await bounded(refused.code, 'the end'), 1);
    assert.match(refused.errors(), /^tracebus: BIND_FAILED: The port is in use .*Use another port/);
  });
});

describe('tracebus forward --curve', () => {
  const [hub, feed] = [curveKeyPair(), curveKeyPair()];

  function file(t: TestContext, content: string, mode = 0o600): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'tb-'));
    t.after(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const made = path.join(folder, 'curve.json');
    writeFileSync(made, content, { mode });
    return made;
  }

  it('lets in whom the file names, and nobody else', async (t) => {
    const curveFile = file(t, JSON.stringify({ ...hub, authorized: [feed.publicKey] }));
    const running = await started(t, '--in', '0', '--out', '0', '--curve', curveFile);
    const client = { ...feed, serverKey: hub.publicKey };
    const bench = benchFor(t, 'tcp', { tolerant: true, curve: { client } });
    const subscriber = await bench.subscriber({ endpoint: running.out, patterns: ['a'], ready: false });
    const publisher = await bench.publisher({ endpoint: running.in, mode: 'connect' });
    await isReady((end) => subscriber.link.ready({ signal: end, publishers: 1 }), 'the way through');
    const stranger = await benchFor(t, 'tcp', { tolerant: true }).publisher({ endpoint: running.in, mode: 'connect' });
    await publisher.publish('a', 'hello');
    await until(() => subscriber.told.texts.length === 1, 'the message');
    await until(() => stranger.told.facts.includes('handshakeFailures'), 'the stranger to be refused');
    running.child.kill('SIGTERM');
    assert.equal(await bounded(running.code, 'the end'), 0);
    for (const key of [hub.secretKey, hub.publicKey]) assert.ok(!running.errors().includes(key));
  });

  it('refuses a file that is open to others, is no JSON or names no clients, and shows nothing of it', (t) => {
    const good = { ...hub, authorized: 'any' };
    const bad: readonly (readonly [says: RegExp, content: string, mode?: number])[] = [
      [/--curve: .*chmod 600/, JSON.stringify(good), 0o644],
      [/--curve: The file is not JSON$/, hub.secretKey],
      [/--curve: Expected `curve\.server\.authorized`/, JSON.stringify(hub)],
      [/--curve: .*`curve\.server\.secretKey` to be a CURVE key/, JSON.stringify({ ...good, secretKey: 'x' })],
      [/--curve: Expected `curve\.server` to be an object/, '7'],
    ];
    for (const [message, content, mode] of bad) {
      const args = ['--in', '0', '--out', '0', '--curve', file(t, content, mode)];
      assert.throws(
        () => parseForward(args),
        (error: Error) => message.test(error.message) && !error.message.includes(hub.secretKey.slice(0, 8)),
        String(message),
      );
    }
  });

  it('is asked for, or --insecure, beyond loopback', async (t) => {
    const refused = run(t, 'forward', '--in', '0', '--out', '0', '--host', '*');
    assert.equal(await bounded(refused.code, 'the end'), 1);
    assert.match(
      refused.errors(),
      /^tracebus: INSECURE_BIND: .*endpoint tcp:.*--curve <file>; .*--insecure where the network[^\n]*\n$/,
    );
    assert.doesNotMatch(refused.errors(), /zeromq\(/, 'options of the API do not help here');
  });

  it('tells what is wrong with the file and no more, and exits with 2', async (t) => {
    const refused = run(t, 'forward', '--in', '0', '--out', '0', '--curve', file(t, 'no keys'));
    assert.equal(await bounded(refused.code, 'the end'), 2);
    assert.deepEqual([refused.errors(), refused.output()], ['tracebus: --curve: The file is not JSON\n', '']);
  });
});

describe('the arguments of forward', () => {
  it('name a file that is there', () => {
    assert.throws(() => parseForward(['--in', '1', '--out', '2', '--curve', '/no/such/file']), {
      name: 'FileError',
      message: /--curve: .*no such file/,
    });
  });

  it('are ports on a host, or whole endpoints', () => {
    const safe = { zeromq: { insecure: false } };
    const both = { in: 'tcp://127.0.0.1:5555', out: 'tcp://127.0.0.1:5565', ...safe };
    assert.deepEqual(parseForward(['--in', '5555', '--out', '5565']), both);
    assert.deepEqual(parseForward(['--in=5555', '--out=ipc:///run/x', '--host=*', '--insecure']), {
      in: 'tcp://*:5555',
      out: 'ipc:///run/x',
      zeromq: { insecure: true },
    });
    assert.equal(parseForward(['-h']), 'help');
  });

  const bad: readonly (readonly [says: RegExp, ...args: string[]])[] = [
    [/Both/],
    [/Both/, '--out', '1'],
    [/--in: .*port/, '--in', 'x', '--out', '1'],
    [/--in: .*scheme/, '--in', 'udp://a:1', '--out', '1'],
    [/--host is for ports/, '--in', 'inproc://a', '--out', 'inproc://b', '--host', 'x'],
    [/--bogus/, '--in', '1', '--out', '2', '--bogus'],
    [/extra/, '--in', '1', '--out', '2', 'extra'],
    [/--insecure is for/, '--in', '1', '--out', '2', '--curve', '/no/such/file', '--insecure'],
  ];
  for (const [says, ...args] of bad) {
    it(`refuse ${JSON.stringify(args.join(' '))}`, () => {
      assert.throws(() => parseForward(args), { name: 'UsageError', message: says });
    });
  }
});
