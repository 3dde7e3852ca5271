/**
 * `node --import tracebus/register app.js`: telemetry without a line of code, configured by the OTEL_* environment variables.
 *
 * The SDK is in place before the application's first line. It shuts down when the process has nothing left to do, and on
 * SIGTERM and SIGINT, and changes nothing about how the process ends: the exit code stays, a signal nobody else handles still
 * ends the process as a signal, and where the application handles it, telemetry is only flushed. After a `process.exit()`
 * of its own nothing more can be exported. When starting fails, a taken port for instance, the process ends with the error.
 *
 * Only in the main thread: worker threads inherit `--import` and would each open an endpoint.
 */
import { isMainThread } from 'node:worker_threads';
import { startTelemetry } from './start.ts';
import type { Telemetry } from './start.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

function endWithProcess(telemetry: Telemetry): void {
  process.once('beforeExit', () => {
    void telemetry.shutdown();
  });
  for (const signal of SIGNALS) {
    const onSignal = (): void => {
      if (process.listenerCount(signal) > 1) {
        void telemetry.flush(); // the application decides when to end; beforeExit follows if it ends by itself
        return;
      }
      process.off(signal, onSignal);
      void telemetry.shutdown().then(() => process.kill(process.pid, signal));
    };
    process.on(signal, onSignal);
  }
}

if (isMainThread) {
  startTelemetry().then(endWithProcess, (error: unknown) => {
    // Out of the promise, so that it ends the process like any error at start.
    process.nextTick(() => {
      throw error;
    });
  });
}
