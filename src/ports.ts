/** The ports and topics that the examples and the defaults use. Define your own beside them. */

/** Default ports of the three patterns. */
export const Ports = { GLOBAL_EVENTS: 5555, TASK_RESULTS: 5556, STATE_MANAGEMENT: 5557 } as const;

/** Topics of the examples. */
export const Topics = { PRICE_TICK: 'price.tick' } as const;
