/** `tracebus keygen`: new keys as the providers of tracebus/middleware read them, one JSON object per line. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { KID_PATTERN } from '../middleware/key.ts';
import { UsageError } from './usage-error.ts';

/** What keys there are. */
export type KeyKind = 'hmac' | 'ed25519' | 'aes' | 'curve';

const KINDS: readonly string[] = ['hmac', 'ed25519', 'aes', 'curve'];
const SECRET_BYTES = 32;

/** What `tracebus keygen` was asked for. */
export interface KeygenArguments {
  readonly kind: KeyKind;
  readonly kid: string;
  /** The name of an environment variable to print an assignment to. */
  readonly env: string | undefined;
}

/** A pair of CURVE keys. */
export type MakeCurveKeys = () => { readonly publicKey: string; readonly secretKey: string };

/** Reads the arguments after `keygen`; throws a UsageError that says which one is wrong. */
export function parseKeygen(args: string[]): KeygenArguments | 'help' {
  const { values, positionals } = read(args);
  if (values.help === true) return 'help';
  const [kind, ...others] = positionals;
  if (kind === undefined || !KINDS.includes(kind)) throw new UsageError(`A kind of key is needed: ${KINDS.join(', ')}`);
  if (others.length > 0) throw new UsageError(`One kind at a time, ${JSON.stringify(others[0])} is too much`);
  const { kid = `${kind}-${randomBytes(4).toString('hex')}`, env } = values;
  if (!KID_PATTERN.test(kid)) throw new UsageError('--kid: 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"');
  if (env !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(env)) throw new UsageError('--env: the name of a variable');
  return { kind: kind as KeyKind, kid, env };
}

/** The lines to print: the secret key first, then the public one where there is one. */
export function keygen({ kind, kid, env }: KeygenArguments, curve: MakeCurveKeys): string[] {
  const lines = keys(kind, kid, curve).map((key) => JSON.stringify(key));
  return env === undefined ? lines : lines.map((line, index) => `${env}${index === 0 ? '' : '_PUBLIC'}='${line}'`);
}

function keys(kind: KeyKind, kid: string, curve: MakeCurveKeys): object[] {
  switch (kind) {
    case 'hmac':
      return [{ kid, alg: 'hmac-sha256', secret: randomBytes(SECRET_BYTES).toString('base64url') }];
    case 'aes':
      return [{ kid, alg: 'aes-256-gcm', secret: randomBytes(SECRET_BYTES).toString('base64url') }];
    case 'ed25519': {
      const { privateKey } = generateKeyPairSync('ed25519');
      const { d, x } = privateKey.export({ format: 'jwk' });
      return [
        { kid, alg: 'ed25519', privateKey: d, publicKey: x },
        { kid, alg: 'ed25519', publicKey: x },
      ];
    }
    case 'curve': {
      const { publicKey, secretKey } = curve();
      return [{ publicKey, secretKey }, { publicKey }];
    }
  }
}

function read(args: string[]): {
  values: { kid?: string; env?: string; help?: boolean };
  positionals: string[];
} {
  try {
    const text = { type: 'string' } as const;
    const options = { kid: text, env: text, help: { type: 'boolean', short: 'h' } } as const;
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
