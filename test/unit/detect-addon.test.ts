import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { native } from '../../src/native.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const memory = new ArrayBuffer(256);
const view = new Uint8Array(memory);
const region = native.region(memory);
const compile = (...literals: string[]) =>
  native.matchCompile(
    literals.map(bytes),
    new Uint8Array(literals.length),
    Uint32Array.from(literals, (_, i) => i),
  );

test('an id of several literals is reported once', () => {
  const handle = native.matchCompile([bytes('abc'), bytes('bcd'), bytes('xyz')], new Uint8Array(3), new Uint32Array([7, 7, 9]));
  view.set(bytes('abcdabcd'));
  const out = new Uint32Array(4);
  for (let i = 0; i < 3; i++) {
    assert.equal(native.matchScan(handle, region, 0, 8, out), 1);
    assert.equal(out[0], 7);
  }
});

test('zero bytes are bytes like others', () => {
  const handle = compile('\0\0a', 'b\0');
  const out = new Uint32Array(4);
  view.set(bytes('b\0\0a'));
  assert.equal(native.matchScan(handle, region, 0, 4, out), 2);
  assert.equal(native.matchScan(handle, region, 1, 3, out), 1);
  assert.equal(out[0], 0);
});

test('a result that does not fit, and anything wrong in the call, is -1', () => {
  const handle = compile('a', 'b');
  view.set(bytes('ab'));
  assert.equal(native.matchScan(handle, region, 0, 2, new Uint32Array(1)), -1);
  assert.equal(native.matchScan(handle, region, 0, 2, new Uint8Array(8) as unknown as Uint32Array), -1);
  assert.equal(native.matchScan(handle, region, 0, 2, undefined as unknown as Uint32Array), -1);
  assert.equal(native.matchScan(handle, region, 0, 'x' as unknown as number, new Uint32Array(2)), -1);
  assert.equal(native.matchScan(handle, region, 0, 0, new Uint32Array(2)), 0);
  native.matchFree(handle);
  assert.equal(native.matchScan(handle, region, 0, 2, new Uint32Array(2)), -1);
  native.matchFree(handle);
  native.matchFree(4_000_000_000);
});

test('what cannot be compiled is refused with the reason', () => {
  assert.throws(() => compile(), /no literals/);
  assert.throws(() => compile('a', ''), /literal 1 is empty/);
  assert.throws(() => native.matchCompile([bytes('a'), bytes('b')], new Uint8Array(1), new Uint32Array(2)), /as many nocase flags/);
  assert.throws(
    () => native.matchCompile(['a'] as unknown as Uint8Array[], new Uint8Array(1), new Uint32Array(1)),
    /pattern 0 is not a Uint8Array/,
  );
  assert.throws(() => native.pcreCompile('a(b', '', 0, 0), /offset 3: missing closing parenthesis/);
  assert.throws(() => native.pcreCompile('a', 'q', 0, 0), /unknown flag 'q'/);
  assert.throws(() => native.pcreCompile('(*UTF)a', '', 0, 0), /UTF/);
});

test('no region, offset or length reaches outside the memory', () => {
  const handle = compile('a');
  const regex = native.pcreCompile('a', '', 0, 0);
  const out = new Uint32Array(1);
  view.fill(0x62);
  const any = fc.oneof(
    fc.integer({ min: -3, max: 300 }),
    fc.integer(),
    fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -1, Number.NaN),
  );
  fc.assert(
    fc.property(any, any, any, fc.constantFrom(region, region + 1, -1, 4_000_000_000), any, (offset, length, start, where, which) => {
      const found = native.matchScan(handle, where, offset, length, out);
      const inside = where === region && (offset >>> 0) + (length >>> 0) <= 256;
      assert.equal(found, inside ? 0 : -1);
      assert.equal(native.pcreMatch(regex, where, offset, length, start), -1);
      assert.ok([0, -1].includes(native.matchScan(which, where, offset, length, out)));
      assert.equal(native.pcreMatch(which, where, offset, length, start), -1);
    }),
    { numRuns: 2000, seed: 20261126 },
  );
});

test('a released region is gone', () => {
  const handle = compile('a');
  const other = native.region(new ArrayBuffer(64));
  assert.equal(native.matchScan(handle, other, 0, 64, new Uint32Array(1)), 0);
  native.regionRelease(other);
  assert.equal(native.matchScan(handle, other, 0, 64, new Uint32Array(1)), -1);
});

test('flags of an expression', () => {
  const cases: [string, string, string, number][] = [
    ['AB', 'i', 'xab', 3],
    ['a.b', '', 'a\nb', -1],
    ['a.b', 's', 'a\nb', 3],
    ['^b', '', 'a\nb', -1],
    ['^b', 'm', 'a\nb', 3],
    ['a b # c', 'x', 'ab', 2],
    ['b', 'A', 'ab', -1],
    ['a$', '', 'a\n', 1],
    ['a$', 'E', 'a\n', -1],
    ['a+', 'G', 'aaa', 1],
    ['\\xff\xe9', '', '\xff\xe9', 2],
  ];
  for (const [pattern, flags, subject, end] of cases) {
    view.set(bytes(subject));
    assert.equal(
      native.pcreMatch(native.pcreCompile(pattern, flags, 3500, 1500), region, 0, subject.length, 0),
      end,
      `/${pattern}/${flags}`,
    );
  }
});

test('a search goes on from where it is told, and says where the match began', () => {
  const regex = native.pcreCompile('a+', '', 3500, 1500);
  view.set(bytes('xaaxa'));
  assert.equal(native.pcreMatch(regex, region, 0, 5, 0), 3);
  assert.equal(native.pcreLastStart(), 1);
  assert.equal(native.pcreMatch(regex, region, 0, 5, 3), 5);
  assert.equal(native.pcreLastStart(), 4);
  assert.equal(native.pcreMatch(regex, region, 0, 5, 5), -1);
  assert.equal(native.pcreMatch(regex, region, 0, 5, 6), -1);
});

test('a match limit ends a search with -2', () => {
  const regex = native.pcreCompile('(a+)+$', '', 3500, 1500);
  view.fill(0x61);
  view[255] = 0x21;
  assert.equal(native.pcreMatch(regex, region, 0, 256, 0), -2);
});
