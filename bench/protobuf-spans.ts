/** Counts the spans of an OTLP ExportTraceServiceRequest: resource_spans (1) -> scope_spans (2) -> spans (2). */

const PATH = [1, 2, 2];
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

export function countSpans(message: Buffer): number {
  return count(message, 0);
}

function count(message: Buffer, depth: number): number {
  let spans = 0;
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = message.readUInt8(at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === WIRE.varint) varint();
    else if (wire === WIRE.fixed64) at += 8;
    else if (wire === WIRE.fixed32) at += 4;
    else if (wire === WIRE.bytes) {
      const length = varint();
      const end = at + length;
      if (end > message.length) throw new RangeError('a field is longer than its message');
      if (field === PATH[depth]) spans += depth === PATH.length - 1 ? 1 : count(message.subarray(at, end), depth + 1);
      at = end;
    } else throw new RangeError(`unknown wire type ${wire}`);
  }
  return spans;
}
