/**
 * A number of bytes that several may hold together. Who finds no room waits in line, and is started inside of the call that makes
 * room: so one that turns out to need more is the first in line again before anybody behind it has started. Were it overtaken, those
 * behind could hold everything while they wait for their turn after it.
 */

/** What one holds. */
export interface Share {
  bytes: number;
}

interface Waiter {
  readonly share: Share;
  readonly bytes: number;
  start(): void;
}

/** See the head of this file. */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiting: Waiter[] = [];
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Starts, at once or when there is room, with so many bytes in all. A share that holds some already goes before the others. */
  grow<T>(share: Share, bytes: number, start: () => T | Promise<T>): T | Promise<T> {
    const isFirst = share.bytes > 0;
    if ((isFirst || this.#waiting.length === 0) && this.#fits(share, bytes)) {
      this.#set(share, bytes);
      return start();
    }
    return new Promise<T>((resolve) => {
      // What `start` throws rejects the inner promise.
      const waiter = { share, bytes, start: () => resolve(new Promise<T>((started) => started(start()))) };
      if (isFirst) this.#waiting.unshift(waiter);
      else this.#waiting.push(waiter);
    });
  }

  /** Gives back all but so many bytes. */
  shrink(share: Share, bytes: number): void {
    this.#set(share, bytes);
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#fits(next.share, next.bytes);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#set(next.share, next.bytes);
      next.start();
    }
  }

  #fits(share: Share, bytes: number): boolean {
    return this.#held - share.bytes + bytes <= this.#limit;
  }

  #set(share: Share, bytes: number): void {
    this.#held += bytes - share.bytes;
    share.bytes = bytes;
  }
}
