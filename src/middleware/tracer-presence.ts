/** Whether anybody traces. The global provider is a proxy from the start, and says so only when asked for the real one. */
import { propagation } from '@opentelemetry/api';
import type { TracerProvider } from '@opentelemetry/api';
import { SCOPE_NAME } from '../core/semconv.ts';

/** What the API's proxy has beyond a provider; declared here because its class is deprecated. */
interface ProxyProvider {
  getDelegateTracer?(name: string): unknown;
}

/** False for the API's proxy while no SDK is registered; true for anything else. */
export function hasTracer(provider: ProxyProvider & TracerProvider): boolean {
  return provider.getDelegateTracer === undefined || provider.getDelegateTracer(SCOPE_NAME) !== undefined;
}

/** Whether the global propagator reads and writes anything: without an SDK trace contexts may still be passed through. */
export function hasPropagator(): boolean {
  return propagation.fields().length > 0;
}
