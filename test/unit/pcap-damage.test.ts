import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { CaptureFile } from '../../src/capture/pcap/capture-file.js';
import { Packet } from '../../src/decode/packet.js';
import { SluiceError } from '../../src/errors.js';
import { Bytes, scratch, writeBytes } from '../support/capture-bytes.js';

const folder = scratch();
const b = new Bytes(true);
const data = (n: number) => Buffer.alloc(n, 0x61);

interface Outcome {
  packets: number;
  error: string;
  warning: string;
  truncatedFiles: number;
}

/** Reads to the end or the first error; anything but a SluiceError, and any packet outside the buffer, fails the test. */
function outcome(path: string, file = new CaptureFile()): Outcome {
  const p = new Packet();
  let packets = 0;
  let error = '';
  try {
    file.open(path);
    while (file.next(p)) {
      packets++;
      assert.ok(p.off >= 0 && p.capLen >= 0 && p.off + p.capLen <= p.mem.length, `packet ${packets} lies outside the buffer`);
      assert.ok(p.wireLen >= p.capLen && p.tsNsec >= 0 && p.tsNsec < 1e9);
    }
  } catch (e) {
    if (!(e instanceof SluiceError)) throw e;
    assert.equal(e.code, 'SLUICE_CAPTURE_FILE');
    assert.match(e.message, /^[^\n]+$/);
    assert.ok(e.message.includes(path));
    error = e.message;
  }
  assert.equal(file.next(p), false, 'nothing more after the end or an error');
  return { packets, error, warning: file.warning, truncatedFiles: file.truncatedFiles };
}

const pcap = [b.pcapHeader(0xa1b2c3d4), b.record(1, 1, data(60)), b.record(2, 2, data(90))];
const ng = [b.section(), b.interface(1), b.enhanced(0, 1n, data(60)), b.simple(data(20)), b.obsolete(0, 9n, data(33))];

test('a truncated tail is a warning that names the place, after the packets before it', () => {
  const whole = Buffer.concat(pcap);
  const headerCut = outcome(writeBytes(folder, 'h.pcap', whole.subarray(0, 24 + 76 + 7)));
  assert.deepEqual([headerCut.packets, headerCut.error, headerCut.truncatedFiles], [1, '', 1]);
  assert.match(headerCut.warning, /h\.pcap ends within a record header at byte 100/);
  const bodyCut = outcome(writeBytes(folder, 'b.pcap', whole.subarray(0, whole.length - 1)));
  assert.deepEqual([bodyCut.packets, bodyCut.error, bodyCut.truncatedFiles], [1, '', 1]);
  assert.match(bodyCut.warning, /ends within a packet at byte 100/);
  const blockCut = outcome(writeBytes(folder, 'b.pcapng', Buffer.concat(ng).subarray(0, -1)));
  assert.deepEqual([blockCut.packets, blockCut.error, blockCut.truncatedFiles], [2, '', 1]);
  const skippedCut = outcome(writeBytes(folder, 's.pcapng', ...ng, b.block(99, data(5000)).subarray(0, 3000)), new CaptureFile(1024));
  assert.deepEqual([skippedCut.packets, skippedCut.truncatedFiles], [3, 1]);
});

test('a whole file gives no warning', () => {
  for (const path of [writeBytes(folder, 'ok.pcap', ...pcap), writeBytes(folder, 'ok.pcapng', ...ng)]) {
    const o = outcome(path);
    assert.deepEqual([o.error, o.warning, o.truncatedFiles], ['', '', 0]);
  }
});

test('damage is named with its offset, after the packets before it', () => {
  const cases: [string, Uint8Array[], number, RegExp][] = [
    [
      'length.pcap',
      [...pcap, b.record(3, 3, data(4), { captured: 0x7fffffff })],
      2,
      /at byte 206: a record claims 2147483647 captured bytes/,
    ],
    ['negative.pcap', [...pcap, b.record(3, 3, data(4), { captured: 0xffffffff })], 2, /at byte 206: a record claims 4294967295/],
    ['empty.pcap', [], 0, /at byte 0: the file is empty/],
    ['short.pcap', [data(3)], 0, /shorter than any capture/],
    ['header.pcap', [pcap[0].subarray(0, 20)], 0, /cut off after 20 of 24/],
    ['text.pcap', [data(100)], 0, /neither pcap nor pcapng \(it starts with 0x61616161\)/],
    ['version.pcap', [b.pcapHeader(0xa1b2c3d4, { major: 9 })], 0, /pcap version 9\.4/],
    ['order.pcapng', [ng[0].subarray(0, 8), data(24)], 0, /at byte 8: a section has no byte-order magic/],
    ['early.pcapng', [ng[0], ng[3]], 0, /at byte 28: a packet comes before the interface/],
    ['iface.pcapng', [ng[0], ng[1], ng[2], b.enhanced(5, 0n, data(8))], 1, /names interface 5, the section has 1/],
    ['small.pcapng', [...ng, b.u32(6, 8, 8)], 3, /a block claims 8 bytes/],
    ['huge.pcapng', [...ng, b.u32(6, 0xfffffff0, 8)], 3, /a block claims 4294967280 bytes/],
    ['big.pcapng', [...ng, b.u32(6, 0x00fffff0, 8)], 3, /a block of type 6 claims 16777200 bytes/],
    ['differ.pcapng', [...ng, b.u32(3, 16, 0, 20)], 3, /the two lengths of a block differ/],
    ['inner.pcapng', [...ng, b.block(6, b.u32(0, 0, 0, 61, 61), data(60))], 3, /claims 61 captured bytes in a block of 92/],
    ['option.pcapng', [b.section(), b.block(1, b.u16(1, 0), b.u32(0), b.u16(9, 400))], 0, /option claims 400 bytes, beyond its block/],
  ];
  for (const [name, parts, packets, message] of cases) {
    const o = outcome(writeBytes(folder, name, ...parts));
    assert.match(o.error, message, name);
    assert.equal(o.packets, packets, name);
  }
});

test('a file that is missing or a folder says so', () => {
  assert.match(outcome(`${folder}/none.pcap`).error, /there is no such file/);
  mkdirSync(`${folder}/dir`);
  assert.match(outcome(`${folder}/dir`).error, /it is a directory/);
});

test('after a damaged file the same reader reads a good one', () => {
  const file = new CaptureFile();
  outcome(writeBytes(folder, 'bad.pcapng', ng[0], ng[3]), file);
  assert.deepEqual(outcome(writeBytes(folder, 'good.pcapng', ...ng), file), { packets: 3, error: '', warning: '', truncatedFiles: 0 });
});

test('property: any change of a capture file gives packets within the buffer and at worst a SluiceError', () => {
  const big = new Bytes(false);
  const seeds = [
    Buffer.concat(pcap),
    Buffer.concat([big.pcapHeader(0xa1b23c4d), big.record(1, 1, data(10)), big.record(1, 1, data(300))]),
    Buffer.concat(ng),
    Buffer.concat([big.section(), big.interface(1, { tsresol: 0x83, tsoffset: -4n }), big.enhanced(0, 1n << 60n, data(11)), ...ng]),
  ];
  const small = new CaptureFile(512);
  const normal = new CaptureFile();
  const mutation = fc.record({
    at: fc.nat(600),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constantFrom(Buffer.from('ffffffff', 'hex'), Buffer.from('7fffffff', 'hex'), Buffer.from('ffffff7f', 'hex'), Buffer.alloc(4)),
    ),
    insert: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.nat(seeds.length - 1), fc.array(mutation, { maxLength: 6 }), fc.option(fc.nat(600)), (seed, mutations, cut) => {
      let file = Buffer.from(seeds[seed]);
      for (const { at, bytes, insert } of mutations) {
        const from = at % (file.length + 1);
        file = Buffer.concat([file.subarray(0, from), bytes, file.subarray(insert ? from : from + bytes.length)]);
      }
      const path = writeBytes(folder, 'mutated', cut === null ? file : file.subarray(0, cut));
      small.truncatedFiles = normal.truncatedFiles = 0;
      const a = outcome(path, small);
      const n = outcome(path, normal);
      assert.ok(n.packets >= a.packets, 'a larger buffer never reads less');
    }),
    { numRuns: 3000, seed: 20261121 },
  );
});
