/** What is said of an option that nobody knows: the nearest known name, or the new name of a key of the Python predecessor. */

/** The config keys of the Python class, and what they are called here. */
export const PREDECESSOR_KEYS: Readonly<Record<string, string>> = {
  hwm_outbound: 'hwmOutbound',
  hwm_inbound: 'hwmInbound',
  pub_send_timeout: 'publishTimeoutMs',
  push_send_timeout: 'pushTimeoutMs',
  req_total_timeout: 'requestTimeoutMs',
  rep_recv_timeout: '',
  rep_send_timeout: 'replySendTimeoutMs',
  failed_socket_cooldown: 'failedSocketCooldownMs',
  handler_max_concurrency: 'handlerMaxConcurrency',
  log_level_no_handler: 'logLevelNoHandler',
  close_linger_ms: 'closeLingerMs',
};

/** What to say of it, given the names that there are. */
export function unknownOption(name: string, known: readonly string[]): string {
  if (Object.hasOwn(PREDECESSOR_KEYS, name)) {
    const now = PREDECESSOR_KEYS[name];
    return now === '' || now === undefined
      ? `Unknown option \`${name}\`: receiving is event-driven here and never times out, so leave it out`
      : `Unknown option \`${name}\`: it is called \`${now}\` here, and times are milliseconds`;
  }
  const nearest = known.map((one) => ({ one, far: distance(name, one) })).sort((a, b) => a.far - b.far)[0];
  const hint = nearest !== undefined && nearest.far <= 4 ? `; did you mean \`${nearest.one}\`?` : '';
  return `Unknown option \`${name}\`${hint}`;
}

/** Levenshtein distance, case-insensitive. */
function distance(a: string, b: string): number {
  const [from, to] = [a.toLowerCase(), b.toLowerCase()];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const swap = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
