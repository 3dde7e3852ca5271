/** The body that both sides of the comparison encode and parse: the same work needs the same bytes. */

/** About 100 bytes of JSON, numbered. */
export function bodyOf(i: number): unknown {
  return {
    symbol: 'BTC',
    price: 43210.5 + (i % 100),
    volume: 1234,
    side: 'buy',
    venue: 'XYZ',
    note: 'abcdefghijklmno',
  };
}
