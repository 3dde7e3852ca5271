/** A pair of CURVE keys for the command line; the binding is loaded when they are asked for. */

/** Keys in Z85, 40 characters each (ZeroMQ RFC 32). */
export interface CurveKeyPair {
  readonly publicKey: string;
  readonly secretKey: string;
}

/** Makes a new pair. */
export async function curveKeyPair(): Promise<CurveKeyPair> {
  const { curveKeyPair: make } = await import('zeromq');
  return make();
}
