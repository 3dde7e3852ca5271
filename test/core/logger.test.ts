import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel, Logger } from '../../src/core/logger.ts';
import { leveledLogger, logAt, oneLine } from '../../src/core/logger.ts';
import { turns } from '../support/fake-clock.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

function recorder(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const note = (level: string) => (line: string) => void lines.push(`${level}: ${line}`);
  return { lines, debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}

function writeAll(logger: Logger): void {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](level[0]!);
}

test('lines at the level or above pass, under the name of the service', () => {
  const passed = (level: LogLevel): string[] => {
    const target = recorder();
    writeAll(leveledLogger(target, level, 'prices'));
    return target.lines;
  };
  assert.deepEqual(passed('debug'), [
    'debug: [tracebus prices] d',
    'info: [tracebus prices] i',
    'warn: [tracebus prices] w',
    'error: [tracebus prices] e',
  ]);
  assert.deepEqual(passed('warn'), ['warn: [tracebus prices] w', 'error: [tracebus prices] e']);
  assert.deepEqual(passed('error'), ['error: [tracebus prices] e']);
  assert.deepEqual(passed('silent'), []);
});

test('control characters are taken out: what comes from outside forges no lines', () => {
  const target = recorder();
  leveledLogger(target, 'info', 's').info('topic "a\r\nERROR all is lost\u001b[31m\u2028x"');
  assert.deepEqual(target.lines, ['info: [tracebus s] topic "a ERROR all is lost [31m x"']);
});

test('neither line ends of any kind, nor escapes of terminals, nor turned text get through', () => {
  const hostile = [0x0a, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0x2028, 0x2029, 0x202e, 0x2066].map((one) =>
    String.fromCharCode(one),
  );
  for (const one of hostile) assert.equal(oneLine(`a${one}b`), 'a b', one.charCodeAt(0).toString(16));
  assert.equal(oneLine(`a${hostile.join('')}b`), 'a b');
  assert.equal(oneLine('preis.größe 価格 🚀'), 'preis.größe 価格 🚀', 'text of any language is left alone');
});

test('a very long line is cut, and never in the middle of a character', () => {
  const target = recorder();
  leveledLogger(target, 'info', 's').info('x'.repeat(1_000_000));
  assert.ok(target.lines[0]!.length < 2100, String(target.lines[0]!.length));
  assert.ok(target.lines[0]!.endsWith('x…'));
  assert.equal(oneLine('abcdef', 6), 'abcdef');
  assert.equal(oneLine('abcdefg', 6), 'abcde…');
  assert.equal(oneLine('abcd🚀efg', 6), 'abcd…');
});

test('a logger that is a class keeps its `this`', () => {
  class Own implements Logger {
    readonly lines: string[] = [];
    debug(line: string): void {
      this.lines.push(line);
    }
    info(line: string): void {
      this.lines.push(line);
    }
    warn(line: string): void {
      this.lines.push(line);
    }
    error(line: string): void {
      this.lines.push(line);
    }
  }
  const own = new Own();
  writeAll(leveledLogger(own, 'debug', 's'));
  assert.equal(own.lines.length, 4);
});

test('a logger that throws stops nothing', () => {
  const broken = {
    debug() {},
    info() {
      throw new Error('disk full');
    },
    warn() {},
    error() {},
  };
  assert.doesNotThrow(() => leveledLogger(broken, 'debug', 's').info('x'));
});

test('a logger whose promise rejects stops nothing and leaves no rejection behind', async (t) => {
  forbidUnhandledRejections(t);
  let asked = 0;
  const broken = {
    debug() {},
    info: () => {
      asked++;
      return Promise.reject(new Error('disk full'));
    },
    warn() {},
    error() {},
  };
  leveledLogger(broken, 'debug', 's').info('x');
  await turns();
  assert.equal(asked, 1);
});

test('logAt writes at a level chosen at run time, and nothing at silent', () => {
  const target = recorder();
  logAt(target, 'warn', 'w');
  logAt(target, 'silent', 's');
  assert.deepEqual(target.lines, ['warn: w']);
});
