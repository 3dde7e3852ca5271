import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bareHeaderBlock, checkHeaderBlock } from '../../src/core/header-block.ts';
import { unsignedHeaderBlock } from '../../src/core/header-scan.ts';
import { encodeHeaderBlock, MessageHeaders } from '../../src/core/headers.ts';
import type { HeaderValue } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { DEFAULT_PACKET_LIMITS, HEADER_NAME_BY_ID, WELL_KNOWN_HEADERS } from '../../src/core/packet-layout.ts';

const { message } = KIND_NUMBERS;

/** As the receiving side sees them. */
function received(headers: MessageHeaders): MessageHeaders {
  const block = Buffer.from(encodeHeaderBlock(message, headers));
  checkHeaderBlock(block, 0, block.length, DEFAULT_PACKET_LIMITS);
  return MessageHeaders.fromBlock(block);
}

const code = (expected: string) => (error: unknown) => (error as { code?: unknown }).code === expected;

describe('MessageHeaders', () => {
  it('keeps the order in which headers were first set', () => {
    const headers = new MessageHeaders().set('b', '1').set('a', '2').set('b', '3');
    assert.deepEqual([...headers], [['b', '3'], ['a', '2']]); // prettier-ignore
    assert.deepEqual([...headers.entries()], [...headers]);
    assert.equal(headers.size, 2);
  });

  it('answers undefined for what is not there, whatever its name', () => {
    const headers = new MessageHeaders();
    for (const name of ['topic', 'constructor', '__proto__', '']) {
      assert.equal(headers.get(name), undefined);
      assert.equal(headers.has(name), false);
      assert.equal(headers.delete(name), false);
    }
    assert.equal(headers.size, 0);
    assert.deepEqual([...headers], []);
  });

  it('gives text by getText and never bytes', () => {
    const headers = new MessageHeaders().set('x-text', 'a').set('x-bytes', new Uint8Array([1]));
    assert.equal(headers.getText('x-text'), 'a');
    assert.equal(headers.getText('x-bytes'), undefined);
    assert.deepEqual(headers.get('x-bytes'), new Uint8Array([1]));
  });

  it('deletes a header and keeps the others', () => {
    const headers = MessageHeaders.from({ a: '1', b: '2', c: '3' });
    assert.equal(headers.delete('b'), true);
    assert.equal(headers.delete('b'), false);
    assert.deepEqual([...headers.entries()].flat(), ['a', '1', 'c', '3']);
  });

  it('is made of an object, of other headers, or of nothing', () => {
    const headers = MessageHeaders.from({ a: '1' });
    const copy = MessageHeaders.from(headers);
    copy.set('a', '2');
    assert.equal(headers.get('a'), '1');
    assert.equal(MessageHeaders.from(undefined).size, 0);
    assert.throws(() => MessageHeaders.from({ Bad: '1' }), code('INVALID_HEADER'));
  });

  it('gives an object without a prototype, in which `constructor` is a key like any other', () => {
    const object = MessageHeaders.from({ constructor: 'x' }).toObject();
    assert.equal(Object.getPrototypeOf(object), null);
    assert.deepEqual(Object.entries(object), [['constructor', 'x']]);
  });

  it('refuses a name that is not lower case, too long or otherwise odd', () => {
    for (const name of ['', 'Topic', 'a b', '-a', '__proto__', 'é', 'a\n', 'a'.repeat(65)]) {
      assert.throws(() => new MessageHeaders().set(name, 'x'), code('INVALID_HEADER'), name);
    }
    assert.equal(new MessageHeaders().set('a'.repeat(64), 'x').size, 1);
  });

  it('refuses a value that is neither text nor bytes, and the wrong one for a well-known header', () => {
    const set = (name: string, value: unknown) => () => new MessageHeaders().set(name, value as HeaderValue);
    assert.throws(set('x', 1), /INVALID_HEADER: The value of header "x" is neither text nor bytes/);
    assert.throws(set('x', undefined), code('INVALID_HEADER'));
    assert.throws(set('topic', new Uint8Array(1)), /Header "topic" takes text/);
    assert.throws(set('signature', 'text'), /Header "signature" takes bytes/);
  });

  it('refuses the 65th header', () => {
    const headers = new MessageHeaders();
    for (let index = 0; index < 64; index++) headers.set(`x${String(index)}`, '');
    assert.throws(() => headers.set('one-more', ''), /INVALID_HEADER: Header "one-more" would be number 65/);
    headers.set('x0', 'again');
    assert.equal(received(headers).size, 64);
  });

  it('refuses a value over 16 KiB at once, and headers over 16 KiB together when they are encoded', () => {
    assert.throws(() => new MessageHeaders().set('x', 'a'.repeat(16_385)), code('INVALID_HEADER'));
    const fits = new MessageHeaders().set('topic', 'a'.repeat(16_380));
    assert.equal(encodeHeaderBlock(message, fits).length, 16_384);
    for (const value of ['', 'a', 'é', new Uint8Array(5)]) {
      assert.throws(() => encodeHeaderBlock(message, fits.clone().set('x', value)), /exceed 16384 bytes/);
    }
    for (const value of ['a'.repeat(16_381), 'é'.repeat(8191), new Uint8Array(16_384)]) {
      assert.throws(() => encodeHeaderBlock(message, new MessageHeaders().set('x', value)), code('INVALID_HEADER'));
    }
    assert.equal(encodeHeaderBlock(message, new MessageHeaders().set('topic', 'é'.repeat(8190))).length, 16_384);
  });

  it('refuses half a surrogate pair, which has no UTF-8', () => {
    for (const text of ['\ud800', `${'a'.repeat(100)}\udc00`, '\ud800'.repeat(6000)]) {
      assert.throws(() => encodeHeaderBlock(message, new MessageHeaders().set('x', text)), code('INVALID_HEADER'));
    }
  });

  it('takes nothing but the signature once it is frozen', () => {
    const headers = new MessageHeaders().set('a', '1').freeze();
    assert.equal(headers.frozen, true);
    assert.throws(() => headers.set('a', '2'), code('HEADERS_FROZEN'));
    assert.throws(() => headers.delete('a'), code('HEADERS_FROZEN'));
    headers.set('signature', new Uint8Array(2));
    assert.equal(headers.delete('signature'), true);
    const copy = headers.clone().set('a', '2');
    assert.deepEqual([copy.frozen, copy.get('a'), headers.get('a')], [false, '2', '1']);
  });
});

describe('header blocks', () => {
  it('are one shared byte without headers', () => {
    const block = encodeHeaderBlock(message, undefined);
    assert.deepEqual([...block], [message]);
    assert.equal(encodeHeaderBlock(message, new MessageHeaders()), block);
    assert.equal(bareHeaderBlock(message), block);
    assert.equal(MessageHeaders.fromBlock(block).size, 0);
  });

  it('have a kind that exists', () => {
    const headers = MessageHeaders.from({ a: '1' });
    for (const kind of [0, 8, -1, 1.5]) {
      assert.throws(() => encodeHeaderBlock(kind, undefined), RangeError);
      assert.throws(() => encodeHeaderBlock(kind, headers), RangeError);
    }
  });

  it('keep the numbers of the well-known headers for ever', () => {
    assert.deepEqual(HEADER_NAME_BY_ID.slice(1), [
      'topic',
      'traceparent',
      'tracestate',
      'baggage',
      'content-type',
      'message-id',
      'correlation',
      'timeout-ms',
      'ttl',
      'error-code',
      'sender',
      'signature',
      'content-encoding',
      'bind',
      'attempt',
    ]);
    assert.ok(Object.values(WELL_KNOWN_HEADERS).every((id) => id > 0 && id < 32));
  });

  it('arrive as they were sent, in order, with the signature moved to the end', () => {
    const headers = new MessageHeaders()
      .set('signature', new Uint8Array([9]))
      .set('topic', 'state.get')
      .set('x-city', 'Zürich')
      .set('baggage', 'k=v,'.repeat(100))
      .set('x-empty', '')
      .set('x-bytes', new Uint8Array([0, 255]));
    const names = [...received(headers)].map(([name]) => name);
    assert.deepEqual(names, ['topic', 'x-city', 'baggage', 'x-empty', 'x-bytes', 'signature']);
    assert.equal(received(headers).getText('x-city'), 'Zürich');
    assert.deepEqual({ ...received(headers).toObject() }, {
      ...headers.toObject(),
      signature: Buffer.from([9]),
      'x-bytes': Buffer.from([0, 255]),
    }); // prettier-ignore
  });

  it('give what is signed as the part before the signature, the same bytes on both sides', () => {
    const headers = MessageHeaders.from({ topic: 'a', 'x-own': 'b' });
    const before = encodeHeaderBlock(message, headers);
    const signed = encodeHeaderBlock(message, headers.freeze().set('signature', new Uint8Array(64)));
    assert.deepEqual(unsignedHeaderBlock(signed), before);
    assert.deepEqual(unsignedHeaderBlock(before), before);
    assert.deepEqual([...unsignedHeaderBlock(bareHeaderBlock(message))], [message]);
  });

  it('can be changed after they arrived, whether or not they were read before', () => {
    const sent = MessageHeaders.from({ a: '1', b: '2' });
    assert.deepEqual([...received(sent).set('a', '3')].flat(), ['a', '3', 'b', '2']);
    const arrived = received(sent);
    assert.equal(arrived.delete('a'), true);
    assert.deepEqual([...arrived].flat(), ['b', '2']);
    assert.deepEqual([...received(sent).clone()].flat(), ['a', '1', 'b', '2']);
    assert.deepEqual(encodeHeaderBlock(message, received(sent)), encodeHeaderBlock(message, sent));
  });

  it('have no header without a name, also where there is room for more', () => {
    const headers = MessageHeaders.from({ a: '1' });
    assert.equal(headers.get(''), undefined);
    assert.equal(headers.has(''), false);
    assert.equal(headers.delete(''), false);
    assert.deepEqual([...headers].flat(), ['a', '1']);
  });

  it('keep their order beyond the room they begin with, and when some are taken out', () => {
    const headers = new MessageHeaders();
    for (let index = 0; index < 20; index++) headers.set(`h${String(index)}`, String(index));
    for (let index = 0; index < 20; index += 2) headers.delete(`h${String(index)}`);
    const copy = headers.clone().set('last', 'x');
    assert.equal(headers.size, 10);
    assert.deepEqual(
      [...copy].map(([, value]) => value),
      ['1', '3', '5', '7', '9', '11', '13', '15', '17', '19', 'x'],
    );
    assert.deepEqual([...received(copy)].flat(), [...copy].flat());
  });

  it('are encoded where no later block overwrites them, thousands of them', () => {
    const blocks: { block: Uint8Array; before: Uint8Array }[] = [];
    for (let index = 0; index < 5000; index++) {
      const value = index % 500 === 0 ? 'x'.repeat(16_000) : String(index).repeat(index % 40);
      const block = MessageHeaders.from({ a: value }).encode(message);
      blocks.push({ block, before: Uint8Array.from(block) });
    }
    for (const { block, before } of blocks) assert.deepEqual(Uint8Array.from(block), before);
  });

  it('share memory that no worker can be given', () => {
    const block = MessageHeaders.from({ a: '1' }).coveredBlock('message');
    const before = Uint8Array.from(block);
    try {
      structuredClone(block, { transfer: [block.buffer as ArrayBuffer] });
    } catch (error) {
      // Node 20 makes a copy without a word.
      assert.equal((error as Error).name, 'DataCloneError');
    }
    assert.deepEqual(Uint8Array.from(block), before);
    assert.deepEqual(Uint8Array.from(MessageHeaders.from({ a: '1' }).encode(message)), before);
  });

  it('take up to 16 KiB wherever they begin, and not a byte more', () => {
    const fits = { a: 'x'.repeat(16_384 - 1 - 5) };
    for (let index = 0; index < 10; index++) {
      MessageHeaders.from({ odd: 'y'.repeat(index * 701) }).encode(message);
      assert.equal(MessageHeaders.from(fits).encode(message).length, 16_384);
      assert.throws(() => MessageHeaders.from({ ...fits, b: '' }).encode(message), { code: 'INVALID_HEADER' });
    }
  });

  it('survive the round trip for any headers', () => {
    const name = fc.oneof(
      fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/).filter((text) => !Object.hasOwn(WELL_KNOWN_HEADERS, text)),
      fc.constantFrom('x', 'constructor', 'tostring'),
    );
    const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.uint8Array({ maxLength: 200 }));
    const own = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 20 });
    const wellKnown = fc.record({ topic: fc.string(), sender: fc.string() }, { requiredKeys: [] });
    fc.assert(
      fc.property(own, wellKnown, (entries, known) => {
        const headers = MessageHeaders.from({ ...Object.fromEntries(entries), ...known });
        const plain = (all: MessageHeaders) =>
          [...all].map(([key, item]) => [key, typeof item === 'string' ? item : [...item]]);
        assert.deepEqual(plain(received(headers)), plain(headers));
      }),
    );
  });
});
