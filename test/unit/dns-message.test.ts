import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DNS_EVENTS, DnsEvent } from '../../src/app-layer/dns/codes.js';
import { bytes, DnsTalk, hex, join, message, name, question, record, type Seen, words } from '../support/dns.js';

const talk = new DnsTalk();
after(() => talk.close());

function parse(direction: number, datagram: Uint8Array): Seen {
  talk.packet(direction, datagram);
  assert.equal(talk.seen.length, 1);
  return talk.seen.pop()!;
}
const events = (seen: Seen) => DNS_EVENTS.filter((_, i) => (seen.events & (1 << i)) !== 0);

test('names of a request are in the buffers of queries', () => {
  const { buffers } = parse(0, message({ questions: [question('Mail.Google.com'), question('b.c')] }));
  assert.deepEqual(buffers, {
    'dns.query': ['Mail.Google.com', 'b.c'],
    'dns.query.name': ['Mail.Google.com', 'b.c'],
    'dns.queries.rrname': ['Mail.Google.com', 'b.c'],
  });
});

test('each section of a response has its buffer, and dns.response.rrname has all names, those in the data too', () => {
  const soa = join(name('ns.x'), name('root.x'), words(0, 1, 0, 2, 0, 3, 0, 4, 0, 5));
  const { buffers } = parse(
    1,
    message({
      flags: 0x8180,
      questions: [question('q.x')],
      answers: [record('*12', 5, name('c.x')), record('c.x', 15, join(words(10), name('mx.x'))), record('t.x', 12, name('p.x'))],
      authorities: [record('x', 2, name('n.x')), record('y', 6, soa)],
      additionals: [record('s.x', 33, join(words(1, 2, 3), name('srv.x'))), record('', 41, new Uint8Array(0))],
    }),
  );
  assert.equal(buffers['dns.query'], undefined);
  assert.deepEqual(buffers['dns.queries.rrname'], ['q.x']);
  assert.deepEqual(buffers['dns.answers.rrname'], ['q.x', 'c.x', 't.x']);
  assert.deepEqual(buffers['dns.answer.name'], buffers['dns.answers.rrname']);
  assert.deepEqual(buffers['dns.authorities.rrname'], ['x', 'y']);
  assert.deepEqual(buffers['dns.additionals.rrname'], ['s.x', '']);
  const all = ['q.x', 'q.x', 'c.x', 'c.x', 'mx.x', 't.x', 'p.x', 'x', 'n.x', 'y', 'ns.x', 's.x', ''];
  assert.deepEqual(buffers['dns.response.rrname'], all);
});

test('a pointer may lead forward, to another pointer, or beyond', () => {
  const forward = parse(0, message({ questions: [question('*18'), question('codemonkey.net')] }));
  assert.deepEqual(forward.buffers['dns.query'], ['codemonkey.net', 'codemonkey.net']);
  assert.deepEqual(events(forward), []);
  const chain = parse(
    1,
    message({ flags: 0x8180, questions: [question('a.b')], answers: [record('*14', 1, bytes('abcd')), record('*21', 1, bytes('abcd'))] }),
  );
  assert.deepEqual(chain.buffers['dns.answers.rrname'], ['b', 'b']);
  const beyond = parse(0, message({ questions: [question('a.*300'), question('z')] }));
  assert.deepEqual(beyond.buffers['dns.query'], ['a', 'z']);
  assert.deepEqual(events(beyond), ['malformed_data']);
});

test('loops end', () => {
  const self = parse(0, message({ questions: [question('a.*14'), question('z')] }));
  assert.deepEqual(self.buffers['dns.query'], ['a', 'z']);
  assert.deepEqual(events(self), ['infinite_loop']);
  const round = parse(0, message({ questions: [question('a.*12')] }));
  assert.deepEqual(round.buffers['dns.query'], ['a']);
  assert.deepEqual(events(round), ['infinite_loop', 'too_many_labels']);
});

test('a name beyond 1,025 characters and one beyond 255 labels are cut', () => {
  const label = 'x'.repeat(62);
  const long = Array.from({ length: 20 }, () => label).join('.');
  const seen = parse(0, message({ questions: [question(long), question('z')] }));
  assert.deepEqual(seen.buffers['dns.query'], [long.slice(0, 1025), 'z']);
  assert.deepEqual(events(seen), ['name_too_long']);
  assert.equal(seen.record.queries[0].rrname_truncated, true);
  const many = parse(0, message({ questions: [question(Array.from({ length: 300 }, () => 'a').join('.')), question('z')] }));
  assert.deepEqual(many.buffers['dns.query'], [Array.from({ length: 255 }, () => 'a').join('.'), 'z']);
  assert.deepEqual(events(many), ['too_many_labels']);
});

test('proper names are whole behind any number of names that are too long', () => {
  const long = question(Array.from({ length: 16 }, () => 'x'.repeat(62)).join('.'));
  const questions = Array.from({ length: 199 }, (_, i) => question(`${'y'.repeat(40)}${i}.*12`));
  const { buffers } = parse(0, message({ questions: [long, ...questions, question('evil.example')] }));
  assert.equal(buffers['dns.query'].length, 201);
  assert.equal(buffers['dns.query'][1].length, 1025);
  assert.equal(buffers['dns.query'][199], '');
  assert.equal(buffers['dns.query'][200], 'evil.example');
});

test('what is there of a message that ends early is used', () => {
  const whole = message({
    flags: 0x8180,
    questions: [question('q.x')],
    answers: [record('a.x', 5, name('c.x')), record('b.x', 1, bytes('abcd'))],
  });
  const cut = parse(1, whole.subarray(0, whole.length - 6));
  assert.deepEqual(cut.buffers['dns.answers.rrname'], ['a.x', 'b.x']);
  assert.deepEqual(events(cut), ['malformed_data']);
  assert.ok(cut.logged);
  assert.deepEqual(events(parse(1, whole.subarray(0, 11))), ['malformed_data']);
  assert.equal(parse(1, whole).events, 0);
});

test('damage behind the answers has events of its own, and the message its record', () => {
  const questions = [question('q.x')];
  const answers = [record('a.x', 1, bytes('abcd'))];
  const additional = parse(1, message({ flags: 0x8180, counts: [1, 1, 0, 3], questions, answers }));
  assert.deepEqual(events(additional), ['invalid_additionals']);
  assert.equal(additional.logged, false);
  assert.equal(additional.record.answers.length, 1);
  assert.deepEqual(events(parse(1, message({ flags: 0x8180, counts: [1, 1, 2, 3], questions, answers }))), ['invalid_authorities']);
});

test('header checks', () => {
  const questions = [question('q.x')];
  assert.deepEqual(events(parse(0, message({ flags: 0x0140, questions }))), ['z_flag_set']);
  assert.deepEqual(events(parse(0, message({ flags: 0x4800, questions }))), ['invalid_opcode']);
  assert.deepEqual(events(parse(0, message({ flags: 0x3000, questions }))), []);
  assert.deepEqual(events(parse(0, message({ flags: 0x8180, questions }))), ['not_a_request']);
  assert.deepEqual(events(parse(1, message({ flags: 0x0100, questions }))), ['not_a_response']);
});

test('numbers that rules test', () => {
  const seen = parse(
    1,
    message({
      flags: 0xa983,
      questions: [question('q.x', 28)],
      answers: [record('a.x', 16, bytes('\x01a')), record('', 1, bytes('abcd'))],
    }),
  );
  assert.deepEqual([seen.opcode, seen.rcode, seen.types], [5, 3, [28, 16, 1]]);
});

test('each datagram is a transaction, numbered in the flow; damaged ones take no number', () => {
  talk.dns.nextId = 7;
  assert.equal(parse(0, message({ questions: [question('q.x')] })).id, 7);
  assert.equal(parse(0, hex('0001')).id, 8);
  assert.equal(parse(1, message({ flags: 0x8180, questions: [question('q.x')] })).id, 8);
  assert.equal(talk.dns.nextId, 9);
  talk.dns.nextId = 0;
});

test('no room for a transaction is counted', () => {
  const small = new DnsTalk({ capacity: 1 });
  small.start();
  const datagram = message({ questions: [question('q.x')] });
  for (let i = 0; i < 3; i++) small.dns.data(-1, 0, datagram, 2000, 0, datagram.length);
  assert.equal(small.txs.count, 1);
  assert.equal(
    small.counters.reduce((sum, n) => sum + n, 0),
    2,
  );
  small.close();
});

test('event names stand in the order of their bits', () => {
  assert.equal(DNS_EVENTS[Math.log2(DnsEvent.InvalidAuthorities)], 'invalid_authorities');
  assert.equal(DNS_EVENTS[Math.log2(DnsEvent.TooManyLabels)], 'too_many_labels');
});
