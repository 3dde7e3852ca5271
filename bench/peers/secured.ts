/** What the secured rows add to a bus. The keys are for the benchmark alone: both processes have them from here. */
import type { Middleware } from 'tracebus/core';
import { encrypt, importKey, sign } from 'tracebus/middleware';
import { zeromq } from 'tracebus/zeromq';
import type { Variant } from '../load.ts';

/** What the steps bind messages to. */
export const AUDIENCE = 'bench';

const secret = Buffer.alloc(32, 7).toString('base64url');

const SERVER = {
  publicKey: ':H9CmHcDBNYN4)Fj.B6VOnskEO4/!d>Ot&[gj/V>',
  secretKey: 'kRfkv4t<-p&a]M&7!q{#.B$Og1P/b#H/[Y/4i0)j',
};
const CLIENT = {
  publicKey: 'z[N8x}*zjDTfJd6+uuMFgP[62CS@)%Dd<ijNj+6H',
  secretKey: ')?>i(W5dM3BeR!G)w^y[mLHc5Tgn9l+iOnVA5Vo^',
};

/** The step that a row adds. */
export function securingStep(secured: Variant['secured']): Middleware | undefined {
  if (secured === 'signed') return sign({ keys: [importKey({ kid: 's1', alg: 'hmac-sha256', secret })] });
  if (secured === 'encrypted') return encrypt({ keys: [importKey({ kid: 'e1', alg: 'aes-256-gcm', secret })] });
  return undefined;
}

/** The transport that a row asks for. */
export function securedTransport(secured: Variant['secured']): ReturnType<typeof zeromq> | undefined {
  if (secured !== 'curve') return undefined;
  const { publicKey, secretKey } = SERVER;
  return zeromq({
    curve: {
      server: { publicKey, secretKey, authorized: [CLIENT.publicKey] },
      client: { ...CLIENT, serverKey: publicKey },
    },
  });
}
