/** Average and standard deviation of the last rows of one symbol. */

/** What is known when the window is full. */
export interface Band {
  readonly average: number;
  /** How far the price is from the average, in standard deviations; 0 when prices do not move. */
  readonly deviations: number;
  /** The window has moved on by its own length since the last time this was true. */
  readonly isComplete: boolean;
}

export class MovingAverage {
  readonly window: number;
  readonly #prices: number[] = [];
  #next = 0;
  #lastDate = '';

  constructor(window: number) {
    this.window = window;
  }

  /** Undefined until there are enough rows. An earlier date than the last one starts anew: the replay begins again. */
  add(date: string, price: number): Band | undefined {
    if (date < this.#lastDate) this.#restart();
    this.#lastDate = date;
    this.#prices[this.#next] = price;
    this.#next = (this.#next + 1) % this.window;
    if (this.#prices.length < this.window) return undefined;
    const average = mean(this.#prices);
    const deviation = Math.sqrt(mean(this.#prices.map((one) => (one - average) ** 2)));
    const deviations = deviation === 0 ? 0 : (price - average) / deviation;
    return { average, deviations, isComplete: this.#next === 0 };
  }

  #restart(): void {
    this.#prices.length = 0;
    this.#next = 0;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
