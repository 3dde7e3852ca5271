/** Finds services by the metrics that they serve on this machine. */
import type { Target } from './start.ts';

/** The port that OpenTelemetry's exporters take by default; further processes on the same machine take the next ones. */
const FIRST_PORT = 9464;
const PORTS = 16;

/** Whoever serves metrics on this machine answers at once. */
const ANSWER_TIMEOUT_MS = 500;

/** What answers now, with the name that it gives itself. */
export async function findServices(firstPort: number = FIRST_PORT): Promise<Target[]> {
  const urls = Array.from({ length: PORTS }, (_, index) => `http://127.0.0.1:${firstPort + index}/metrics`);
  const found = await Promise.all(urls.map(ask));
  return found.filter((target) => target !== undefined);
}

/** Undefined where nobody answers, or somebody who is no service with OpenTelemetry. */
async function ask(url: string): Promise<Target | undefined> {
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    text = await response.text();
  } catch {
    return undefined; // nobody listens there, or something else than HTTP
  }
  const job = /^target_info\{(?:.*,)?service_name="((?:[^"\\]|\\.)*)"/m.exec(text)?.[1];
  return job === undefined ? undefined : { url, job };
}
