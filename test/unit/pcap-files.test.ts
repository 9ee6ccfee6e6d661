import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptureFile } from '../../src/capture/pcap/capture-file.js';
import { CaptureWriter } from '../../src/capture/pcap/writer.js';
import { Packet } from '../../src/decode/packet.js';
import { native } from '../../src/native.js';
import { Bytes, type Delivered, scratch, writeBytes } from '../support/capture-bytes.js';

const folder = scratch();
const hex = (text: string) => Buffer.from(text, 'latin1');

function readAll(path: string, file = new CaptureFile()): Delivered[] {
  const p = new Packet();
  const all: Delivered[] = [];
  file.open(path);
  while (file.next(p)) {
    const data = Buffer.from(p.mem.subarray(p.off, p.off + p.capLen)).toString('latin1');
    all.push({ data, wire: p.wireLen, linkType: p.linkType, sec: p.tsSec, nsec: p.tsNsec, count: p.pcapCount });
  }
  return all;
}

for (const little of [true, false]) {
  const b = new Bytes(little);
  const order = little ? 'little' : 'big';

  test(`pcap, ${order}-endian: microseconds, nanoseconds and the modified format`, () => {
    for (const [magic, extra, nsec] of [
      [0xa1b2c3d4, 0, 5000],
      [0xa1b23c4d, 0, 5],
      [0xa1b2cd34, 8, 5000],
    ]) {
      const path = writeBytes(
        folder,
        'a.pcap',
        b.pcapHeader(magic, { linkType: 101 }),
        b.record(1700000000, 5, hex('first'), { extra }),
        b.record(1700000001, 0, hex('second!'), { wire: 1500, extra }),
      );
      assert.deepEqual(readAll(path), [
        { data: 'first', wire: 5, linkType: 101, sec: 1700000000, nsec, count: 1 },
        { data: 'second!', wire: 1500, linkType: 101, sec: 1700000001, nsec: 0, count: 2 },
      ]);
    }
  });

  test(`pcapng, ${order}-endian: enhanced, obsolete and simple packets of two interfaces`, () => {
    const path = writeBytes(
      folder,
      'a.pcapng',
      b.section(),
      b.interface(1),
      b.interface(101, { tsresol: 9 }),
      b.enhanced(0, 1700000000_000005n, hex('micro')),
      b.block(0x0bad, hex('a block nobody knows')),
      b.enhanced(1, 1700000000_000000007n, hex('nano'), 900),
      b.obsolete(1, 1700000001_999999999n, hex('obsolete')),
      b.simple(hex('simple'), 70),
    );
    assert.deepEqual(readAll(path), [
      { data: 'micro', wire: 5, linkType: 1, sec: 1700000000, nsec: 5000, count: 1 },
      { data: 'nano', wire: 900, linkType: 101, sec: 1700000000, nsec: 7, count: 2 },
      { data: 'obsolete', wire: 8, linkType: 101, sec: 1700000001, nsec: 999999999, count: 3 },
      // As much as the block holds: a simple packet's padding cannot be told from its data when it was cut.
      { data: 'simple\0\0', wire: 70, linkType: 1, sec: 0, nsec: 0, count: 4 },
    ]);
  });
}

test('pcapng: sections of both byte orders in one file, each with its own interfaces', () => {
  const big = new Bytes(false);
  const little = new Bytes(true);
  const path = writeBytes(
    folder,
    'sections.pcapng',
    big.section(),
    big.interface(1),
    big.enhanced(0, 1n, hex('one')),
    little.section(little.option(1, Buffer.alloc(40000, 0x20))),
    little.interface(113),
    little.enhanced(0, 2n, hex('two')),
  );
  assert.deepEqual(
    readAll(path).map((d) => [d.data, d.linkType, d.nsec]),
    [
      ['one', 1, 1000],
      ['two', 113, 2000],
    ],
  );
});

test('pcapng: time units of 2^-n, 10^-n and whole-second offsets', () => {
  const b = new Bytes(true);
  const cases: [number, bigint, bigint, number, number][] = [
    [6, 0n, 1700000000_123456n, 1700000000, 123456000],
    [6, 3600n, 1700000000_123456n, 1700003600, 123456000],
    [9, -10n, 1700000000_000000001n, 1699999990, 1],
    [3, 0n, 1700000000_250n, 1700000000, 250000000],
    [0, 0n, 1700000000n, 1700000000, 0],
    [10, 0n, 1700000000_1234567891n, 1700000000, 123456789],
    [0x80 | 10, 0n, 1700000000n * 1024n + 512n, 1700000000, 500000000],
    [0x80 | 32, 0n, (1700000000n << 32n) + (1n << 30n), 1700000000, 250000000],
    [9, 0n, 18446744073_709551615n, 18446744073 | 0, 709551615],
    [6, 0n, 18446744073709_551615n, Number(BigInt.asIntN(32, 18446744073709n)), 551615000],
  ];
  for (const [tsresol, tsoffset, time, sec, nsec] of cases) {
    const path = writeBytes(folder, 't.pcapng', b.section(), b.interface(1, { tsresol, tsoffset }), b.enhanced(0, time, hex('x')));
    const [d] = readAll(path);
    assert.deepEqual([d.sec, d.nsec], [sec, nsec], `resolution ${tsresol}, offset ${tsoffset}, time ${time}`);
  }
});

test('packets stay whole however the buffer is cut, and lie in the region the addon knows', () => {
  const b = new Bytes(true);
  const data = Array.from({ length: 300 }, (_, i) => Buffer.alloc((i * 37) % 193, i));
  const pcap = writeBytes(folder, 'cut.pcap', b.pcapHeader(0xa1b23c4d), ...data.map((d, i) => b.record(i, i, d)));
  const ng = writeBytes(
    folder,
    'cut.pcapng',
    b.section(),
    b.interface(1, { tsresol: 9 }),
    ...data.flatMap((d, i) => [b.enhanced(0, BigInt(i) * 1000000001n, d), b.block(77, Buffer.alloc(i * 3))]),
  );
  for (const size of [260, 333, 1024, 4096]) {
    for (const path of [pcap, ng]) {
      const got = readAll(path, new CaptureFile(size));
      assert.equal(got.length, data.length);
      got.forEach((d, i) => {
        assert.equal(d.data, data[i].toString('latin1'), `packet ${i}, buffer ${size}`);
        assert.deepEqual([d.sec, d.nsec], [i, i]);
      });
    }
  }
  const file = new CaptureFile(1024);
  const p = new Packet();
  file.open(pcap);
  const id = native.matchCompile([data[150].subarray(0, 8)], Uint8Array.of(0), Uint32Array.of(4));
  const out = new Uint32Array(4);
  const hits: number[] = [];
  while (file.next(p)) if (p.capLen > 0 && native.matchScan(id, p.region, p.off, p.capLen, out) > 0) hits.push(p.pcapCount);
  native.matchFree(id);
  assert.deepEqual(hits, [151], 'the bytes the addon sees are the packet');
});

test('the packet count goes on over several files', () => {
  const file = new CaptureFile();
  const b = new Bytes(true);
  const path = writeBytes(folder, 'n.pcap', b.pcapHeader(0xa1b2c3d4), b.record(0, 0, hex('a')), b.record(0, 0, hex('b')));
  readAll(path, file);
  assert.deepEqual(
    readAll(path, file).map((d) => d.count),
    [3, 4],
  );
});

test('a record longer than the snapshot length is cut to it, as libpcap does', () => {
  const b = new Bytes(true);
  const path = writeBytes(
    folder,
    's.pcap',
    b.pcapHeader(0xa1b2c3d4, { snapLen: 3 }),
    b.record(0, 0, hex('abcdef')),
    b.record(0, 0, hex('g')),
  );
  assert.deepEqual(
    readAll(path).map((d) => [d.data, d.wire]),
    [
      ['abc', 6],
      ['g', 1],
    ],
  );
});

test('the upper half of the link type field (frame check sequence) is not part of the link type', () => {
  const b = new Bytes(true);
  const path = writeBytes(folder, 'fcs.pcap', b.pcapHeader(0xa1b2c3d4, { linkType: 0x24000001 }), b.record(0, 0, hex('x')));
  assert.equal(readAll(path)[0].linkType, 1);
});

test('what the writer writes, the reader reads, across its own buffer', () => {
  const path = `${folder}/w.pcap`;
  const writer = new CaptureWriter(path, 101);
  const data = Array.from({ length: 700 }, (_, i) => Buffer.alloc(4000 + i, i));
  data.forEach((d, i) => {
    writer.write(d, 4000000000 + i, 999999999 - i, i === 0 ? 9000 : undefined);
  });
  writer.close();
  const got = readAll(path);
  assert.equal(got.length, 700);
  assert.equal(got[0].wire, 9000);
  got.forEach((d, i) => {
    assert.deepEqual([d.data, d.linkType, d.sec >>> 0, d.nsec], [data[i].toString('latin1'), 101, 4000000000 + i, 999999999 - i]);
  });
});
