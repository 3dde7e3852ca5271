import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel, Logger } from '../../src/core/logger.ts';
import { leveledLogger, logAt } from '../../src/core/logger.ts';
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
