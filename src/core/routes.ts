/** Which subscribers want a topic, remembered per topic together with the order of its messages. Bounded: topics come from outside. */
import { OrderGate } from './order-gate.ts';
import type { Series } from './counters.ts';
import type { Subscriber } from './subscriber.ts';
import { TopicTrie } from './topic-trie.ts';

/** Topics remembered; a flood of names costs time and not memory. */
const MAX_ROUTES = 10_000;

/** One topic of one link. */
export class Route {
  readonly topic: string;
  readonly gate: OrderGate = new OrderGate();
  readonly #series: (topic: string) => Series;
  #received: Series | undefined = undefined;
  subscribers: readonly Subscriber[] = [];
  /** The version of the table that `subscribers` is from. */
  version = -1;

  constructor(topic: string, series: (topic: string) => Series) {
    this.topic = topic;
    this.#series = series;
  }

  /** Counts the messages of this topic. Made with the first: heartbeats name topics that nobody here asks for. */
  get received(): Series {
    return (this.#received ??= this.#series(this.topic));
  }
}

/** See the head of this file. */
export class Routes {
  readonly #trie = new TopicTrie<Subscriber>();
  readonly #routes = new Map<string, Route>();
  readonly #series: (topic: string) => Series;
  #version = 0;
  #recent: Route | undefined;

  constructor(series: (topic: string) => Series) {
    this.#series = series;
  }

  add(subscriber: Subscriber): void {
    this.#trie.add(subscriber.pattern, subscriber);
    this.#version++;
  }

  delete(subscriber: Subscriber): void {
    this.#trie.delete(subscriber.pattern, subscriber);
    this.#version++;
  }

  get size(): number {
    return this.#trie.size;
  }

  for(topic: string): Route {
    let route = this.#recent?.topic === topic ? this.#recent : this.#routes.get(topic);
    if (route === undefined) {
      route = new Route(topic, this.#series);
      if (this.#routes.size >= MAX_ROUTES) this.#forgetOldest();
      this.#routes.set(topic, route);
    }
    if (route.version !== this.#version) {
      route.subscribers = this.#trie.match(topic);
      route.version = this.#version;
    }
    this.#recent = route;
    return route;
  }

  #forgetOldest(): void {
    const oldest = this.#routes.keys().next();
    if (oldest.done !== true) this.#routes.delete(oldest.value);
  }
}
