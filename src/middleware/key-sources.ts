/** Keys from the environment and from files: the text form of key.ts, a JSON list or one object per line. */
import { fstatSync, openSync, closeSync, readFileSync, statSync } from 'node:fs';
import { BusError, messageOf } from '../core/errors.ts';
import type { MessagePattern } from '../core/kinds.ts';
import type { MiddlewareHost } from '../core/middleware.ts';
import { aFunction, aString, expectObject, expectOption, optionsCheck, whole } from '../core/option-checks.ts';
import { importKey } from './import-key.ts';
import type { Key, KeyText } from './key.ts';
import { KeyList } from './key-provider.ts';
import type { KeyProvider } from './key-provider.ts';

/** Options of {@link keysFromFile}. */
export interface KeyFileOptions {
  /** How often the file is looked at; what has changed is read again. @default 60000 */
  readonly refreshMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const checkOptions = optionsCheck({ refreshMs: whole(0), now: aFunction });
const MAKE_KEYS = '`npx tracebus keygen hmac|ed25519|aes` prints one, as one line.';
const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is none',
  ENOTDIR: 'there is none',
  EACCES: 'it may not',
  EPERM: 'it may not',
  EISDIR: 'it is a folder',
};
/** Whoever else may read or write the file. */
const OTHERS = 0o077;

/**
 * Keys from an environment variable, read once: a JSON list of keys as `tracebus keygen` prints them, or one per line.
 *
 * @throws TypeError that names the variable and never its value
 * @example
 * ```ts
 * import { keysFromEnvironment, sign } from 'tracebus/middleware';
 *
 * bus.use(sign({ keys: keysFromEnvironment('BUS_KEYS') }));
 * ```
 */
export function keysFromEnvironment(
  variable = 'TRACEBUS_KEYS',
  environment: Readonly<Record<string, string | undefined>> = process.env,
): readonly Key[] {
  expectObject('environment', environment);
  const text = environment[variable];
  if (text === undefined || text.trim() === '') {
    throw new TypeError(`Expected the environment variable ${variable} to hold keys. ${MAKE_KEYS}`);
  }
  return parseKeys(text, `the environment variable ${variable}`);
}

/**
 * Keys from a file that nobody else may read (mode 0600 or 0400; not checked on Windows). The file is looked at again every `refreshMs`, so keys are rotated by
 * replacing it. A file that has become wrong is reported, and the keys before it stay.
 *
 * @throws TypeError for what is no list of keys, Error that names the file where it cannot be read or is open to others
 * @example
 * ```ts
 * import { keysFromFile, sign } from 'tracebus/middleware';
 *
 * bus.use(sign({ keys: keysFromFile('/run/secrets/bus-keys') }));
 * ```
 */
export function keysFromFile(path: string, options: KeyFileOptions = {}): KeyProvider {
  expectOption('path', path, aString);
  checkOptions(options);
  return new KeyFile(path, options);
}

class KeyFile implements KeyProvider {
  readonly #path: string;
  readonly #refreshMs: number;
  readonly #now: () => number;
  #host: MiddlewareHost | undefined;
  #keys: KeyList;
  #version: string;
  #checkedAt: number;

  constructor(path: string, { refreshMs = 60_000, now = Date.now }: KeyFileOptions) {
    this.#path = path;
    this.#refreshMs = refreshMs;
    this.#now = now;
    this.#checkedAt = now();
    this.#version = versionOf(path);
    this.#keys = this.#read();
  }

  attach(host: MiddlewareHost): void {
    this.#host = host;
  }

  get(kid: string): Key | undefined {
    this.#refresh();
    return this.#keys.get(kid);
  }

  current(topic: string, role: MessagePattern): Key | undefined {
    this.#refresh();
    return this.#keys.current(topic, role);
  }

  #refresh(): void {
    const now = this.#now();
    if (Math.abs(now - this.#checkedAt) < this.#refreshMs) return;
    this.#checkedAt = now;
    try {
      const version = versionOf(this.#path);
      if (version === this.#version) return;
      this.#keys = this.#read();
      this.#version = version;
    } catch (error) {
      const what = `the key file ${this.#path} could not be read again, the keys before it stay: ${messageOf(error)}`;
      this.#host?.report(new BusError('REJECTED', what));
    }
  }

  #read(): KeyList {
    return new KeyList(parseKeys(readPrivate(this.#path), `the key file ${this.#path}`), this.#now);
  }
}

/** What changes when a file is replaced or written. */
function versionOf(path: string): string {
  const { ino, mtimeMs, size } = ofFile(path, () => statSync(path));
  return [ino, mtimeMs, size].join(' ');
}

/** Checked and read through one descriptor, so that no other file can be put there in between. */
function readPrivate(path: string): string {
  const file = ofFile(path, () => openSync(path, 'r'));
  try {
    const { mode } = fstatSync(file);
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new Error(
        `Expected the key file ${path} to be readable by its owner alone (chmod 600), its mode is ${octal}`,
      );
    }
    return ofFile(path, () => readFileSync(file, 'utf8'));
  } finally {
    closeSync(file);
  }
}

/** The system's own errors say neither what the file is for nor where one comes from. */
function ofFile<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    const { code = messageOf(cause) } = cause as NodeJS.ErrnoException;
    const why = WHY[code] ?? code;
    throw new Error(`Expected the key file ${path} to be a file that this process can read, but ${why}. ${MAKE_KEYS}`, {
      cause,
    });
  }
}

/** Errors of JSON.parse quote what they could not read, which is a secret here. */
function parseKeys(text: string, source: string): Key[] {
  const trimmed = text.trim();
  const lines = trimmed.startsWith('[') ? [trimmed] : trimmed.split('\n').filter((line) => line.trim() !== '');
  const keys = lines.flatMap((line): KeyText[] => {
    try {
      const value = JSON.parse(line) as KeyText | KeyText[];
      return Array.isArray(value) ? value : [value];
    } catch {
      throw new TypeError(`Expected ${source} to hold keys in JSON: a list, or one per line. ${MAKE_KEYS}`);
    }
  });
  if (keys.length === 0) throw new TypeError(`Expected ${source} to hold at least one key. ${MAKE_KEYS}`);
  return keys.map(importKey);
}
