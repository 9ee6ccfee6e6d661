import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isResponse } from '../../src/app-layer/dns/probe.js';
import { Likeness, PROBE_BYTES } from '../../src/app-layer/protocol.js';
import { bytes, DnsTalk, framed, hex, message, question, record } from '../support/dns.js';

const talk = new DnsTalk();
after(() => talk.close());
const limited = new DnsTalk({ limits: { anyPort: false } });
after(() => limited.close());

const first = (mem: Uint8Array) => mem.subarray(0, PROBE_BYTES);
const datagram = (mem: Uint8Array, port: number, from = talk) => from.dns.probeDatagram(0, first(mem), 0, first(mem).length, port);
const stream = (mem: Uint8Array, port: number, from = talk) => from.dns.probeStream(0, first(mem), 0, first(mem).length, port);

const QUERY = message({ questions: [question('www.example.org')], additionals: [record('', 41, new Uint8Array(0))] });
const ANSWER = message({ flags: 0x8180, questions: [question('www.example.org')], answers: [record('*12', 1, bytes('abcd'))] });
const LONG = message({ questions: [question(Array.from({ length: 4 }, () => 'x'.repeat(60)).join('.'))] });
const SNMP = hex('302902010004067075626c6963a01c02040d1b2a3b020100020100300e300c06082b060102010101000500');

test('requests and responses, short and long, on port 53 and elsewhere', () => {
  for (const mem of [QUERY, ANSWER, LONG]) {
    for (const port of [53, 5300]) {
      assert.equal(datagram(mem, port), Likeness.Yes);
      assert.equal(stream(framed(mem), port), Likeness.Yes);
      assert.equal(talk.dns.probe(0, first(mem), 0, first(mem).length, port), Likeness.Yes);
      assert.equal(talk.dns.probe(0, first(framed(mem)), 0, first(framed(mem)).length, port), Likeness.Yes);
    }
  }
});

test('other things are none', () => {
  for (const mem of [
    SNMP,
    bytes('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    bytes('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
    new Uint8Array(64),
    QUERY.subarray(0, 11),
  ]) {
    for (const port of [53, 5300]) {
      if (mem[0] !== 0) assert.equal(datagram(mem, port), Likeness.No);
      assert.notEqual(stream(mem, port), Likeness.Yes);
    }
  }
  assert.equal(datagram(new Uint8Array(64), 5300), Likeness.No);
});

test('elsewhere than on port 53 the tests are stricter, and ports of its relatives are left out', () => {
  const empty = message({ flags: 0x8180 });
  assert.deepEqual([datagram(empty, 53), datagram(empty, 5300)], [Likeness.Yes, Likeness.No]);
  const reserved = message({ flags: 0x0140, questions: [question('x')] });
  assert.deepEqual([datagram(reserved, 53), datagram(reserved, 5300)], [Likeness.Yes, Likeness.No]);
  assert.equal(datagram(QUERY, 5353), Likeness.No);
  assert.equal(datagram(QUERY, 5355), Likeness.No);
  assert.equal(datagram(QUERY, 137), Likeness.No);
  assert.deepEqual([datagram(QUERY, 53, limited), datagram(QUERY, 5300, limited)], [Likeness.Yes, Likeness.No]);
  assert.deepEqual([stream(framed(QUERY), 53, limited), stream(framed(QUERY), 5300, limited)], [Likeness.Yes, Likeness.No]);
});

test('ports that a configuration names are as 53 is', () => {
  const named = new DnsTalk({ limits: { ports: [5300], anyPort: false } });
  const empty = message({ flags: 0x8180 });
  assert.deepEqual([datagram(empty, 5300, named), datagram(QUERY, 53, named)], [Likeness.Yes, Likeness.No]);
  assert.deepEqual([stream(framed(QUERY), 5300, named), stream(framed(QUERY), 53, named)], [Likeness.Yes, Likeness.No]);
  named.close();
});

test('the beginning of a stream asks for more until the first question is there', () => {
  const mem = framed(QUERY);
  for (let n = 0; n < 2 + 12 + 17 + 4; n++) assert.equal(stream(mem.subarray(0, n), 53), Likeness.More, `${n} bytes`);
  assert.equal(stream(mem.subarray(0, 2 + 12 + 17 + 4), 53), Likeness.Yes);
});

test('which way a message goes', () => {
  assert.equal(isResponse(ANSWER, 0, ANSWER.length), true);
  assert.equal(isResponse(QUERY, 0, QUERY.length), false);
  assert.equal(isResponse(ANSWER, 0, 11), false);
});
