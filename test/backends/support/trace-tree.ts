/** A trace as an indented list, one line for each span. */
import { parentOf, serviceOf, tagOf } from '../../../scripts/backends/jaeger-api.ts';
import type { JaegerTrace } from '../../../scripts/backends/jaeger-api.ts';

/** Exactly one root, and every other span's parent is in the trace. */
export function isConnected({ spans }: JaegerTrace): boolean {
  const ids = new Set(spans.map(({ spanID }) => spanID));
  const withoutParent = spans.filter((span) => !ids.has(parentOf(span) ?? ''));
  return withoutParent.length === 1 && withoutParent.every((span) => parentOf(span) === undefined);
}

/** `service KIND name`, indented by two for each ancestor; children in the order of their start. */
export function treeOf(trace: JaegerTrace): string[] {
  const ids = new Set(trace.spans.map(({ spanID }) => spanID));
  const below = (parent: string | undefined, indent: string): string[] =>
    trace.spans
      .filter((span) => {
        const known = parentOf(span);
        return (known !== undefined && ids.has(known) ? known : undefined) === parent;
      })
      .sort((a, b) => a.startTime - b.startTime)
      .flatMap((span) => [
        `${indent}${serviceOf(trace, span)} ${String(tagOf(span, 'span.kind')).toUpperCase()} ${span.operationName}`,
        ...below(span.spanID, `${indent}  `),
      ]);
  return below(undefined, '');
}
