/**
 * What makes a value from outside dangerous to the code that gets it: a depth at which recursive code overflows, and keys that
 * change prototypes when the value is merged or copied. The codecs ask about the few values that a cheap look at the bytes could not clear.
 *
 * Both walks keep their own stack, so no depth overflows them. (Walking a parsed value takes a tenth of the time of
 * scanning its text for brackets, and `JSON.parse` itself does not recurse.)
 */

import { optionsCheck, whole } from '../core/option-checks.ts';

/** How deep arrays and objects may be nested when nothing else is said: recursive code is safe there, and no body needs more. */
export const DEFAULT_MAX_DEPTH = 64;

/** The options of the codecs. @throws TypeError or RangeError */
export const checkCodecOptions: (options: { readonly maxDepth?: number }) => void = optionsCheck({
  maxDepth: whole(1),
});

/** Whether arrays and objects are nested deeper than `maxDepth` levels. A cycle is. */
export function isDeeperThan(value: unknown, maxDepth: number): boolean {
  const open: object[] = [];
  const depths: number[] = [];
  const enter = (inner: unknown, depth: number): void => {
    if (!isContainer(inner)) return;
    open.push(inner);
    depths.push(depth);
  };
  enter(value, 1);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const depth = depths.pop() ?? 0;
    if (depth > maxDepth) return true;
    if (Array.isArray(next)) {
      for (const item of next) enter(item, depth + 1);
    } else {
      // The fastest walk over objects of one shape; what `for in` finds on a prototype besides does no harm here.
      for (const key in next) enter((next as Readonly<Record<string, unknown>>)[key], depth + 1);
    }
  }
  return false;
}

/** Which key of a decoded value, at any depth, can change a prototype, as a phrase, or undefined. The value has no cycles. */
export function unsafeKeyFault(value: unknown): string | undefined {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (!isContainer(next)) continue;
    if (Object.hasOwn(next, '__proto__')) return 'it has a key "__proto__"';
    if (hasChangedPrototype(next)) return 'a key "__proto__" has changed a prototype in it';
    if (
      Object.hasOwn(next, 'constructor') &&
      isContainer(next.constructor) &&
      Object.hasOwn(next.constructor, 'prototype')
    ) {
      return 'it has a key "constructor" that holds a key "prototype"';
    }
    for (const inner of Object.values(next)) open.push(inner);
  }
  return undefined;
}

/** Bytes are objects too, but hold numbers only. */
function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

/** Some decoders assign `__proto__`: the object then inherits from data, where a class has a function as its constructor. */
function hasChangedPrototype(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || prototype === Object.prototype) return false;
  return !(Object.hasOwn(prototype, 'constructor') && typeof prototype.constructor === 'function');
}
