/**
 * What a stretch of work costs this process: CPU time of all its threads, and bytes allocated on the JavaScript heap.
 *
 * V8 does not say how much it has allocated in all, so the heap is looked at every so many messages and the growth added up. Where it
 * has shrunk, a collection ran in between; that stretch counts as the average of the others. Memory outside of the heap (contents of
 * Buffers) is not in it.
 */
import { getHeapStatistics } from 'node:v8';

/** CPU in microseconds, user and system. */
export interface Usage {
  readonly cpuUs: number;
  readonly heapBytes: number;
}

export class UsageMeter {
  #cpu = process.cpuUsage();
  #lastHeap = 0;
  #grown = 0;
  #growths = 0;
  #collections = 0;

  begin(): void {
    this.#grown = this.#growths = this.#collections = 0;
    this.#lastHeap = getHeapStatistics().used_heap_size;
    this.#cpu = process.cpuUsage();
  }

  /** Call it every so many messages. */
  sample(): void {
    const heap = getHeapStatistics().used_heap_size;
    if (heap >= this.#lastHeap) {
      this.#grown += heap - this.#lastHeap;
      this.#growths++;
    } else {
      this.#collections++;
    }
    this.#lastHeap = heap;
  }

  end(): Usage {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.sample();
    const share = this.#growths === 0 ? 0 : (this.#growths + this.#collections) / this.#growths;
    return { cpuUs: user + system, heapBytes: this.#grown * share };
  }
}

/** How many messages lie between two looks at the heap or the clock: few enough to see every collection, many enough to be cheap. */
export function sampleEvery(bytes: number): number {
  return bytes >= 16_384 ? 1 : 128;
}
