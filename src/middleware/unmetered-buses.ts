/**
 * Which buses found no SDK when they started. A meter that is obtained before there is one stays a no-op for ever, so what these buses count is never
 * exported; tracers and loggers are asked for with each message and each failure, and work with an SDK that comes late.
 */

const buses = new Set<object>();

/** A bus has started without meters, and is left out until the function that is returned is called. */
export function startedUnmetered(): () => void {
  const bus = {};
  buses.add(bus);
  return () => {
    buses.delete(bus);
  };
}

/** How many such buses there are. */
export function unmeteredBuses(): number {
  return buses.size;
}
