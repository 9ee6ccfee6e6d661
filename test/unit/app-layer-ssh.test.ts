import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Likeness, Parsed } from '../../src/app-layer/protocol.js';
import { SSH_NAMES } from '../../src/app-layer/ssh/eve.js';
import { SSH_EVENTS } from '../../src/app-layer/ssh/events.js';
import { type HasshMode, SshProtocol } from '../../src/app-layer/ssh/ssh.js';
import { AppTalk, cutAt } from '../support/app-protocol.js';
import { bytes, sized } from '../support/tls-bytes.js';

const talk = () => new AppTalk((sessions, txs, counters) => new SshProtocol(sessions, txs, counters), SSH_NAMES);
const events = (a: AppTalk) => a.events(SSH_EVENTS, 1);

const packet = (message: number, body: Uint8Array = bytes()) => sized(4, 4, message, body, [0, 0, 0, 0]);
const LISTS = ['kex-a,kex-b', 'host', 'enc-ts', 'enc-tc', 'mac-ts', 'mac-tc', 'none,zlib', 'zlib', '', ''];
const kexinit = (lists = LISTS) => packet(20, bytes(new Uint8Array(16), ...lists.map((list) => sized(4, list)), [0, 0, 0, 0, 0]));
const NEWKEYS = packet(21);
const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const CLIENT = 'kex-a,kex-b;enc-ts;mac-ts;none,zlib';
const SERVER = 'kex-a,kex-b;enc-tc;mac-tc;zlib';

const SESSION: readonly (readonly [number, Uint8Array])[] = [
  [0, bytes('SSH-2.0-OpenSSH_9.9 a comment\r\n')],
  [1, bytes('welcome\r\n\r\nSSH-1.99-OpenSSH_10.2\r\n', kexinit())],
  [0, bytes(kexinit(), packet(30, new Uint8Array(100)))],
  [1, bytes(packet(31, new Uint8Array(700)), NEWKEYS, new Uint8Array(50).fill(9))],
  [0, bytes(NEWKEYS, new Uint8Array(50).fill(9))],
];

test('a session until both sides use their keys', () => {
  const a = talk();
  for (const [direction, piece] of SESSION) a.feed(direction, piece);
  assert.equal(a.parsed, Parsed.Encrypted);
  assert.deepEqual(a.record(), {
    client: { proto_version: '2.0', software_version: 'OpenSSH_9.9', hassh: { hash: md5(CLIENT), string: CLIENT } },
    server: { proto_version: '1.99', software_version: 'OpenSSH_10.2', hassh: { hash: md5(SERVER), string: SERVER } },
  });
  assert.deepEqual(a.shown, [
    'to_server ssh.proto=2.0',
    'to_server ssh.software=OpenSSH_9.9',
    'to_client ssh.proto=1.99',
    'to_client ssh.software=OpenSSH_10.2',
    `to_client ssh.hassh.server=${md5(SERVER)}`,
    `to_client ssh.hassh.server.string=${SERVER}`,
    `to_server ssh.hassh=${md5(CLIENT)}`,
    `to_server ssh.hassh.string=${CLIENT}`,
  ]);
  assert.deepEqual([a.state(0), a.state(1)], ['done', 'done']);
  assert.deepEqual(events(a), []);
  assert.equal(a.close(), 0);
});

test('hassh: of none, or as long as rules ask for it', () => {
  const of = (mode: HasshMode, ...wanted: boolean[]) => {
    const a = new AppTalk((sessions, txs, counters) => {
      const protocol = new SshProtocol(sessions, txs, counters, mode);
      for (const one of wanted) protocol.wantFingerprints(one);
      return protocol;
    }, SSH_NAMES);
    for (const [direction, piece] of SESSION) a.feed(direction, piece);
    assert.equal(a.parsed, Parsed.Encrypted);
    const { client, server } = a.record();
    assert.equal(
      a.shown.some((line) => line.includes('ssh.hassh')),
      client.hassh !== undefined,
    );
    assert.deepEqual([client.software_version, server.software_version], ['OpenSSH_9.9', 'OpenSSH_10.2']);
    assert.equal(a.close(), 0);
    return [client.hassh?.hash, server.hassh?.hash];
  };
  const none = [undefined, undefined];
  const both = [md5(CLIENT), md5(SERVER)];
  assert.deepEqual(of('no', true), none);
  assert.deepEqual(of('auto'), none);
  assert.deepEqual(of('auto', true), both);
  assert.deepEqual(of('auto', true, false), none);
  assert.deepEqual(of('yes', false), both);
});

test('banners', () => {
  const of = (text: string) => talk().feed(0, bytes(text)).finish();
  assert.deepEqual(of('SSH-2.0-a').record().client, { proto_version: '2.0', software_version: 'a' });
  assert.deepEqual(of('SSH-2.0-\n').record().client, { proto_version: '2.0' });
  const long = of(`SSH-2.0-${'x'.repeat(300)}\n`);
  assert.deepEqual(events(long), ['long_banner']);
  assert.equal(long.record().client.software_version.length, 256 - 8);
  for (const text of ['SSH-2.0\n', 'SSH--x\n', 'hello\n']) {
    const bad = of(text);
    assert.deepEqual([bad.parsed, events(bad)], [Parsed.Failed, ['invalid_banner']]);
  }
  assert.equal(talk().feed(1, bytes('x\n'.repeat(2000))).parsed, Parsed.Failed);
});

test('packets that are none', () => {
  const a = talk().feed(0, bytes('SSH-2.0-a\r\n', [0, 0, 0, 1, 0, 0]));
  assert.deepEqual([a.parsed, events(a)], [Parsed.Failed, ['invalid_record']]);
  const b = talk().feed(0, bytes('SSH-2.0-a\r\n', packet(20, bytes(new Uint8Array(16), [0xff, 0xff, 0xff, 0xff]))));
  assert.deepEqual([b.parsed, events(b)], [Parsed.Go, ['invalid_record']]);
  const huge = talk().feed(0, bytes('SSH-2.0-a\r\n', [0xff, 0xff, 0xff, 0xff, 4, 20, 1, 2, 3]));
  assert.equal(huge.parsed, Parsed.Failed);
});

test('SSH 1 has other packets', () => {
  const a = talk()
    .feed(1, bytes('SSH-1.5-1.2.26\n', [0, 0, 0, 1, 0, 0]))
    .feed(0, bytes('SSH-1.5-x\n', [9, 9]));
  assert.deepEqual([a.parsed, events(a)], [Parsed.Done, []]);
  assert.equal(a.record().server.software_version, '1.2.26');
});

test('both sides encrypt when both have said so, not when one cannot be read', () => {
  const hello = (a: AppTalk) => a.feed(0, bytes('SSH-2.0-a\r\n')).feed(1, bytes('-ERR unknown command\r\n'));
  assert.equal(hello(talk()).gap(1, 20).feed(0, NEWKEYS).parsed, Parsed.Done);
  assert.equal(hello(talk()).feed(0, NEWKEYS).gap(1, 20).parsed, Parsed.Done);
  const a = hello(talk()).feed(1, bytes('SSH-2.0-b\r\n'));
  assert.equal(a.feed(0, NEWKEYS).gap(0, 20).parsed, Parsed.Go);
  assert.equal(a.feed(1, NEWKEYS).parsed, Parsed.Encrypted);
});

test('hassh: rules that begin, or cease, to ask within a KEXINIT', () => {
  const kex = kexinit();
  for (const changes of [[true], [true, false, true], [false, true]]) {
    const a = new AppTalk((sessions, txs, counters) => new SshProtocol(sessions, txs, counters, 'auto'), SSH_NAMES);
    const protocol = a.protocol as SshProtocol;
    protocol.wantFingerprints(changes.length === 2);
    a.feed(0, bytes('SSH-2.0-a\r\n', kex.subarray(0, 30)));
    for (const [i, wanted] of changes.entries()) {
      protocol.wantFingerprints(wanted);
      a.feed(0, kex.subarray(30 + 10 * i, 40 + 10 * i));
    }
    a.feed(0, kex.subarray(30 + 10 * changes.length));
    assert.deepEqual([a.record().client.hassh, events(a)], [undefined, []]);
    a.feed(0, kex);
    assert.equal(a.record().client.hassh.hash, md5(CLIENT));
  }
});

test('by the first bytes', () => {
  const { protocol } = talk();
  const probe = (text: string) => protocol.probe(0, bytes(text), 0, text.length, 22);
  assert.deepEqual(['', 'SSH', 'SSH-', 'SSH2', 'GET '].map(probe), [Likeness.More, Likeness.More, Likeness.Yes, Likeness.No, Likeness.No]);
});

test('a hole inside a packet', () => {
  const kex = packet(31, new Uint8Array(700));
  const a = talk()
    .feed(0, bytes('SSH-2.0-a\r\n', kex.subarray(0, 100)))
    .gap(0, 300)
    .feed(0, bytes(kex.subarray(400), kexinit()));
  assert.equal(a.record().client.hassh.string, CLIENT);
  const b = talk().feed(0, bytes('SSH-2.0-a')).gap(0, 10).feed(0, new Uint8Array(100).fill(1));
  assert.equal(b.record().client.software_version, 'a');
  assert.equal(b.close(), 0);
});

function outcome(sent: typeof SESSION, cuts: readonly number[]) {
  const a = talk();
  for (const [direction, piece] of sent) {
    const places = cuts.map((at) => Math.min(at, piece.length));
    a.feed(direction, ...cutAt(piece, places));
  }
  a.finish();
  const result = { parsed: a.parsed, record: a.record(), events: events(a), shown: [...a.shown].sort() };
  assert.equal(a.close(), 0);
  return result;
}

test('it makes no difference where a stream is cut', () => {
  const want = outcome(SESSION, []);
  for (let at = 1; at < 800; at++) assert.deepEqual(outcome(SESSION, [at]), want, `cut at ${at}`);
  assert.deepEqual(
    outcome(
      SESSION,
      Array.from({ length: 800 }, (_, i) => i),
    ),
    want,
  );
  const hurt = fc.array(fc.tuple(fc.nat(4), fc.nat(900), fc.nat(255)), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(hurt, fc.array(fc.nat(900), { maxLength: 6 }), (changes, cuts) => {
      const sent = SESSION.map(([direction, piece], i) => {
        const copy = Uint8Array.from(piece);
        for (const [which, at, value] of changes) if (which === i) copy[at % copy.length] = value;
        return [direction, copy] as const;
      });
      assert.deepEqual(outcome(sent, cuts), outcome(sent, []));
    }),
    { numRuns: 500 },
  );
});
