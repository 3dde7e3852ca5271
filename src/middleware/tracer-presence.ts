/** Whether anybody traces, and with what. The global provider is a proxy from the start, and says so only when asked for the real one. */
import { propagation, trace as api } from '@opentelemetry/api';
import type { Context, Span, SpanOptions, Tracer, TracerProvider } from '@opentelemetry/api';
import { SCHEMA_URL, SCOPE_NAME } from '../core/semconv.ts';

/** What the API's proxy has beyond a provider; declared here because its class is deprecated. */
interface ProxyProvider {
  getDelegateTracer?(name: string): unknown;
}

/** What makes spans. */
export type SpanMaker = Pick<Tracer, 'startSpan'>;

/**
 * The tracer of a provider, or of the global one, which may be registered late: API 1.10 is two copies, one for `import` and one for `require`, and
 * the proxy that the one has given hears nothing of what is registered with the other. So the global provider is asked for again until
 * there is an SDK.
 */
export class LateTracer implements SpanMaker {
  #provider: TracerProvider;
  #tracer: Tracer;
  #isLive: boolean;

  constructor(given: TracerProvider | undefined) {
    this.#isLive = given !== undefined;
    this.#provider = given ?? api.getTracerProvider();
    this.#tracer = tracerOf(this.#provider);
  }

  /** False while no SDK is registered; one that has come stays. */
  get isLive(): boolean {
    if (this.#isLive) return true;
    const provider = api.getTracerProvider();
    if (provider !== this.#provider) {
      this.#provider = provider;
      this.#tracer = tracerOf(provider);
    }
    this.#isLive = hasTracer(provider);
    return this.#isLive;
  }

  startSpan(name: string, options: SpanOptions, parent: Context): Span {
    return this.#tracer.startSpan(name, options, parent);
  }
}

/** Whether the global propagator reads and writes anything: without an SDK trace contexts may still be passed through. */
export function hasPropagator(): boolean {
  return propagation.fields().length > 0;
}

function tracerOf(provider: TracerProvider): Tracer {
  return provider.getTracer(SCOPE_NAME, undefined, { schemaUrl: SCHEMA_URL });
}

/** False for the API's proxy while no SDK is registered; true for anything else. */
export function hasTracer(provider: ProxyProvider & TracerProvider): boolean {
  return provider.getDelegateTracer === undefined || provider.getDelegateTracer(SCOPE_NAME) !== undefined;
}
