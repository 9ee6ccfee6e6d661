import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DNS_EVE_DEFAULTS, type DnsEveOptions, dnsEveOptions } from '../../src/app-layer/dns/options.js';
import { bytes, DnsTalk, hex, type Json, join, message, name, question, record, words } from '../support/dns.js';

const talk = new DnsTalk();
after(() => talk.close());
const VERSION2: DnsEveOptions = { ...DNS_EVE_DEFAULTS, version: 2 };

function records(datagram: Uint8Array, options: DnsEveOptions = DNS_EVE_DEFAULTS): Json[] {
  talk.dns.nextId = 3;
  talk.packet(0, datagram);
  talk.seen.length = 0;
  return talk.recordsOf(options);
}
const answersOf = (...answers: Uint8Array[]) => records(message({ flags: 0x8180, answers }))[0];

test('version 3: a request', () => {
  assert.deepEqual(records(message({ id: 16000, questions: [question('twitter.com')] })), [
    {
      version: 3,
      type: 'request',
      tx_id: 3,
      id: 16000,
      flags: '100',
      rd: true,
      opcode: 0,
      rcode: 'NOERROR',
      queries: [{ rrname: 'twitter.com', rrtype: 'A' }],
    },
  ]);
});

test('version 3: a response with all sections', () => {
  const soa = join(name('ns.x'), name('root.x'), words(0, 1, 0, 7200, 0, 900, 0x12, 0x7500, 1, 0x5180));
  const [seen] = records(
    message({
      id: 5,
      flags: 0x87f3,
      questions: [question('www.x', 65)],
      answers: [record('www.x', 5, name('x')), record('x', 1, Uint8Array.of(192, 0, 78, 24), 0xffffffff), record('x', 65, bytes('abc'))],
      authorities: [record('x', 6, soa)],
      additionals: [record('', 41, new Uint8Array(0)), record('', 41, join(words(10, 2), bytes('\x81\xb6')))],
    }),
  );
  assert.deepEqual(seen, {
    version: 3,
    type: 'response',
    tx_id: 3,
    id: 5,
    flags: '87f3',
    qr: true,
    aa: true,
    tc: true,
    rd: true,
    ra: true,
    z: true,
    opcode: 0,
    rcode: 'NXDOMAIN',
    queries: [{ rrname: 'www.x', rrtype: 'HTTPS' }],
    answers: [
      { rrname: 'www.x', rrtype: 'CNAME', ttl: 60, rdata: 'x' },
      { rrname: 'x', rrtype: 'A', ttl: 0xffffffff, rdata: '192.0.78.24' },
      { rrname: 'x', rrtype: 'HTTPS', ttl: 60 },
    ],
    authorities: [
      {
        rrname: 'x',
        rrtype: 'SOA',
        ttl: 60,
        soa: { mname: 'ns.x', rname: 'root.x', serial: 1, refresh: 7200, retry: 900, expire: 1209600, minimum: 86400 },
      },
    ],
    additionals: [{ rrname: '', rrtype: 'OPT', ttl: 60, opt: [{ code: 10, data: '81b6' }] }],
    grouped: { A: ['192.0.78.24'], CNAME: ['x'] },
  });
});

test('data of each type that is shown', () => {
  const srv = { priority: 20, weight: 1, port: 5060, name: 's.x' };
  const sshfp = { fingerprint: '12:34:ab', algo: 1, type: 2 };
  const seen = answersOf(
    record('a', 28, hex('20010db8000000000000000000000001')),
    record('b', 15, join(words(10), name('mx.x'))),
    record('c', 16, bytes('\x02ab\x00\x01c')),
    record('d', 10, bytes('VACKD\x03\xc5\xe9\x01')),
    record('e', 33, join(words(20, 1, 5060), name('s.x'))),
    record('f', 44, hex('01021234ab')),
    record('g', 1, bytes('')),
    record('h', 1, bytes('abc')),
    record('i', 65534, bytes('abc')),
  );
  const shown = seen.answers.map(({ ttl: _, ...rest }: Json) => rest);
  assert.deepEqual(shown, [
    { rrname: 'a', rrtype: 'AAAA', rdata: '2001:0db8:0000:0000:0000:0000:0000:0001' },
    { rrname: 'b', rrtype: 'MX', rdata: 'mx.x' },
    { rrname: 'c', rrtype: 'TXT', rdata: 'ab' },
    { rrname: 'c', rrtype: 'TXT', rdata: '' },
    { rrname: 'c', rrtype: 'TXT', rdata: 'c' },
    { rrname: 'd', rrtype: 'NULL', rdata: 'VACKD\x03\\xc5\\xe9\x01' },
    { rrname: 'e', rrtype: 'SRV', srv },
    { rrname: 'f', rrtype: 'SSHFP', sshfp },
    { rrname: 'g', rrtype: 'A' },
    { rrname: 'h', rrtype: 'A', rdata: '' },
    { rrname: 'i', rrtype: '65534' },
  ]);
  assert.deepEqual(seen.grouped.TXT, ['ab', '', 'c']);
  assert.deepEqual(seen.grouped.SRV, [srv]);
  assert.deepEqual(seen.grouped.SSHFP, [sshfp]);
});

test('codes without a name are numbers', () => {
  assert.equal(records(message({ flags: 0x800f, questions: [question('x', 61)] }))[0].rcode, '15');
  assert.equal(records(message({ questions: [question('x', 61)] }))[0].queries[0].rrtype, '61');
});

test('version 2: one record per question, one per answer', () => {
  assert.deepEqual(records(message({ flags: 0x0140, questions: [question('a'), question('b', 2)] }), VERSION2), [
    { type: 'query', id: 1, rrname: 'a', rrtype: 'A', tx_id: 3, z: true, opcode: 0 },
    { type: 'query', id: 1, rrname: 'b', rrtype: 'NS', tx_id: 3, z: true, opcode: 0 },
  ]);
  const answer = message({
    flags: 0x8180,
    questions: [question('a')],
    answers: [record('a', 1, bytes('abcd'))],
    additionals: [record('z', 1, bytes('abcd'))],
  });
  assert.deepEqual(records(answer, VERSION2), [
    {
      version: 2,
      type: 'answer',
      id: 1,
      flags: '8180',
      qr: true,
      rd: true,
      ra: true,
      opcode: 0,
      rrname: 'a',
      rrtype: 'A',
      rcode: 'NOERROR',
      answers: [{ rrname: 'a', rrtype: 'A', ttl: 60, rdata: '97.98.99.100' }],
      grouped: { A: ['97.98.99.100'] },
    },
  ]);
});

test('options: requests, responses, formats, types', () => {
  const request = message({ questions: [question('a'), question('b', 28)] });
  const response = message({ flags: 0x8180, questions: [question('a')], answers: [record('a', 1, bytes('abcd'))] });
  assert.equal(records(request, dnsEveOptions({ requests: 'no' })).length, 0);
  assert.equal(records(response, dnsEveOptions({ requests: 'no' })).length, 1);
  assert.equal(records(response, dnsEveOptions({ responses: false })).length, 0);
  assert.deepEqual(records(request, dnsEveOptions({ types: ['aaaa'] }))[0].queries, [{ rrname: 'b', rrtype: 'AAAA' }]);
  assert.equal(records(response, dnsEveOptions({ types: ['aaaa'] })).length, 0);
  assert.deepEqual(
    records(request, dnsEveOptions({ version: 2, types: ['aaaa'] })).map((r) => r.rrname),
    ['b'],
  );
  const grouped = records(response, dnsEveOptions({ formats: ['grouped'] }))[0];
  assert.deepEqual([grouped.answers, grouped.grouped], [undefined, { A: ['97.98.99.100'] }]);
  assert.equal(records(response, dnsEveOptions({ formats: ['detailed'] }))[0].grouped, undefined);
  assert.deepEqual(dnsEveOptions({ formats: null }), DNS_EVE_DEFAULTS);
  assert.deepEqual(dnsEveOptions(null), DNS_EVE_DEFAULTS);
});

test('options that make no sense say so', () => {
  assert.throws(() => dnsEveOptions({ version: 1 }), /dns version: 1 is not 2 or 3/);
  assert.throws(() => dnsEveOptions({ types: ['quux'] }), /dns types: quux is no record type/);
  assert.throws(() => dnsEveOptions({ formats: ['flat'] }), /dns formats: flat/);
  assert.throws(() => dnsEveOptions({ requests: 'maybe' }), /dns requests: maybe is not yes or no/);
});
