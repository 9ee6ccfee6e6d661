import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Likeness, Parsed } from '../../src/app-layer/protocol.js';
import { TLS_NAMES } from '../../src/app-layer/tls/eve.js';
import { TLS_EVENTS } from '../../src/app-layer/tls/events.js';
import { TlsState } from '../../src/app-layer/tls/layout.js';
import { certChainLen, certExpired, certNotAfter, certNotBefore, certValid, sslState, tlsVersion } from '../../src/app-layer/tls/tests.js';
import { TlsProtocol } from '../../src/app-layer/tls/tls.js';
import { AppTalk } from '../support/app-protocol.js';
import * as t from '../support/tls-bytes.js';

const talk = () => new AppTalk((sessions, txs, counters) => new TlsProtocol(sessions, txs, counters), TLS_NAMES);
const events = (a: AppTalk) => a.events(TLS_EVENTS, 1);
const hello = (o: t.ClientOptions = {}) => t.record(22, t.clientHello(o));

const SAN = [t.der(0x82, 'bar.example'), t.der(0x82, '*.bar.example'), t.der(0x87, [192, 0, 2, 7])];
const CERT = t.certificate({ names: SAN });
const FLIGHT = t.record(
  22,
  t.bytes(t.serverHello(0xc02f, [t.alpn('h2')]), t.certificates(CERT, t.certificate()), t.message(12, 1, 2, 3), t.message(14)),
);

test('a session of TLS 1.2 from hello to encryption', () => {
  const a = talk();
  a.feed(0, hello({ extensions: [t.sni('bar.example'), t.alpn('h2', 'http/1.1'), t.groups(29, 23), t.points(0)] }));
  a.feed(1, FLIGHT);
  a.feed(0, t.record(22, t.message(16, 1, 2, 3)), t.CIPHER_SPEC, t.record(22, t.bytes(0x99, 1, 2, 3, 4)));
  assert.equal(a.parsed, Parsed.Go);
  assert.deepEqual([a.state(0), a.state(1)], ['done', TlsState.HelloDone]);
  a.feed(1, t.CIPHER_SPEC);
  assert.equal(a.parsed, Parsed.Encrypted);
  const fingerprint = createHash('sha1').update(CERT).digest('hex').match(/../g)!.join(':');
  const ja3 = '771,4865-49199,0-16-10-11,29-23,0';
  const ja3s = '771,49199,16';
  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  assert.deepEqual(a.record(), {
    subject: 'C=US, O=Foo, CN=bar',
    issuerdn: 'C=US, O=Foo, Inc., CN=root',
    serial: '00:97:E6',
    fingerprint,
    sni: 'bar.example',
    version: 'TLS 1.2',
    notbefore: '2015-02-12T18:07:27',
    notafter: '2050-02-09T18:07:27',
    ja3: { hash: md5(ja3), string: ja3 },
    ja3s: { hash: md5(ja3s), string: ja3s },
    ja4: a.record().ja4,
    subjectaltname: ['bar.example', '*.bar.example', '192.0.2.7'],
    client_alpns: ['h2', 'http/1.1'],
    server_alpns: ['h2'],
  });
  assert.match(a.record().ja4, /^t12d0204h2_[0-9a-f]{12}_[0-9a-f]{12}$/);
  assert.deepEqual(events(a), []);
  const { words } = a.txs;
  assert.deepEqual([tlsVersion(words, a.tx, 0), tlsVersion(words, a.tx, 1)], [0x0303, 0x0303]);
  assert.equal(sslState(words, a.tx), 15);
  assert.deepEqual([certChainLen(words, a.tx, 0), certChainLen(words, a.tx, 1)], [-1, 2]);
  assert.equal(certNotBefore(words, a.tx, 1), Date.UTC(2015, 1, 12, 18, 7, 27) / 1000);
  assert.equal(certNotAfter(words, a.tx, 1), Date.UTC(2050, 1, 9, 18, 7, 27) / 1000);
  assert.equal(certExpired(words, a.tx, 1, 1.5e9), false);
  assert.equal(certValid(words, a.tx, 1, 1.5e9), true);
  assert.equal(certValid(words, a.tx, 0, 1.5e9), false);
  assert.equal(a.close(), 0);
});

test('each buffer is shown once, in its direction', () => {
  const a = talk();
  a.feed(0, hello({ extensions: [t.sni('bar.example'), t.alpn('h2')] }))
    .feed(1, FLIGHT)
    .feed(0, t.record(22, t.message(16)), t.CIPHER_SPEC);
  const of = (keyword: string) => a.shown.filter((line) => line.includes(` ${keyword}=`)).map((line) => line.replace(`${keyword}=`, ''));
  assert.deepEqual(of('tls.sni'), ['to_server bar.example']);
  assert.deepEqual(of('tls.alpn'), ['to_server h2', 'to_client h2']);
  assert.deepEqual(of('tls.subjectaltname'), ['to_client bar.example', 'to_client *.bar.example', 'to_client 192.0.2.7']);
  assert.deepEqual(of('tls.cert_subject'), ['to_client C=US, O=Foo, CN=bar']);
  assert.deepEqual(
    of('tls.certs').map((one) => one.length - 'to_client '.length),
    [CERT.length, t.certificate().length],
  );
  assert.deepEqual(
    of('tls.random').map((one) => one.length),
    ['to_server '.length + 32, 'to_client '.length + 32],
  );
  assert.deepEqual(of('tls.random_time'), ['to_server @ABC', 'to_client @ABC']);
  assert.deepEqual([of('ja3.hash').length, of('ja3s.hash').length, of('ja4.hash').length], [1, 1, 1]);
});

test('JA3 and JA4 as published', () => {
  const a = talk();
  const ja3 = [t.sni('a'), t.groups(23, 24, 25), t.points(0)];
  a.feed(
    0,
    t.record(22, t.clientHello({ version: 0x0301, ciphers: [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4], extensions: ja3 })),
  );
  assert.deepEqual(a.record().ja3, {
    hash: 'ada70206e40642a3e4461f35503241d5',
    string: '769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0',
  });

  const b = talk();
  const empty = [0x1b, 0x33, 0x4469, 0x17, 0x2d, 0x05, 0x23, 0x12, 0xff01, 0x15].map((type) => t.extension(type));
  const ciphers = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35];
  b.feed(
    0,
    hello({
      ciphers: [0x3a3a, ...ciphers],
      extensions: [
        t.extension(0xdada),
        ...empty,
        t.groups(0xaaaa, 29),
        t.points(0),
        t.signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
        t.versions(0x1a1a, 0x0304, 0x0303),
        t.sni('a.example'),
        t.alpn('h2', 'http/1.1'),
        t.extension(0xcaca, 0),
      ],
    }),
  );
  assert.equal(b.record().ja4, 't13d1516h2_8daaf6152771_e5627efa2ab1');
  assert.match(b.record().ja3.string, /^771,4865-.*,29,0$/);
});

test('JA4 at its edges', () => {
  const of = (o: t.ClientOptions) => talk().feed(0, hello(o)).record().ja4;
  assert.equal(of({ ciphers: [] }), 't12i000000_000000000000_000000000000');
  assert.match(of({ ciphers: Array.from({ length: 300 }, (_, i) => 300 - i) }), /^t12i9900/);
  assert.match(of({ extensions: [t.alpn('\x0bx')] }), /^t12i020108_/);
  assert.match(of({ extensions: [t.alpn('x')] }), /^t12i0201xx_/);
  assert.match(of({ version: 0x0300 }), /^ts3/);
});

test('TLS 1.3: done at the server hello; a retry is not yet it', () => {
  const retry = Uint8Array.from(Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'));
  const chosen = [t.extension(51, 1, 2), t.extension(43, 3, 4)];
  const a = talk();
  a.feed(0, hello({ extensions: [t.sni('one.example')] }));
  a.feed(1, t.record(22, t.serverHello(0x1301, chosen, 0x0303, t.bytes(), retry)), t.CIPHER_SPEC);
  // Early data and a change that means nothing, then the second hello in the clear.
  a.feed(0, t.record(23, t.RANDOM), t.CIPHER_SPEC, hello({ extensions: [t.sni('two.example')] }));
  assert.equal(a.parsed, Parsed.Go);
  assert.equal(a.record().sni, 'two.example');
  a.feed(1, t.record(22, t.serverHello(0x1301, chosen)));
  assert.equal(a.parsed, Parsed.Encrypted);
  assert.equal(a.record().version, 'TLS 1.3');
  assert.deepEqual(
    a.shown.filter((line) => line.includes('tls.sni')),
    ['to_server tls.sni=one.example', 'to_server tls.sni=two.example'],
  );
  assert.deepEqual(events(a), []);
});

test('a session that is taken up again', () => {
  const id = t.RANDOM;
  const a = talk();
  a.feed(0, hello({ session: id })).feed(1, t.record(22, t.serverHello(0xc02f, [], 0x0303, id)), t.CIPHER_SPEC);
  assert.equal(a.parsed, Parsed.Go);
  a.feed(0, t.CIPHER_SPEC);
  assert.equal(a.parsed, Parsed.Encrypted);
  assert.equal(a.record().session_resumed, true);
});

test('a certificate of the client', () => {
  const a = talk();
  a.feed(0, hello()).feed(1, FLIGHT, t.record(22, t.message(13, 1, 2)));
  a.feed(0, t.record(22, t.certificates(t.certificate({ subject: t.name(['CN', 'me']) }))));
  assert.equal(a.record().client.subject, 'CN=me');
  assert.equal(a.record().subject, 'C=US, O=Foo, CN=bar');
  assert.ok(a.shown.includes('to_server tls.cert_subject=CN=me'));
});

test('the record is due when the server has said all, unless it asks for a certificate', () => {
  const done = t.record(22, t.bytes(t.serverHello(0xc02f), t.certificates(CERT), t.message(14)));
  const asking = t.record(22, t.bytes(t.serverHello(0xc02f), t.certificates(CERT), t.message(13, 1, 2), t.message(14)));
  const bare = t.record(22, t.bytes(t.serverHello(0xc02f), t.message(14)));
  for (const [flight, due] of [
    [done, 1],
    [asking, 0],
    [bare, 0],
  ] as const) {
    const a = talk();
    a.feed(0, hello()).feed(1, flight);
    assert.equal(a.txs.dueCount, due);
    if (due === 1) assert.equal(a.txs.due[0], a.tx);
  }
});

test('of two hellos in one piece both names are shown', () => {
  const a = talk();
  const named = (name: string) => hello({ extensions: [t.sni(name)] });
  a.feed(0, t.bytes(named('first.example'), named('second.example')));
  const names = () => a.shown.filter((line) => line.includes('tls.sni'));
  assert.deepEqual(
    names()
      .join()
      .match(/\w+\.example/g)!
      .sort(),
    ['first.example', 'second.example'],
  );
  a.feed(0, named('third.example'));
  assert.ok(names().at(-1)!.includes('third.example') && !names().at(-1)!.includes('first.example'));
});

test('certificates in records that ask for them', () => {
  const eve = { certificate: true, chain: true, clientCertificate: true, clientChain: false };
  const a = new AppTalk((sessions, txs, counters) => new TlsProtocol(sessions, txs, counters, { eve }), TLS_NAMES);
  const mine = t.certificate({ subject: t.name(['CN', 'me']) });
  a.feed(0, hello())
    .feed(1, FLIGHT)
    .feed(0, t.record(22, t.certificates(mine)));
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const record = a.record();
  assert.equal(record.certificate, base64(CERT));
  assert.deepEqual(record.chain, [base64(CERT), base64(t.certificate())]);
  assert.equal(record.client.certificate, base64(mine));
  assert.equal(record.client.chain, undefined);
});

test('a ChangeCipherSpec that is not due changes nothing', () => {
  const a = talk();
  a.feed(0, t.record(20, t.bytes(1)), hello({ extensions: [t.sni('late.example')] }));
  assert.equal(a.record().sni, 'late.example');
  a.feed(1, FLIGHT).feed(0, t.CIPHER_SPEC, t.record(22, t.certificates(t.certificate({ subject: t.name(['CN', 'me']) }))));
  assert.equal(a.record().client.subject, 'CN=me');
});

test('messages across records, with an alert between', () => {
  const body = t.clientHello({ extensions: [t.sni('pieces.example')] });
  const a = talk();
  for (let i = 0; i < body.length; i += 7) {
    a.feed(0, t.record(22, body.subarray(i, i + 7)));
    if (i === 14) a.feed(0, t.record(21, t.bytes(1, 0)), t.record(22, t.bytes()));
  }
  assert.equal(a.record().sni, 'pieces.example');
  assert.deepEqual(events(a), []);
});

test('names of all kinds', () => {
  const subject = t.name(
    ['C', 'D\0E', 0x13],
    ['O', t.bytes(0, 0x4d, 0, 0xfc), 0x1e],
    ['?', 'x'],
    ['OU', t.bytes(1, 2, 3), 4],
    ['CN', t.bytes(0, 1, 0xf4, 0), 0x1c],
  );
  const a = talk()
    .feed(0, hello())
    .feed(1, t.record(22, t.bytes(t.serverHello(0xc02f), t.certificates(t.certificate({ subject })))));
  assert.equal(Buffer.from(a.record().subject, 'latin1').toString(), 'C=D\0E, O=Mü, OID(1.2.840.99)=x, OU=AQID, CN=\u{1f400}');
  const times = t.der(0x30, t.der(0x17, '691231000000Z'), t.der(0x18, '20381231001003.5+0100'));
  const b = talk()
    .feed(0, hello())
    .feed(1, t.record(22, t.bytes(t.serverHello(0xc02f), t.certificates(t.certificate({ validity: times })))));
  assert.deepEqual([b.record().notbefore, b.record().notafter], ['1969-12-31T00:00:00', '2038-12-30T23:10:03']);
});

test('versions of records', () => {
  const of = (version: number, more: Uint8Array[] = []) =>
    talk()
      .feed(0, hello())
      .feed(1, t.record(22, t.serverHello(0x1301, more, version)))
      .record().version;
  // Without an answer: what the client says.
  assert.equal(
    talk()
      .feed(0, t.record(22, t.clientHello({ version: 0x0301 })))
      .record().version,
    'TLSv1',
  );
  assert.equal(of(0x0300), 'SSLv3');
  assert.equal(of(0x0301), 'TLSv1');
  assert.equal(of(0x0302), 'TLS 1.1');
  assert.equal(of(0x0303, [t.extension(43, 0x7f, 0x1c)]), 'TLS 1.3 draft-28');
  assert.equal(of(0x0303, [t.extension(43, 0xfb, 0x1a)]), 'TLS 1.3 draft-26-fb');
  assert.equal(of(0x0303, [t.extension(43, 0x7e, 1)]), '0x7e01');
});

test('hellos of SSL 2', () => {
  const v2 = t.bytes(0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, [1, 0, 0x80, 0, 0, 4], t.RANDOM.subarray(0, 16));
  const a = talk();
  assert.equal(a.protocol.probe(0, v2, 0, v2.length, 443), Likeness.Yes);
  a.feed(0, v2).feed(1, t.record(22, t.bytes(t.serverHello(4, [], 0x0301), t.certificates(CERT)), 0x0301));
  assert.equal(a.record().subject, 'C=US, O=Foo, CN=bar');
  assert.equal(a.record().version, 'TLSv1');
  const b = talk()
    .feed(0, v2)
    .feed(1, t.bytes(0x80, 3, 4, 0, 1));
  assert.equal(b.parsed, Parsed.Done);
  assert.equal(b.record().version, 'SSLv2');
});

test('what is TLS by its first bytes', () => {
  const { protocol } = talk();
  const probe = (direction: number, mem: Uint8Array) => protocol.probe(direction, mem, 0, mem.length, 443);
  const client = hello();
  assert.equal(probe(0, client), Likeness.Yes);
  for (let n = 0; n < 5; n++) assert.equal(probe(0, client.subarray(0, n)), Likeness.More);
  assert.equal(probe(0, t.record(22, t.clientHello(), 0x03ff)), Likeness.Yes);
  assert.equal(probe(1, client), Likeness.No);
  assert.equal(probe(1, FLIGHT), Likeness.Yes);
  assert.equal(probe(1, t.record(21, t.bytes(2, 40))), Likeness.Yes);
  for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x\r\n', '\x16\x02\x01\0\x10\x01', '\x80\x2e\x01junk and more of it'])
    assert.equal(
      probe(
        0,
        Uint8Array.from(text, (c) => c.charCodeAt(0)),
      ),
      Likeness.No,
      JSON.stringify(text),
    );
});

test('events', () => {
  const of = (...records: Uint8Array[]) => events(talk().feed(0, ...records));
  assert.deepEqual(of(t.bytes(0x47, 0x45, 0x54)), ['invalid_record_type']);
  assert.deepEqual(of(t.bytes(22, 2, 0)), ['invalid_record_version']);
  assert.deepEqual(of(t.bytes(22, 3, 1, 0xff, 0xff)), ['invalid_record_length']);
  assert.deepEqual(of(t.record(22, t.message(99))), ['invalid_handshake_message']);
  assert.deepEqual(of(hello(), t.record(21, t.bytes(7, 7))), ['invalid_alert_message']);
  assert.deepEqual(of(hello({ extensions: [t.sni('a'), t.sni('b')] })), ['multiple_sni_extensions']);
  assert.deepEqual(of(hello({ extensions: [t.extension(0, t.sized(2, 7, t.sized(2, 'a')))] })), ['invalid_sni_type']);
  assert.deepEqual(of(hello({ extensions: [t.extension(0, 0, 9, 0, 0, 9)] })), ['invalid_sni_length']);
  assert.deepEqual(of(t.record(22, t.message(1, 3, 3, 1))), ['handshake_invalid_length']);
  assert.deepEqual(of(hello(), t.record(24, t.bytes(1, 0x40, 0))), ['heartbeat_message', 'overflow_heartbeat_message']);
  assert.deepEqual(of(hello(), t.record(24, t.bytes(9, 0, 0))), ['heartbeat_message', 'invalid_heartbeat_message']);
  const many = t.bytes(...Array.from({ length: 300 }, () => t.record(23, t.bytes())));
  assert.deepEqual(of(hello(), many), ['too_many_records_in_packet']);
  const bled = talk()
    .feed(0, hello(), t.record(24, t.bytes(1, 0x40, 0)))
    .feed(1, t.record(24, new Uint8Array(2000).fill(2)));
  assert.ok(events(bled).includes('dataleak_heartbeat_mismatch'));
});

test('fingerprints that are switched off are not made', () => {
  for (const [ja3, ja4] of [
    [true, false],
    [false, true],
    [false, false],
  ]) {
    const a = new AppTalk((sessions, txs, counters) => new TlsProtocol(sessions, txs, counters, { fingerprints: { ja3, ja4 } }), TLS_NAMES);
    a.feed(0, hello());
    a.feed(1, FLIGHT);
    const shown = JSON.stringify(a.record());
    assert.deepEqual([/"ja3"/.test(shown), /"ja3s"/.test(shown), /"ja4"/.test(shown)], [ja3, ja3, ja4], shown);
  }
});
