import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import { PROTOCOL_SPECS } from '../../src/app-layer/protocols.js';
import { AppRecordWriter, appRecordJson, appRecordType, MOST_APP_BYTES } from '../../src/output/app-record.js';

const FTP = PROTOCOL_SPECS[AppProto.Ftp]!.names;
const bytes = (text: string) => Buffer.from(text, 'latin1');
const read = (w: AppRecordWriter) => appRecordJson(AppProto.Ftp, Buffer.from(w.bytes.subarray(0, w.length)));

test('every kind of value, objects and arrays', () => {
  const w = new AppRecordWriter();
  const text = (field: number, value: string) => w.text(field, bytes(value), 0, value.length);
  text(0, 'a"b\\\n');
  w.hex(1, Uint8Array.of(1, 171), 0, 2, false);
  w.hex(2, Uint8Array.of(1, 171), 0, 2, true);
  w.object(3);
  w.number(4, -12.5);
  w.word(5, 1);
  w.array(6);
  w.flag(-1, true);
  w.flag(-1, false);
  w.address(-1, Uint8Array.of(10, 0, 0, 1), 0, 4);
  w.end();
  w.end();
  text(0, 'grün');
  text(0, '\xc3\xa9');
  const [f0, f1, f2, f3, f4, f5, f6] = FTP.fields;
  assert.equal(
    read(w),
    `{"${f0}":"a\\"b\\\\\\n","${f1}":"01ab","${f2}":"01:ab","${f3}":{"${f4}":-12.5,"${f5}":"no","${f6}":[true,false,"10.0.0.1"]},` +
      `"${f0}":"gr\\\\xfcn","${f0}":"é"}`,
  );
  assert.equal(appRecordType(AppProto.Ftp), 'ftp');
  assert.equal(appRecordType(AppProto.Failed), '');
});

test('what does not fit is left out, and what is there stays whole', () => {
  const long = new Uint8Array(MOST_APP_BYTES - 100).fill(0x61);
  const w = new AppRecordWriter();
  w.array(0);
  w.text(-1, long, 0, long.length);
  for (let i = 0; i < 20; i++) w.text(-1, long, 0, 50);
  w.object(-1);
  w.text(1, long, 0, 200);
  w.array(2);
  w.end();
  w.end();
  w.end();
  w.number(3, 1);
  assert.ok(w.cut);
  const found = JSON.parse(read(w));
  assert.equal(found[FTP.fields[0]][0].length, long.length);
  w.reset();
  assert.equal(read(w), '{}');
});

test('deeper than anything means is left out', () => {
  const w = new AppRecordWriter();
  for (let i = 0; i < 20; i++) w.object(0);
  w.flag(0, true);
  for (let i = 0; i < 20; i++) w.end();
  w.flag(1, true);
  assert.ok(w.cut);
  JSON.parse(read(w));
});

test('any bytes: nothing, or JSON (property)', () => {
  const item = fc.oneof(
    fc.tuple(fc.constantFrom(1, 2, 3, 8), fc.nat(8), fc.uint8Array({ maxLength: 20 })).map(([k, f, b]) => [k, f, b.length, 0, ...b]),
    fc.tuple(fc.constantFrom(6, 7, 9, 10, 11), fc.nat(8)).map((x) => [...x]),
    fc.tuple(fc.constant(4), fc.nat(8), fc.nat(3)).map(([k, f, w]) => [k, f, w, 0]),
    fc.tuple(fc.constant(5), fc.nat(8), fc.uint8Array({ minLength: 8, maxLength: 8 })).map(([k, f, b]) => [k, f, ...b]),
    fc.array(fc.nat(255), { maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(item, { maxLength: 12 }), (items) => {
      const text = appRecordJson(AppProto.Ftp, Buffer.from(items.flat()));
      if (text !== '') JSON.parse(text);
    }),
    { numRuns: 3000 },
  );
});
