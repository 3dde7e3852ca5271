/**
 * Which subscribers want a topic, remembered per topic together with the order of its messages. Bounded, as topics come from
 * outside; what is forgotten is the topic that was not asked for lately, and never one whose messages are on their way: their
 * order would be lost.
 */
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
  /** The option `link` of the first of them that gives one. */
  link: boolean | undefined = undefined;
  /** The version of the table that `subscribers` is from. */
  version = -1;
  /** Asked for again since it was made, or since it was last spared. */
  used = false;

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

  /** The route of a topic; made, where there is none. */
  for(topic: string): Route {
    let route = this.known(topic);
    if (route === undefined) {
      route = new Route(topic, this.#series);
      this.#resolve(route);
      if (this.#routes.size >= MAX_ROUTES) this.#forget();
      this.#routes.set(topic, route);
      this.#recent = route;
    }
    return route;
  }

  /** The route of a topic that messages have come for. */
  known(topic: string): Route | undefined {
    const route = this.#recent?.topic === topic ? this.#recent : this.#routes.get(topic);
    if (route === undefined) return undefined;
    route.used = true;
    if (route.version !== this.#version) {
      this.#resolve(route);
    }
    this.#recent = route;
    return route;
  }

  /** Whether any pattern asks for the topic. Makes no route: what nobody wants must not displace what somebody does. */
  wants(topic: string): boolean {
    return (this.known(topic)?.subscribers ?? this.#trie.match(topic)).length > 0;
  }

  #resolve(route: Route): void {
    route.subscribers = this.#trie.match(route.topic);
    route.link = route.subscribers.find(({ link }) => link !== undefined)?.link;
    route.version = this.#version;
  }

  /** Makes room for one. With every route in use there are more for a while: messages on their way are bounded elsewhere. */
  #forget(): void {
    let left = 2 * this.#routes.size;
    for (const [topic, route] of this.#routes) {
      this.#routes.delete(topic);
      if (!route.used && route.gate.idle) {
        if (this.#recent === route) this.#recent = undefined;
        if (this.#routes.size < MAX_ROUTES) return;
        continue;
      }
      // Spared, and looked at last the next time.
      route.used = false;
      this.#routes.set(topic, route);
      if (--left === 0) return;
    }
  }
}
