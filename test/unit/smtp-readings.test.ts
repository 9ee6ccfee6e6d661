import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session } from '../../src/app-layer/sessions.js';
import { Counter } from '../../src/metrics/counters.js';
import { cutAt } from '../support/app-protocol.js';
import { latin, MailTalk, mailing } from '../support/mail.js';

/** What one side takes for a mail, the other for commands: neither may hide anything. */

const EVIL = 'MAIL FROM:<evil>\r\nRCPT TO:<victim>\r\nDATA\r\nContent-Disposition: attachment; filename=evil\r\n\r\nworm\r\n.\r\n';
const GOOD = 'Content-Disposition: attachment; filename=good\r\n\r\ntext\r\n';
const BURST = 'MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n';
const greeted = () => new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250 mx');
const sent = (mail: string) => ({ helo: 'c', mail_from: mail, rcpt_to: [mail === '<evil>' ? '<victim>' : '<b>'] });

/** Rules have seen the second mail: its envelope and its attachment. */
function assertSeen(t: MailTalk, what = ''): void {
  for (const buffer of ['smtp.mail_from=<evil>', 'smtp.rcpt_to=<victim>', 'file.data=worm', 'file.name=evil'])
    assert.ok(t.shown.includes(buffer), `${what}: ${buffer} of ${t.shown.join(' ')}`);
}

/** Feeds the bytes whole, cut in two at every byte between `from` and `to`, and byte by byte. */
function* deliveries(text: string, from = 1, to = text.length): Generator<Uint8Array[]> {
  const bytes = latin(text);
  yield [bytes];
  for (let at = from; at < to; at++) yield cutAt(bytes, [at]);
  yield [...bytes].map((byte) => Uint8Array.of(byte));
}

test('DATA refused behind the back of a client that did not wait: what it sent as mail are commands', () => {
  // A mail for us, an envelope and a mail of its own for a server that has refused the first DATA.
  const said = `${BURST}Subject: x\r\n\r\n${EVIL}`;
  for (const pieces of deliveries(said)) {
    const t = greeted().client(...pieces);
    assertSeen(t);
    t.server('250 ok\r\n250 ok\r\n554 no\r\n500 what\r\n500 what\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n').finish();
    assert.deepEqual(t.records, [sent('<a>'), { ...sent('<evil>'), email: { status: 'PARSE_DONE', attachment: ['evil'] } }]);
    assert.ok(t.events[0].includes('data_command_rejected'));
    assert.ok(t.events[1].includes('invalid_pipelined_sequence'));
    assert.equal(t.close(), 0);
  }
});

test('the same bytes when the server accepts: one mail, whatever stands in it', () => {
  const t = greeted().client(`${BURST}Subject: x\r\n\r\n${EVIL}`);
  t.server('250 ok\r\n250 ok\r\n').server('354 go\r\n').server('250 queued\r\n').finish();
  assert.deepEqual(t.records, [{ ...sent('<a>'), email: { status: 'PARSE_DONE' } }]);
  assert.equal(t.withdrawn.length, 1, 'the other reading had one of its own, of which nothing is written');
  assert.equal(t.close(), 0);
});

test('recipients refused, DATA refused: the mail goes on as commands of later packets', () => {
  const t = greeted().client(`${BURST}${GOOD}`);
  assert.ok(t.shown.includes('file.data=text'), 'read as the mail it was meant to be');
  t.server('250 ok\r\n550 no such user\r\n503 no recipients\r\n');
  t.client(EVIL);
  assertSeen(t);
  t.server(`${'500 what\r\n'.repeat(3)}503 nested\r\n250 ok\r\n354 go\r\n250 queued\r\n`).finish();
  assert.equal(t.files.seen.at(-1)?.state, 'closed');
  assert.deepEqual(
    t.records.map(({ email }) => email?.attachment),
    [['evil']],
    'the same transaction: nothing but its recipients had been refused',
  );
});

test('354 comes late: nothing but the order of packets is different', () => {
  const t = greeted().client(`${BURST}${GOOD}`);
  t.server('250 ok\r\n250 ok\r\n').client('more\r\n').server('354 go\r\n').client('.\r\n').server('250 queued\r\n').finish();
  assert.deepEqual(t.records, [{ ...sent('<a>'), email: { status: 'PARSE_DONE', attachment: ['good'] } }]);
  assert.equal(t.files.seen[0].text, 'text\r\nmore');
  assert.deepEqual(t.withdrawn, []);
});

test('DATA refused more than once: those without an envelope cost no reading', () => {
  const decoys = 'DATA\r\n\r\n'.repeat(20);
  const t = greeted().client(decoys + EVIL);
  assertSeen(t);
  t.server(`${'503 no\r\n500 what\r\n'.repeat(20)}250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n`).finish();
  assert.deepEqual(t.records.at(-1), { ...sent('<evil>'), email: { status: 'PARSE_DONE', attachment: ['evil'] } });
  assert.equal(t.close(), 0);
});

test('when there is no room for another reading, a packet waits for the reply that will decide', () => {
  const t = greeted();
  const hasRoom = () => t.protocol.hasRoom(t.session, 0, latin('x'), 0, 1);
  t.client(`${BURST}x\r\n${BURST}y\r\n`);
  assert.equal(hasRoom(), true);
  t.client(BURST);
  assert.equal(hasRoom(), false);
  t.server('250 ok\r\n250 ok\r\n354 go\r\n');
  assert.equal(hasRoom(), true);
  t.client('z\r\n.\r\n').server('250 queued\r\n');
  assert.equal(t.close(), 0);
});

test('several mails of one burst, all accepted: a record each', () => {
  const one = (n: number) => `MAIL FROM:<${n}>\r\nRCPT TO:<b>\r\nDATA\r\nSubject: ${n}\r\n\r\nx\r\n.\r\n`;
  const t = greeted().client([1, 2, 3, 4, 5].map(one).join(''));
  t.server('250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n'.repeat(5)).finish();
  assert.deepEqual(
    t.records.map(({ mail_from }) => mail_from),
    ['<1>', '<2>', '<3>', '<4>', '<5>'],
  );
  assert.equal(t.close(), 0);
});

const ENDS: readonly string[] = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\r.\n',
  '\n.\r',
  '\r\n.\r',
  '\r\n.\r\r\n',
  '\r\r\n.\r\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\0.\r',
];

test('SMTP smuggling: what ends the mail for some servers only hides no second mail, whichever they are', () => {
  for (const end of ENDS) {
    for (const pieces of deliveries(`Subject: x\r\n\r\ntext${end}${EVIL}`, 16, 28)) {
      const what = JSON.stringify(end);
      // Its server takes it for the end.
      const loose = mailing().client(...pieces);
      assertSeen(loose, what);
      loose.server('250 queued\r\n', '250 ok\r\n'.repeat(2), '354 go\r\n', '250 queued\r\n').finish();
      assert.equal(loose.records[0].mail_from, '<a@example.com>', what);
      assert.equal(loose.records.length, 2, what);
      assert.deepEqual(loose.records[1].email, { status: 'PARSE_DONE', attachment: ['evil'] }, what);
      assert.equal(loose.close(), 0);
      // It does not: one mail, and an event on what would have been another.
      const strict = mailing()
        .client(...pieces, 'QUIT\r\n')
        .server('250 queued\r\n', '221 bye\r\n')
        .finish();
      assert.equal(strict.records.length, 1, what);
      assert.ok(strict.withdrawn.flat().includes('invalid_pipelined_sequence'), what);
      assert.equal(strict.close(), 0);
    }
  }
});

test('the end that all servers know is one, and what follows is no other reading', () => {
  for (const pieces of deliveries(`Subject: x\r\n\r\ntext\r\n.\r\n${EVIL.replace('DATA', 'NOOP')}`)) {
    const t = mailing().client(...pieces);
    t.server('250 queued\r\n250 ok\r\n').finish();
    assert.deepEqual(t.withdrawn, []);
    assert.equal(t.records[0].email.status, 'PARSE_DONE');
  }
});

test('a client of LF alone, whose server wants CR LF: the mail goes on behind its dot', () => {
  const rest = 'Content-Disposition: attachment; filename=late\n\nworm\r\n.\r\n';
  const at = () =>
    new MailTalk().server('220 mx\n').client('HELO c\n').server('250 ok\n').client('MAIL FROM:<a>\nDATA\n').server('250 ok\n354 go\n');
  for (const pieces of deliveries(`Content-Type: multipart/x; boundary=b\n\n.\n--b\n${rest}`)) {
    const t = at()
      .client(...pieces)
      .server('250 queued\r\n')
      .finish();
    assert.ok(t.shown.includes('file.data=worm') && t.shown.includes('file.name=late'));
    assert.equal(t.records[0].email.attachment[0], 'late');
  }
  // Its server does not, and was not seen to answer.
  const blind = new MailTalk().client('HELO c\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\nA: b\n\nx\n.\nMAIL FROM:<c>\n').finish();
  assert.deepEqual(
    blind.records.map(({ mail_from, email }) => [mail_from, email?.status]),
    [
      ['<a>', 'PARSE_DONE'],
      ['<c>', undefined],
    ],
  );
});

test('BDAT of a server that has not offered it: the chunk are commands, too', () => {
  for (const pieces of deliveries(`MAIL FROM:<a>\r\nRCPT TO:<b>\r\nBDAT ${EVIL.length} LAST\r\n${EVIL}`)) {
    const t = greeted().client(...pieces);
    assertSeen(t);
    t.server('250 ok\r\n250 ok\r\n502 what\r\n503 nested\r\n250 ok\r\n354 go\r\n250 queued\r\n').finish();
    assert.deepEqual(t.records.at(-1)?.email, { status: 'PARSE_DONE', attachment: ['evil'] });
    assert.equal(t.close(), 0);
  }
  const offered = new MailTalk().dialog('S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 CHUNKING');
  offered.client(`MAIL FROM:<a>\r\nBDAT ${EVIL.length} LAST\r\n${EVIL}`);
  assert.ok(!offered.shown.includes('smtp.mail_from=<evil>'));
});

test('several MAIL FROM of one mail: all are inspected', () => {
  const t = greeted().client('MAIL FROM:<a>\r\nMAIL FROM:<evil>\r\nMAIL FROM:<b>\r\n');
  for (const sender of ['<a>', '<evil>', '<b>']) assert.ok(t.shown.includes(`smtp.mail_from=${sender}`));
  t.finish();
  assert.deepEqual([t.records[0].mail_from, t.events], ['<a>', [['duplicate_fields']]]);
  const many = greeted();
  for (let i = 0; i < 5000; i++) many.client(`MAIL FROM:<${i}>\r\n`);
  many.client('RCPT TO:<b>\r\nDATA\r\n').server('354 go\r\n');
  assert.ok(many.counters[Counter.AppInstancesLost] > 0);
  many.client(GOOD);
  assert.ok(many.shown.includes('file.name=good'), 'there is room for the message');
});

test('DATA that is refused again and again leaves room for the mail', () => {
  const t = greeted().client('MAIL FROM:<a>\r\nRCPT TO:<b>\r\n').server('250 ok\r\n250 ok\r\n');
  for (let i = 0; i < 2000; i++) t.client('DATA\r\n').server('451 later\r\n');
  t.client('DATA\r\n').server('354 go\r\n').client(`${GOOD}.\r\n`).server('250 queued\r\n');
  assert.deepEqual(t.records, [{ ...sent('<a>'), email: { status: 'PARSE_DONE', attachment: ['good'] } }]);
});

test('a reading that parts with a line cut by a gap is given nothing of what another flow says', () => {
  const t = greeted();
  t.client('MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n.\r\n', 'RCPT TO:<z').gap(0, 10);
  assert.equal(t.sessions.active, 2, 'a reading has parted');
  const other = t.sessions.take();
  t.protocol.open(other);
  const before = t.sessions.words.slice(0, other * Session.Words);
  t.protocol.begin();
  // A line that is not taken from the packet at once, and one behind it.
  const said = latin('\x16\r\nEHLO d\r\nMAIL FROM:<x>\r\n');
  t.protocol.data(other, 0, said, -1, 0, said.length);
  assert.deepEqual(t.sessions.words.slice(0, other * Session.Words), before);
});
