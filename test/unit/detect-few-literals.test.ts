import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FewLiterals } from '../../src/detect/few-literals.js';
import { Bench, packet, rules } from '../support/detect.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));

/** Few different bytes, both cases, so that near misses and hits are common. */
const byte = fc.constantFrom(0x41, 0x61, 0x42, 0x62, 0x5a, 0x7a, 0x00, 0x5b, 0xe1);
const literal = fc.record({
  bytes: fc.array(byte, { minLength: 1, maxLength: 12 }).map((list) => Uint8Array.from(list)),
  nocase: fc.boolean(),
});

function occurs(buffer: Uint8Array, l: { bytes: Uint8Array; nocase: boolean }): boolean {
  const fold = (b: number) => (l.nocase && b >= 65 && b <= 90 ? b + 32 : b);
  const haystack = Buffer.from(buffer.map(fold));
  return haystack.includes(Buffer.from(l.bytes.map(fold)));
}

/** One or two literals, and a buffer that the first was put into, its letters in either case. */
const planted = fc
  .tuple(fc.array(literal, { minLength: 1, maxLength: 2 }), fc.array(byte, { maxLength: 60 }), fc.nat(60), fc.nat(8), fc.boolean())
  .map(([literals, rest, where, start, upper]) => {
    const text = Buffer.from(literals[0].bytes).toString('latin1');
    const at = Math.min(where, rest.length);
    const flip = (t: string) => t.replace(/[a-z]/g, (c) => c.toUpperCase());
    const put = bytes(upper && literals[0].nocase ? flip(text) : text);
    return { literals, start: Math.min(start, at), mem: Uint8Array.from([...rest.slice(0, at), ...put, ...rest.slice(at)]) };
  });

test('a literal that occurs is never missed, alone or beside another (property)', () => {
  fc.assert(
    fc.property(planted, ({ literals, mem, start }) => {
      assert.ok(
        literals.some((l) => occurs(mem.subarray(start), l)),
        'the plant is there',
      );
      assert.ok(FewLiterals.of(literals)!.mayOccur(mem, start, mem.length));
      // Which of the two comes first makes no difference.
      assert.ok(FewLiterals.of(literals.toReversed())!.mayOccur(mem, start, mem.length));
    }),
    { numRuns: 3000 },
  );
});

test('first and last position, and nothing beyond either end', () => {
  const few = FewLiterals.of([{ bytes: bytes('evil'), nocase: false }])!;
  const mem = bytes('evil....evil');
  assert.equal(few.mayOccur(mem, 0, 4), true);
  assert.equal(few.mayOccur(mem, 8, 12), true);
  assert.equal(few.mayOccur(mem, 1, 11), false, 'both stand half outside');
  assert.equal(few.mayOccur(mem, 0, 3), false);
  assert.equal(few.mayOccur(mem, 5, 5), false);
});

test('many literals, and long buffers, are left to the addon', () => {
  const one = { bytes: bytes('abcdefgh'), nocase: true };
  assert.equal(FewLiterals.of([one, one, one]), null);
  assert.equal(FewLiterals.of([]), null);
  assert.equal(FewLiterals.of([one])!.maxLength, 128);
  assert.equal(FewLiterals.of([one, { bytes: bytes('ab'), nocase: false }])!.maxLength, 16);
});

test('a rule matches the same on either side of the border', () => {
  const bench = new Bench(rules('alert udp any any -> any any (content:"EviL"; nocase;)'));
  for (const length of [4, 30, 63, 64, 65, 66, 200]) {
    for (const at of [0, (length - 4) >> 1, length - 4]) {
      const text = `${'v'.repeat(at)}eVIl`.padEnd(length, 'e');
      assert.equal(bench.sids(packet({ payload: text })), '1', `${length} bytes, at ${at}`);
      assert.equal(bench.sids(packet({ payload: text.replace('eVIl', 'eVXl') })), '', `${length} bytes, none`);
    }
  }
  bench.detector.close();
});
