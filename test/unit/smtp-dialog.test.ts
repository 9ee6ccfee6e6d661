import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Likeness, Parsed } from '../../src/app-layer/protocol.js';
import { probeSmtp } from '../../src/app-layer/smtp/probe.js';
import { Counter } from '../../src/metrics/counters.js';
import { latin, MailTalk, mailing } from '../support/mail.js';

const MAIL = 'From: a@example.com\r\nTo: b@example.com\r\nSubject: hi\r\n\r\ntext\r\n';
const SENT = { status: 'PARSE_DONE', from: 'a@example.com', to: ['b@example.com'] };
const ENVELOPE = { helo: 'c.example', mail_from: '<a@example.com>', rcpt_to: ['<b@example.com>'] };

test('a mail is a transaction, QUIT behind it is none', () => {
  const t = mailing().client(`${MAIL}.\r\n`);
  assert.deepEqual(t.records, [], 'the answer is still to come');
  t.dialog('S: 250 queued\nC: QUIT\nS: 221 bye').finish();
  assert.deepEqual(t.records, [{ ...ENVELOPE, email: SENT }]);
  assert.deepEqual(t.events, [[]]);
  assert.deepEqual(t.shown, [
    'smtp.helo=c.example',
    'smtp.mail_from=<a@example.com>',
    'smtp.rcpt_to=<b@example.com>',
    'email.from=a@example.com',
    'email.to=b@example.com',
    'email.subject=hi',
  ]);
  assert.equal(t.close(), 0);
});

test('everything in one packet, before the server answers', () => {
  const t = new MailTalk().server('220 mx ESMTP\r\n').client('EHLO c.example\r\n').server('250-mx\r\n250 PIPELINING\r\n');
  t.client(
    `MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n${MAIL}.\r\nRSET\r\nMAIL FROM:<x>\r\nRCPT TO:<y>\r\nDATA\r\nSubject: 2\r\n\r\n.\r\n`,
  );
  t.server('250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n');
  assert.deepEqual(t.records, [
    { ...ENVELOPE, email: SENT },
    { helo: 'c.example', mail_from: '<x>', rcpt_to: ['<y>'], email: { status: 'PARSE_DONE' } },
  ]);
  assert.deepEqual(t.events, [['invalid_pipelined_sequence'], ['invalid_pipelined_sequence']]);
});

test('a mail that nobody waited to send is read whatever the server offers', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: HELO c\nS: 250 mx').client(`DATA\r\n${MAIL}.\r\n`).server('354 go\r\n250 queued\r\n');
  assert.deepEqual(t.records, [{ helo: 'c', email: SENT }]);
});

test('DATA that is rejected: what follows are commands again', () => {
  const t = new MailTalk().dialog(`S: 220 mx
    C: HELO c
    S: 250 mx
    C: DATA
    S: 503 need RCPT
    C: MAIL FROM:<a@example.com>
    S: 250 ok`);
  t.finish();
  assert.deepEqual(t.records, [{ helo: 'c', mail_from: '<a@example.com>' }]);
  assert.deepEqual(t.events, [['data_command_rejected']]);
});

test('354 that belongs to no DATA that was understood begins a mail', () => {
  const t = new MailTalk()
    .dialog('S: 220 mx\nC: HELO c\nS: 250 mx')
    .gap(0, 10)
    .server('354 go\r\n')
    .client(`${MAIL}.\r\n`)
    .server('250 queued\r\n');
  assert.deepEqual(t.records, [{ helo: 'c', email: SENT }]);
});

test('RSET and a second HELO give a mail up', () => {
  const t = new MailTalk().dialog(`S: 220 mx
    C: HELO c
    S: 250 mx
    C: MAIL FROM:<1>
    S: 250 ok
    C: RSET
    S: 250 ok
    C: MAIL FROM:<2>
    S: 250 ok
    C: EHLO d
    S: 250 ok
    C: MAIL FROM:<3>
    C: MAIL FROM:<4>`);
  t.finish();
  assert.deepEqual(
    t.records.map(({ helo, mail_from }) => [helo, mail_from]),
    [
      ['c', '<1>'],
      ['c', '<2>'],
      ['c', '<3>'],
    ],
  );
  assert.deepEqual(t.events, [[], ['duplicate_fields'], ['duplicate_fields']]);
});

test('dots: those that were added go, a line of one alone ends the mail', () => {
  const at = (...pieces: string[]) =>
    mailing()
      .client(...pieces)
      .server('250 queued\r\n');
  const body = 'Content-Disposition: attachment; filename=f\r\n\r\n..\r\n...a\r\n.b\r\n';
  for (const pieces of [[`${body}.\r\n`], [body, '.', '\r', '\n'], [...`${body}.\r\n`]]) {
    const t = at(...pieces);
    assert.equal(t.files.seen[0].text, '.\r\n..a\r\nb');
    assert.equal(t.records.length, 1, pieces.join('|'));
  }
});

test('what ends a mail for some servers only is decided by the answer', () => {
  const smuggled = 'Subject: 1\r\n\r\na\n.\nMAIL FROM:<evil>\r\n';
  const strict = mailing().client(smuggled, 'b\r\n.\r\n').server('250 queued\r\n');
  assert.deepEqual(strict.records.length, 1);
  assert.equal(strict.records[0].mail_from, '<a@example.com>');
  const loose = mailing().client('Subject: 1\r\n\r\na\n.\n').server('250 queued\r\n').client('MAIL FROM:<evil>\r\n').finish();
  assert.deepEqual(
    loose.records.map(({ mail_from }) => mail_from),
    ['<a@example.com>', '<evil>'],
  );
  const bare = new MailTalk()
    .server('220 mx\n')
    .client('HELO c\n')
    .server('250 ok\n')
    .client('DATA\n')
    .server('354 go\n')
    .client('A: b\n\nx\n.\n');
  assert.deepEqual(bare.server('250 ok\n').records, [{ helo: 'c', email: { status: 'PARSE_DONE' } }]);
});

test('BDAT: chunks are counted, dots are not touched', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250 CHUNKING\nC: MAIL FROM:<a>\nS: 250 ok\nC: RCPT TO:<b>\nS: 250 ok');
  t.client('BDAT 9\r\nSubject: ').server('250 ok\r\n').client('BDAT 7 LAST\r\nx\r\n\r\n.\n', 'QUIT\r\n').server('250 ok\r\n221 bye\r\n');
  assert.deepEqual(t.records, [{ helo: 'c', mail_from: '<a>', rcpt_to: ['<b>'], email: { status: 'PARSE_DONE' } }]);
  assert.ok(t.shown.includes('email.subject=x'));
  const bad = new MailTalk().dialog('S: 220 mx\nC: BDAT 5 X\nC: MAIL FROM:<a>\nS: 501 no\nS: 250 ok').finish();
  assert.deepEqual([bad.records, bad.events], [[{ mail_from: '<a>' }], [['invalid_bdat']]]);
  const none = new MailTalk().dialog('S: 220 mx\nC: MAIL FROM:<a>\nC: BDAT 0 LAST\nS: 250 ok\nS: 250 ok');
  assert.deepEqual(none.records, [{ mail_from: '<a>', email: { status: 'PARSE_DONE' } }]);
});

test('STARTTLS: what follows is another protocol, or not', () => {
  const asked = () => new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250 STARTTLS\nC: STARTTLS');
  const yes = asked().server('220 go\r\n');
  assert.equal(yes.parsed, Parsed.Changed);
  yes.close();
  assert.deepEqual(yes.records, [{ helo: 'c' }]);
  const no = asked().server('454 no\r\n').client('MAIL FROM:<a>\r\n').finish();
  assert.deepEqual([no.parsed, no.events], [Parsed.Go, [['tls_rejected']]]);
});

test('events of replies and lines', () => {
  const of = (t: MailTalk) => t.finish().events.flat();
  assert.deepEqual(of(new MailTalk().dialog('S: 220 mx\nC: NOOP\nS: 472 what')), ['invalid_reply']);
  assert.deepEqual(of(new MailTalk().dialog('S: 220 mx\nC: NOOP\nS: 4.7.0 later')), ['invalid_reply']);
  assert.deepEqual(of(new MailTalk().dialog('S: 220 mx\nC: NOOP\nS: 250 ok\nS: 250 ok')), ['unable_to_match_reply_with_request']);
  assert.deepEqual(of(new MailTalk().dialog('C: EHLO c\nS: 250 ok')), ['no_server_welcome_message']);
  const long = new MailTalk().server('220 mx\r\n').client(`HELO ${'x'.repeat(5000)}`, `${'y'.repeat(100)}\r\nNOOP\r\n`);
  assert.deepEqual(of(long), ['truncated_line']);
  assert.equal(long.records[0].helo.length, 4096 - 5);
  assert.deepEqual(of(new MailTalk().dialog(`S: 220 mx\nC: NOOP\nS: 250 ${'x'.repeat(600)}`)), ['max_reply_line_len_exceeded']);
});

test('QUIT and RSET alone are a transaction, and nothing is left', () => {
  for (const word of ['QUIT', 'RSET']) {
    const t = new MailTalk().dialog(`S: 220 mx\nC: ${word}\nS: ${word === 'QUIT' ? 221 : 250} ok`);
    assert.deepEqual(t.records, [{}]);
    assert.equal(t.close(), 0);
  }
});

test('replies that are lost do not shift those that follow', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: EHLO c\nC: MAIL FROM:<a>').gap(1, 20).dialog('C: DATA\nS: 354 go').client(`${MAIL}.\r\n`);
  assert.deepEqual(t.server('250 queued\r\n').records, [{ helo: 'c', mail_from: '<a>', email: SENT }]);
});

test('354 is about a DATA, whatever was left out before it', () => {
  // The reply to EHLO never ends.
  const t = new MailTalk().dialog(`S: 220 mx
    C: EHLO c.example
    S: 250-mx
    C: MAIL FROM:<a@example.com>
    S: 250 ok
    C: RCPT TO:<b@example.com>
    S: 250 ok
    C: DATA
    S: 354 go`);
  t.client(`${MAIL}.\r\n`).dialog('S: 250 queued\nC: QUIT\nS: 221 bye').finish();
  assert.deepEqual(t.records, [{ ...ENVELOPE, email: SENT }]);
  assert.deepEqual(t.events, [[]]);
});

test('RSET of nothing, and a mail before its reply: they are one transaction', () => {
  const hello = 'S: 220 mx\nC: EHLO c.example\nS: 250 mx';
  const t = new MailTalk().dialog(hello).client(`RSET\r\nDATA\r\n${MAIL}.\r\n`);
  t.server('250 reset\r\n').server('354 go\r\n').server('250 queued\r\n').finish();
  assert.deepEqual(t.records, [{ helo: 'c.example', email: SENT }]);
  const waits = new MailTalk().dialog(`${hello}\nC: RSET\nS: 250 reset\nC: DATA\nS: 354 go`).client(`${MAIL}.\r\n`);
  waits.server('250 queued\r\n').finish();
  assert.deepEqual(waits.records, [{ helo: 'c.example' }, { helo: 'c.example', email: SENT }]);
});

test('recipients and URLs without end leave room for the message', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: HELO c\nS: 250 ok\nC: MAIL FROM:<a>\nS: 250 ok');
  const before = t.txs.heap.used;
  for (let i = 0; i < 300; i++) t.client(`RCPT TO:<${'x'.repeat(4000)}>\r\n`);
  assert.ok(t.txs.heap.used - before > 256 << 10 && t.txs.heap.used - before < 1 << 20);
  assert.ok(t.counters[Counter.AppInstancesLost] > 200);
  t.client('DATA\r\n\r\n').server('250 ok\r\n'.repeat(300), '354 go\r\n');
  for (let i = 0; i < 600; i++) t.client(`http://${'y'.repeat(1990)}\r\n`);
  const inner =
    'Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=f\r\n\r\nx\r\n--b--\r\n.\r\n';
  t.client(`.\r\nMAIL FROM:<b>\r\nDATA\r\n${inner}`).server('250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n');
  assert.equal(t.records.length, 2);
  assert.ok(t.records[0].email.url.length > 100 && t.records[0].email.url.length < 300);
  assert.equal(t.files.seen[0].text, 'x');
  assert.equal(t.close() > 0, false);
});

test('what looks like SMTP', () => {
  const of = (direction: number, text: string, port = 8000) => probeSmtp(direction, latin(text), 0, text.length, port);
  assert.equal(of(0, 'EHLO x'), Likeness.Yes);
  assert.equal(of(0, 'ehl'), Likeness.More);
  assert.equal(of(0, 'EHLOx'), Likeness.No);
  assert.equal(of(0, 'QUIT\r\n'), Likeness.No);
  assert.equal(of(0, 'QUIT\r\n', 25), Likeness.Yes);
  assert.equal(of(0, 'GET / HTTP/1.1', 25), Likeness.No);
  assert.equal(of(1, '220 x\r\n'), Likeness.No);
  assert.equal(of(1, '220 x'), Likeness.More);
  assert.equal(of(1, '220 mx ESMTP\r\n'), Likeness.Yes);
  assert.equal(of(1, '220-mx\r\n', 587), Likeness.Yes);
  assert.equal(of(1, '230 x\r\n', 25), Likeness.No);
});

test('BDAT of a server that does not know it: what follows are commands', () => {
  for (const code of [500, 502]) {
    const t = new MailTalk().dialog(`S: 220 mx
      C: EHLO c
      S: 250 mx
      C: BDAT 2000000000
      S: ${code} what?
      C: MAIL FROM:<a@example.com>
      S: 250 ok
      C: RCPT TO:<b@example.com>
      S: 250 ok
      C: DATA
      S: 354 go`);
    t.client(`${MAIL}.\r\n`).server('250 queued\r\n');
    assert.deepEqual(t.records, [{ ...ENVELOPE, helo: 'c', email: SENT }], String(code));
  }
});

test('a BDAT that is refused is read all the same', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250 mx\nC: BDAT 30 LAST\nS: 503 no MAIL').client('MAIL FROM:<x>\r\n');
  t.finish();
  assert.equal(JSON.stringify(t.records).includes('mail_from'), false);
});

test('commands that were taken for a mail: the next mail is one', () => {
  const t = new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250 mx');
  t.client('DATA\r\n\r\nMAIL FROM:<x>\r\nRCPT TO:<y>\r\nDATA\r\nhi\r\n.\r\n');
  t.server('503 no\r\n500 what\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n');
  t.dialog(`C: MAIL FROM:<a@example.com>
    S: 250 ok
    C: RCPT TO:<b@example.com>
    S: 250 ok
    C: DATA
    S: 354 go`);
  t.client(`${MAIL}.\r\n`).server('250 queued\r\n');
  assert.deepEqual(t.records.at(-1), { ...ENVELOPE, helo: 'c', email: SENT });
});
