/**
 * Which line of the SDK goes with what is installed: the two do not overlap. 0.2xx refuses @opentelemetry/api 1.10, and 0.3xx
 * refuses an older one and a Node before 22.15.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const API = '@opentelemetry/api';
const OLDER = { sdk: '0.223', api: '1.9' } as const;
const NEWER = { sdk: '0.301', apiMinor: 10, node: [22, 15] } as const;

/** The versions that decide. */
export interface Installed {
  /** Of @opentelemetry/api; undefined where that cannot be told. */
  readonly api: string | undefined;
  readonly node: string;
}

/** The command that installs packages of the SDK, in versions that can be installed. */
export function installCommand(packages: readonly string[], { api, node }: Installed): string {
  const [apiMajor = 1, apiMinor = 0] = numbers(api ?? OLDER.api);
  const [major = 0, minor = 0] = numbers(node);
  const isNewApi = apiMajor > 1 || apiMinor >= NEWER.apiMinor;
  const isNewNode = major > NEWER.node[0] || (major === NEWER.node[0] && minor >= NEWER.node[1]);
  const line = isNewApi && isNewNode ? NEWER.sdk : OLDER.sdk;
  const wanted = packages.map((name) => `${name}@${line}`);
  // This Node runs the older line alone, and that wants the API of its time.
  return ['npm install', ...wanted, ...(isNewApi && !isNewNode ? [`${API}@${OLDER.api}`] : [])].join(' ');
}

/** The version of the API at the path that it was resolved to; its package.json is not among its exports. */
export function apiVersion(resolved: string): string | undefined {
  const name = path.join('node_modules', ...API.split('/'));
  const at = resolved.lastIndexOf(name);
  if (at === -1) return undefined;
  try {
    const manifest = readFileSync(path.join(resolved.slice(0, at + name.length), 'package.json'), 'utf8');
    const { version } = JSON.parse(manifest) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined; // a bundle, say: this is about a hint in a message
  }
}

function numbers(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}
