import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { Counter } from '../../src/metrics/counters.js';
import { Talk } from './app-layer-fixture.js';
import { A, F, R, S } from './flow-fixture.js';

function opened(port = 2121): Talk {
  const t = new Talk({ port });
  t.open();
  return t;
}

/** The commands of one packet of the client. */
function commandsOf(text: string): string[] {
  const t = opened(21);
  t.client(0, text);
  return t.commands;
}

test('a login, one command a packet', () => {
  const t = opened();
  t.server(0, '220 (vsFTPd 3.0.5)\r\n');
  t.client(0, 'USER anonymous\r\n');
  assert.equal(t.result, 1);
  assert.equal(t.appProto, AppProto.Ftp);
  t.server(20, '331 Please specify the password.\r\n', 1017);
  t.client(16, 'PASS \r\n');
  t.client(23, 'QUIT\r\n');
  assert.deepEqual(t.commands, ['USER|anonymous', 'PASS', 'QUIT']);
  assert.deepEqual([t.counters[Counter.AppFlows + AppProto.Ftp], t.app.txs.active], [1, 2]);
});

test('a command inside one segment is not copied', () => {
  const t = opened();
  t.client(0, 'FEAT\r\n');
  t.client(6, 'USER anonymous\r\n');
  const { buffers } = t.app;
  assert.equal(buffers.mem[0], t.p.mem);
  assert.deepEqual([buffers.off[0], buffers.len[0], buffers.off[1], buffers.len[1]], [0, 4, 5, 9]);
  assert.equal(buffers.region[0], t.p.region);
});

test('what a command line is', () => {
  assert.deepEqual(commandsOf('user Anonymous\r\n'), ['USER|Anonymous'], 'servers take either case: the command is in upper case');
  assert.deepEqual(commandsOf('USER a\nPASS b\n'), ['USER|a', 'PASS|b'], 'LF alone ends a line');
  assert.deepEqual(commandsOf('\r\n\nNOOP\r\r\n'), ['NOOP'], 'an empty line is no command');
  assert.deepEqual(commandsOf('CWD  two spaces \r\n'), ['CWD| two spaces ']);
  assert.deepEqual(commandsOf(' \tUSER\tx\r\n'), ['USER|x']);
  assert.deepEqual(commandsOf('QUIT \r\n'), ['QUIT']);
  assert.deepEqual(commandsOf('SITE EXEC %p\r\n'), ['SITE|EXEC %p']);
  assert.deepEqual(commandsOf('auth tls\r\nAUTH TLS-C\r\nAUTH SSL\r\n'), ['AUTH TLS', 'AUTH|TLS-C', 'AUTH|SSL']);
  assert.deepEqual(commandsOf('\x16\x03\x01 x\r\nUS\x01ER y\r\nUSER z\r\n'), ['USER|z'], 'whatever a client says before the greeting');
  assert.deepEqual(commandsOf('NOOP\r\nUS\x01ER y\r\nUSER z\r\n'), ['NOOP', 'USER|z'], 'a command is printable');
});

test('Telnet commands: the line as it is and the line without them', () => {
  assert.deepEqual(commandsOf('NOOP\r\nUS\xff\xf1ER x\r\n'), ['NOOP', 'USER|x']);
  assert.deepEqual(commandsOf('USER an\xff\xfb\x06on\r\n'), ['USER|an\xff\xfb\x06on', 'USER|anon']);
  assert.deepEqual(commandsOf('\xff\xf4\xff\xf2ABOR\r\n'), ['ABOR']);
  assert.deepEqual(commandsOf('CWD \xff\xff\r\n'), ['CWD|\xff\xff', 'CWD|\xff']);
  assert.deepEqual(commandsOf('CWD x\xff\r\n'), ['CWD|x\xff\r'.slice(0, 6), 'CWD|x']);
});

test('a line beyond 4,096 bytes: its beginning, as soon as it is there, and nothing of the rest', () => {
  const long = `CWD ${'a'.repeat(5000)}`;
  for (const cut of [0, 3, 4095, 4096, 4097, 5000]) {
    const t = opened(21);
    t.client(0, long.slice(0, cut));
    t.client(cut, `${long.slice(cut)}USER hidden`);
    t.client(long.length + 11, '\r\nQUIT\r\n');
    assert.deepEqual(t.commands, [`CWD|${'a'.repeat(4092)}`, 'QUIT'], `cut at ${cut}`);
  }
});

test('recognised on any port by what Suricata looks for, in either case', () => {
  for (const first of ['USER x', 'pass x', 'Port 1,2', 'FEAT', 'feature']) {
    const t = opened();
    t.client(0, `${first}\r\n`);
    assert.equal(t.appProto, AppProto.Ftp, first);
    assert.equal(t.commands.length, 1);
  }
  const t = opened();
  t.server(0, '220 (x)\r\n');
  t.client(0, 'NOOP\r\n');
  assert.deepEqual(t.commands, ['NOOP'], 'by the greeting');
});

test('recognised byte by byte', () => {
  const t = opened();
  const bytes = 'FeaT\r\nUSER x\r\n';
  for (let i = 0; i < bytes.length; i++) {
    t.client(i, bytes[i]);
    assert.equal(t.appProto, i < 3 ? AppProto.Unknown : AppProto.Ftp);
  }
  assert.deepEqual(t.commands, ['FEAT', 'USER|x']);
});

test('a greeting in two parts, the client before it', () => {
  const t = opened();
  t.client(0, 'US');
  t.server(0, '220');
  t.server(3, ' (x)\r\n');
  assert.equal(t.appProto, AppProto.Ftp);
  t.client(2, 'ER x\r\n');
  assert.deepEqual(t.commands, ['USER|x']);
});

test('neither side speaks it: failed, and nothing is kept', () => {
  const t = opened();
  t.client(0, 'GET / HTTP/1.1\r\n');
  assert.equal(t.appProto, AppProto.Unknown, 'the server may still say 220 (');
  t.server(0, 'HTTP/1.1 200 OK\r\n');
  assert.deepEqual([t.appProto, t.app.active], [AppProto.Failed, 0]);
  t.client(16, 'USER x\r\n');
  assert.deepEqual(t.commands, []);
});

test('a long greeting that is no pattern leaves the decision to the client', () => {
  const t = opened();
  for (let i = 0; i < 30; i++) t.server(5 * i, '220-\n');
  t.client(0, 'USER anonymous\r\n', { ack: 5151 });
  assert.deepEqual(t.commands, ['USER|anonymous']);
});

test('only the client is heard: failed after some packets', () => {
  const t = opened();
  for (let i = 0; i < 9; i++) t.client(i, 'x');
  assert.deepEqual([t.appProto, t.app.active], [AppProto.Failed, 0]);
});

test('a client that begins with what is no pattern', () => {
  const known = opened(21);
  known.client(0, 'XYZZY\r\nUSER anonymous\r\n');
  assert.deepEqual(known.commands, ['XYZZY', 'USER|anonymous'], 'on port 21 any text is FTP');
  const early = opened();
  early.client(0, 'NOOP\r\n');
  early.server(0, '220 (x)\r\n');
  early.client(6, 'USER anonymous\r\n');
  assert.deepEqual(early.commands, ['USER|anonymous'], 'on any other the greeting tells');
});

test('AUTH TLS: when the server grants it and the client begins to encrypt, the flow is TLS', () => {
  const t = new Talk({ port: 2121, app: { protocols: PROTOCOLS } });
  t.open();
  t.server(0, '220 (hello)\r\n');
  t.client(0, 'USER x\r\n');
  t.server(13, '331 ok\r\n', 1009);
  t.client(8, 'AUTH TLS\r\n');
  t.server(21, '234 proceed\r\n', 1019);
  assert.equal(t.appProto, AppProto.Ftp);
  const hello = ` ${'\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03'}${'r'.repeat(32)}\0\0\x02\x13\x01\x01\0\0\0`.slice(1);
  t.client(18, hello.slice(0, 3));
  assert.equal(t.appProto, AppProto.Unknown);
  t.client(21, hello.slice(3));
  assert.equal(t.appProto, AppProto.Tls);
  assert.deepEqual(t.commands.slice(0, 2), ['USER|x', 'AUTH TLS']);
  assert.deepEqual([t.counters[Counter.AppFlows + AppProto.Ftp], t.counters[Counter.AppFlows + AppProto.Tls]], [1, 1]);
});

test('AUTH TLS refused, or said to be granted inside another answer: nothing ends', () => {
  for (const answer of ['500 no\r\n', '213-status\r\n234 not an answer\r\n213 end\r\n', '']) {
    const t = opened();
    t.client(0, 'FEAT\r\nAUTH TLS\r\n');
    if (answer !== '') t.server(0, answer, 1017);
    t.client(16, '\x16\x03\x01\x02\r\nUSER z\r\n');
    assert.deepEqual(t.commands, ['FEAT', 'AUTH TLS', 'USER|z'], answer);
  }
});

test('AUTH TLS granted, but the client goes on in clear', () => {
  const t = opened();
  t.client(0, 'FEAT\r\nAUTH TLS\r\n');
  t.server(0, '211-a\r\n 234 b\r\n211 end\r\n234 ok\r\n', 1017);
  t.client(16, 'USER z\r\n');
  t.client(24, '\x16\x03\r\nPASS z\r\n');
  assert.deepEqual(t.commands, ['FEAT', 'AUTH TLS', 'USER|z', 'PASS|z']);
});

test('the end of the stream ends a line', () => {
  const t = opened();
  t.client(0, 'USER anony');
  t.client(10, 'mous');
  t.c(F | A, 1015, 5001);
  assert.deepEqual(t.commands, ['USER|anonymous']);
});

test('an ended flow takes its state along; its successor begins afresh', () => {
  const t = opened();
  t.client(0, 'USER anony');
  assert.equal(t.app.active, 1);
  t.c(R | A, 1011, 5001);
  t.c(S, 1000 + 90000);
  assert.equal(t.app.active, 0);
  t.s(S | A, 7000, 91001);
  t.c(A, 91001, 7001);
  t.client(90000, 'mous\r\n', { ack: 7001 });
  assert.deepEqual([t.commands, t.appProto], [[], AppProto.Unknown]);
});
