/** The file of `tracebus forward --curve`. What is wrong with it is told without showing anything that it holds. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { zeromq } from '../transports/zeromq/index.ts';
import type { CurveOptions, CurveServerOptions } from '../transports/zeromq/index.ts';

/** Others than the owner may read or write it. */
const OPEN_TO_OTHERS = 0o077;

/** Reads and checks it; throws an Error that says what is wrong. */
export function readCurveFile(path: string): CurveOptions {
  const text = readOwn(path);
  let server: unknown;
  try {
    server = JSON.parse(text);
  } catch {
    // The error of the parser quotes the text.
    throw new Error('The file is not JSON');
  }
  const options = { server: server as CurveServerOptions };
  // Makes no socket: it checks the keys.
  zeromq({ curve: options });
  return options;
}

/** What is checked is what is read: the path may be another file's by then. */
function readOwn(path: string): string {
  const file = openSync(path, 'r');
  try {
    if (process.platform !== 'win32' && (fstatSync(file).mode & OPEN_TO_OTHERS) !== 0) {
      throw new Error('The file holds a secret key and others may open it; run chmod 600 on it');
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}
