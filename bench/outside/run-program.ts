/** Runs a program to its end and answers what it printed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIMEOUT_MS = 600_000;
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

interface Options {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @throws Error with the end of what the program wrote */
export async function runProgram(program: string, args: readonly string[], options: Options = {}): Promise<string> {
  const env = { ...process.env, ...options.env };
  const settings = { ...options, env, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  try {
    return (await promisify(execFile)(program, args, settings)).stdout;
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string | number; stderr?: string };
    if (code === 'ENOENT') throw new Error(`${program} is not installed`, { cause: error });
    const said = stderr.trim().split('\n').slice(-3).join(' ');
    throw new Error(`${program} ${args[0] ?? ''} failed (${String(code)}): ${said}`, { cause: error });
  }
}
