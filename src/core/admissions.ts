/**
 * The `admit` of requests, which no receive loop asks for: of one topic one after the other, as they start in that order too, and two that
 * were admitted out of order could wait for each other. Topics do not wait for each other: a handler at its limit that asks
 * another topic of the same responder would never be answered. A request that is given up meanwhile waits no longer.
 */
import { admit, letGo } from './incoming.ts';
import type { Kernel } from './kernel.ts';
import type { Release } from './middleware.ts';
import type { RespondCall } from './respond-call.ts';

/** See the head of this file. */
export class Admissions {
  readonly #kernel: Kernel;
  /** By topic, as long as somebody waits: settled when everybody so far has been admitted, refused or given up. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Somebody has to be asked. */
  get asks(): boolean {
    return this.#kernel.admits.length > 0;
  }

  admit(call: RespondCall): Release | undefined | Promise<Release | undefined> {
    const { admits } = this.#kernel;
    if (admits.length === 0) return undefined;
    const last = this.#last.get(call.ctx.topic);
    // Given up in the queue, it asks nobody any more.
    const ask = (): ReturnType<typeof admit> => (call.ctx.cancelled ? undefined : admit(admits, call.ctx));
    const answer = last === undefined ? ask() : last.then(ask);
    return answer instanceof Promise ? this.#wait(call, answer, last) : answer;
  }

  #wait(
    call: RespondCall,
    answer: Promise<Release | undefined>,
    last: Promise<void> | undefined,
  ): Promise<Release | undefined> {
    const { topic } = call.ctx;
    const admitted = new Promise<Release | undefined>((resolve, reject) => {
      call.giveUp = (reason) => {
        reject(reason);
        // A place that is given late goes straight back; a late refusal concerns nobody.
        answer.then((release) => {
          letGo(this.#kernel, release, 'respond');
        }, ignore);
      };
      answer.then((release) => {
        call.giveUp = undefined;
        resolve(release);
      }, reject);
    });
    // Who gives up in the queue must not let the next one pass those that are before it.
    const settled = Promise.all([last, admitted.then(ignore, ignore)]).then(ignore);
    this.#last.set(topic, settled);
    void settled.then(() => {
      if (this.#last.get(topic) === settled) this.#last.delete(topic);
    });
    return admitted;
  }
}

function ignore(): void {
  // Whoever asked is told.
}
