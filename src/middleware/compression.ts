/**
 * The algorithms of node:zlib behind one shape: small payloads at once, because the thread pool costs more than the work; larger ones in the
 * pool. Decompressing never makes more than it may: a few hundred bytes can stand for gigabytes.
 */
import * as zlib from 'node:zlib';
import { promisify } from 'node:util';

/** The algorithms by their option; zstd is in Node from 22.15 on. */
export type CompressionAlgorithm = 'gzip' | 'brotli' | 'zstd';

/** As the header `content-encoding` has them (RFC 9110, section 8.4.1). */
export const ENCODINGS: Readonly<Record<CompressionAlgorithm, string>> = { gzip: 'gzip', brotli: 'br', zstd: 'zstd' };

interface OutputLimit {
  readonly maxOutputLength: number;
}

/** One algorithm. */
export interface Compression {
  readonly encoding: string;
  compressNow(payload: Uint8Array): Buffer;
  compressInPool(payload: Uint8Array): Promise<Buffer>;
  expandNow(payload: Uint8Array, limit: OutputLimit): Buffer;
  expandInPool(payload: Uint8Array, limit: OutputLimit): Promise<Buffer>;
}

/** Node's own quality for brotli, 11, takes a hundred times as long as 4 for a tenth less. */
const BROTLI = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };

type Callback = (error: Error | null, result: Buffer) => void;
type Now = (payload: Uint8Array, options?: object) => Buffer;
type InPool = (payload: Uint8Array, options: object, callback: Callback) => void;

/** Not in the types of Node 20, nor in its zlib. */
interface Zstd {
  readonly zstdCompressSync?: Now;
  readonly zstdCompress?: InPool;
  readonly zstdDecompressSync?: Now;
  readonly zstdDecompress?: InPool;
}

/** An algorithm, where this runtime has it. */
export function compression(algorithm: CompressionAlgorithm): Compression | undefined {
  switch (algorithm) {
    case 'gzip':
      return made('gzip', [zlib.gzipSync, zlib.gzip, zlib.gunzipSync, zlib.gunzip]);
    case 'brotli':
      return made(
        'brotli',
        [zlib.brotliCompressSync, zlib.brotliCompress, zlib.brotliDecompressSync, zlib.brotliDecompress],
        BROTLI,
      );
    case 'zstd': {
      const { zstdCompressSync, zstdCompress, zstdDecompressSync, zstdDecompress } = zlib as Zstd;
      if (!zstdCompressSync || !zstdCompress || !zstdDecompressSync || !zstdDecompress) return undefined;
      return made('zstd', [zstdCompressSync, zstdCompress, zstdDecompressSync, zstdDecompress]);
    }
  }
}

/** True for the error of an output over its limit. */
export function isOverLimit(error: unknown): boolean {
  return error instanceof RangeError && (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
}

function made(
  algorithm: CompressionAlgorithm,
  [compressSync, compress, expandSync, expand]: readonly [Now, InPool, Now, InPool],
  options: object = {},
): Compression {
  const compressLater = promisify(compress);
  const expandLater = promisify(expand);
  return {
    encoding: ENCODINGS[algorithm],
    compressNow: (payload) => compressSync(payload, options),
    compressInPool: (payload) => compressLater(payload, options),
    expandNow: (payload, limit) => expandSync(payload, limit),
    expandInPool: (payload, limit) => expandLater(payload, limit),
  };
}
