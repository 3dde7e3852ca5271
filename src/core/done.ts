/**
 * How a chain says that all of it has happened already. Steps that return what `next()` answered hand this very promise outwards, so
 * whoever gets it knows without waiting that the message has come to its end and nothing failed: no promise of its own is made for it,
 * and nobody waits for a tick. Any other promise may still be pending, or reject.
 */
export const DONE: Promise<void> = Promise.resolve();
