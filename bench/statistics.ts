/** Medians and spread of a few rounds. */

/** The middle and the edges of some values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The first and the third quartile. */
  readonly q1: number;
  readonly q3: number;
}

/** The value at the share `p` (0 to 1) of the sorted values, between two neighbours in proportion; NaN without values. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = p * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
  return below + (above - below) * (place - Math.floor(place));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function spread(values: readonly number[]): Spread {
  const at = (p: number): number => quantile(values, p);
  return { median: at(0.5), min: at(0), max: at(1), q1: at(0.25), q3: at(0.75) };
}

/** Least squares: how much `y` grows per unit of `x`; 0 where there is nothing to compare. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let [above, below] = [0, 0];
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
