/** Which endpoint a call means, and whether this bus binds or connects there. */
import type { EndpointPattern, EndpointRole, Endpoints } from './options.ts';

/** A whole endpoint, or a port number on the bus's host. */
export type EndpointChoice = string | number;

/** Who binds when nothing is configured: the side that there is one of. */
const BINDS: ReadonlySet<EndpointPattern> = new Set(['publish', 'pull', 'respond']);

const PATTERNS: ReadonlySet<string> = new Set(['publish', 'subscribe', 'push', 'pull', 'request', 'respond']);

/** One endpoint and this bus's part in it. */
export interface Place {
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
}

/** The endpoints of a bus. */
export class EndpointRoles {
  readonly #host: string;
  readonly #check: (endpoint: string) => void;
  readonly #places = new Map<EndpointPattern, readonly Place[]>();

  /** @throws RangeError or TypeError for an endpoint that makes no sense */
  constructor(host: string, roles: Endpoints, check: (endpoint: string) => void) {
    this.#host = host;
    this.#check = check;
    for (const [pattern, role] of Object.entries(roles) as [EndpointPattern, EndpointRole | undefined][]) {
      if (!PATTERNS.has(pattern)) {
        throw new TypeError(`Unknown pattern \`endpoints.${pattern}\`; there are ${[...PATTERNS].join(', ')}`);
      }
      if (role === undefined) continue;
      const places = placesOf(pattern, role);
      for (const { endpoint } of places) check(endpoint);
      this.#places.set(pattern, places);
    }
  }

  /**
   * Where a call goes: as configured, or to the endpoint that it names (in the configured part when it is one of those, else in the
   * pattern's usual part). @throws TypeError when nothing is configured, RangeError for an endpoint that makes no sense
   */
  places(pattern: EndpointPattern, choice?: EndpointChoice): readonly Place[] {
    const configured = this.#places.get(pattern) ?? [];
    if (choice === undefined) {
      if (configured.length > 0) return configured;
      throw new TypeError(`Expected \`endpoints.${pattern}\` to be configured, or an \`endpoint\` in the call`);
    }
    const endpoint = typeof choice === 'number' ? this.#port(choice) : choice;
    const known = configured.find((place) => place.endpoint === endpoint);
    if (known !== undefined) return [known];
    this.#check(endpoint);
    return [{ endpoint, mode: BINDS.has(pattern) ? 'bind' : 'connect' }];
  }

  #port(port: number): string {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new RangeError(
        `Expected \`endpoint\` to be a port from 0 to 65535 or a whole endpoint, got ${String(port)}`,
      );
    }
    return `tcp://${this.#host}:${String(port)}`;
  }
}

function placesOf(pattern: EndpointPattern, role: EndpointRole): readonly Place[] {
  const { bind, connect } = Object(role) as { bind?: unknown; connect?: unknown };
  if (typeof bind === 'string' && connect === undefined) return [{ endpoint: bind, mode: 'bind' }];
  const isList = Array.isArray(connect) && connect.length > 0 && connect.every((one) => typeof one === 'string');
  if (!isList || bind !== undefined) {
    throw new TypeError(`Expected \`endpoints.${pattern}\` to be { bind: endpoint } or { connect: [endpoint, ...] }`);
  }
  if (pattern === 'publish' && connect.length > 1) {
    throw new RangeError(
      'Expected `endpoints.publish.connect` to name one forwarder; publish to others with `{ endpoint }`',
    );
  }
  return connect.map((endpoint) => ({ endpoint, mode: 'connect' as const }));
}
