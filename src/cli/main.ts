#!/usr/bin/env node
/**
 * The command line: `tracebus forward` runs a forwarder in a process of its own until it is told to stop, `tracebus keygen` makes keys.
 *
 * Exit codes: 0 when asked to end (or to help), 1 when it could not do its work (a taken port), 2 for wrong arguments.
 */
import { readFileSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { curveKeyPair } from '../transports/zeromq/curve-keys.ts';
import { startForwarder } from '../transports/zeromq/index.ts';
import { inArguments, parseForward, USAGE } from './forward-arguments.ts';
import type { ForwardArguments } from './forward-arguments.ts';
import { keygen, parseKeygen } from './keygen.ts';
import type { KeygenArguments } from './keygen.ts';
import { FileError, UsageError } from './usage-error.ts';

const [command, ...rest] = process.argv.slice(2);

if (command === '--help' || command === '-h' || command === 'help') console.log(USAGE);
else if (command === '--version' || command === '-v') console.log(version());
else if (command === 'forward') run(() => parseForward(rest), forward);
else if (command === 'keygen') run(() => parseKeygen(rest), printKeys);
else refuse(command === undefined ? 'A command is missing' : `There is no command ${JSON.stringify(command)}`);

function run<T>(parse: () => T | 'help', work: (parsed: T) => Promise<void> | void): void {
  let parsed: T | 'help';
  try {
    parsed = parse();
  } catch (error) {
    if (error instanceof UsageError) refuse(error.message);
    else if (error instanceof FileError) complain(error.message);
    else throw error;
    return;
  }
  if (parsed === 'help') console.log(USAGE);
  else Promise.resolve(work(parsed)).catch(fail);
}

async function forward(endpoints: ForwardArguments): Promise<void> {
  const forwarder = await startForwarder({ ...endpoints, onFailure: fail }).catch((error: unknown) => {
    throw inArguments(error);
  });
  console.log(`publishers connect to ${forwarder.in}`);
  console.log(`subscribers connect to ${forwarder.out}`);
  const stop = (): void => {
    // A second signal ends it the hard way.
    process.off('SIGINT', stop).off('SIGTERM', stop);
    forwarder.close().then(() => process.exit(0), fail);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
}

function printKeys(wanted: KeygenArguments): void {
  for (const line of keygen(wanted, curveKeyPair)) console.log(line);
}

function refuse(what: string): void {
  complain(`${what}.\n\n${USAGE}`);
}

function complain(what: string): void {
  console.error(`tracebus: ${what}`);
  process.exitCode = 2;
}

function fail(error: unknown): void {
  console.error(`tracebus: ${messageOf(error)}`);
  process.exit(1);
}

function version(): string {
  // Two folders up in src and in dist alike.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
