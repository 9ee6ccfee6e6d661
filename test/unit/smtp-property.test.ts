import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MIME_OPTIONS } from '../../src/app-layer/mime/layout.js';
import { SMTP_OPTIONS, type SmtpOptions } from '../../src/app-layer/smtp/options.js';
import { cutAt } from '../support/app-protocol.js';
import { latin, MailTalk, mailing } from '../support/mail.js';

const OPTIONS: SmtpOptions = {
  ...SMTP_OPTIONS,
  mime: { ...MIME_OPTIONS, bodyMd5: true, urlSchemes: ['http', 'ftp'] },
  eve: { headers: ['received', 'subject'], subjectMd5: true, bodyMd5: true },
};
const MESSAGE = latin(
  [
    'Received: from a',
    '\tby b',
    'From: a@example.com',
    'To: "x, y" <b@example.com>, c@example.com',
    'Subject: hello',
    'Content-Type: multipart/mixed;',
    ' boundary="--x"',
    '',
    '----x',
    'Content-Type: text/plain',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'see http://a.exam=',
    'ple/=41=3D, then',
    '..dot',
    '----x',
    "Content-Disposition: attachment; filename*0*=''a%20; filename*1=b",
    'Content-Transfer-Encoding: base64',
    '',
    ...(Buffer.from('some bytes '.repeat(30))
      .toString('base64')
      .match(/.{1,60}/g) ?? []),
    '-----x',
    '----x',
    'Content-Type: multipart/x; boundary=y',
    '',
    '--y',
    'Content-Type: x/z; name=z',
    '',
    '-\r',
    '--',
    'z\r\r',
    '--y--',
    '----x--',
    'end',
    '.',
    '',
  ].join('\r\n'),
);
const COMMANDS = latin('HELO c\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n');

/** All that is to be known of a session in which the client's bytes came in these pieces. */
function outcome(pieces: readonly Uint8Array[], chunked = false, replies = '250 ok\r\n'.repeat(20)): unknown {
  const t = chunked ? new MailTalk(OPTIONS) : mailing(OPTIONS);
  t.client(...pieces);
  t.server(replies).finish();
  // In which order files of several readings begin depends on where packets end.
  const seen = t.files.seen.sort((a, b) => (`${a.name} ${a.text}` < `${b.name} ${b.text}` ? -1 : 1));
  const result = {
    records: t.records,
    events: t.events,
    seen,
    shown: t.shown.filter((line) => !/^(file|email.url|smtp.rcpt)/.test(line)).sort(),
  };
  assert.equal(t.close(), 0);
  return result;
}

test('a message cut anywhere is the same message', () => {
  const whole = outcome([MESSAGE]) as { records: { email: { url: string[] } }[]; seen: { name: string; text: string }[] };
  assert.deepEqual(whole.records[0].email.url, ['a.example/A=,']);
  assert.deepEqual(
    whole.seen.map(({ name, text }) => [name, text.length]),
    [
      ['a b', 330],
      ['z', 11],
    ],
  );
  for (let at = 1; at < MESSAGE.length; at += 2) assert.deepEqual(outcome(cutAt(MESSAGE, [at])), whole, `cut at ${at}`);
  assert.deepEqual(outcome([...MESSAGE].map((byte) => Uint8Array.of(byte))), whole);
});

test('commands and chunks cut anywhere are the same', () => {
  const length = MESSAGE.length;
  const chunked = latin(`HELO c\r\nMAIL FROM:<a>\r\nBDAT ${length}\r\n`);
  const stream = Buffer.concat([chunked, MESSAGE, latin('BDAT 3 LAST\r\n...QUIT\r\n')]);
  const whole = outcome([stream], true);
  for (let at = 1; at < stream.length; at += 5) assert.deepEqual(outcome(cutAt(stream, [at]), true), whole, `cut at ${at}`);
  const mail = Buffer.concat([COMMANDS, MESSAGE, COMMANDS.subarray(8), MESSAGE]);
  const replies = `${'250 ok\r\n'.repeat(4)}354 go\r\n${'250 ok\r\n'.repeat(4)}354 go\r\n250 ok\r\n`;
  const two = outcome([mail], true, replies) as { records: unknown[] };
  assert.equal(two.records.length, 2);
  fc.assert(
    fc.property(fc.array(fc.nat(mail.length - 1), { maxLength: 12 }), (places) => {
      assert.deepEqual(outcome(cutAt(mail, places), true, replies), two);
    }),
    { numRuns: 150 },
  );
});

test('what a body is encoded from comes out of it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 1, max: 90 }),
      fc.array(fc.nat(900), { maxLength: 6 }),
      (bytes, width, places) => {
        const lines =
          Buffer.from(bytes)
            .toString('base64')
            .match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
        const head = 'Content-Disposition: attachment; filename=f\r\nContent-Transfer-Encoding: base64\r\n\r\n';
        const stream = latin(`${head}${lines.map((line) => `${line}\r\n`).join('')}.\r\n`);
        const t = mailing().client(
          ...cutAt(
            stream,
            places.filter((place) => place < stream.length),
          ),
        );
        assert.equal(t.files.seen[0].text, Buffer.from(bytes).toString('latin1'));
      },
    ),
    { numRuns: 150 },
  );
});

const WORDS = [
  'HELO a\r\n',
  'EHLO ',
  'MAIL FROM:<a>\r\n',
  'RCPT TO:<b>\r\n',
  'DATA\r\n',
  'BDAT 5\r\n',
  'BDAT 0 LAST\r\n',
  'RSET\r\n',
  'STARTTLS\r\n',
  'QUIT\r\n',
  '.\r\n',
  '.\n',
  '\r\n',
  '\n',
  '--b',
  '--b--\r\n',
  '\r',
  '.',
  ' ',
];
const HEADS = [
  'Content-Type: multipart/x; boundary=b\r\n',
  'Content-Type: message/rfc822\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Disposition: attachment; filename=',
  "filename*0*=a'b'%4;",
  '"',
  'http://',
  '=',
  'To: a,',
];
const REPLIES = [
  '220 x\r\n',
  '250 ok\r\n',
  '250-PIPELINING\r\n',
  '354 go\r\n',
  '503 no\r\n',
  '221 bye\r\n',
  '4.7.0\r\n',
  'x\r\n',
  '999 x\r\n',
  '25',
];
const said = fc.oneof(
  fc.tuple(
    fc.constant(0),
    fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom(...HEADS), fc.string({ maxLength: 9 })), { maxLength: 8 }),
  ),
  fc.tuple(fc.constant(1), fc.array(fc.constantFrom(...REPLIES), { maxLength: 4 })),
  fc.tuple(fc.constant(2), fc.constant<string[]>([])),
);

test('whatever is said, in whatever order, is survived, and everything is given back', () => {
  fc.assert(
    fc.property(
      fc.array(said, { maxLength: 40 }),
      fc.constantFrom(64 << 10, 8 << 20),
      fc.constantFrom(2, 64),
      (talk, heap, transactions) => {
        const t = new MailTalk(OPTIONS, heap, transactions);
        for (const [who, texts] of talk) {
          if (who === 2) t.gap(texts.length, 3);
          else if (who === 1) t.server(texts.join(''));
          else t.client(texts.join(''));
        }
        t.finish();
        assert.equal(t.close(), 0);
        assert.deepEqual([t.txs.active, t.sessions.active], [0, 1]);
      },
    ),
    { numRuns: 400 },
  );
});

test('a message that is damaged is survived', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(MESSAGE.length - 1), fc.nat(255)), { maxLength: 12 }),
      fc.nat(MESSAGE.length - 1),
      (changes, cut) => {
        const bytes = MESSAGE.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        const t = mailing(OPTIONS).client(...cutAt(bytes, [cut]), '\r\n.\r\n');
        t.finish();
        assert.equal(t.close(), 0);
        assert.equal(t.records.length > 0, true);
      },
    ),
    { numRuns: 400 },
  );
});

test('64 KiB of anything take time in proportion', () => {
  const size = 65536;
  const fill = (text: string) => latin(text.repeat(Math.ceil(size / text.length)).slice(0, size));
  const heads = 'Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n';
  for (const text of [
    '\n',
    'A\n',
    '.\r\n',
    'RCPT TO:<>\n',
    '-',
    '--b\n',
    '--\n',
    `${heads}--c`,
    'http://x ',
    ':',
    '://',
    '=',
    'x;=',
    '250 ok\r\n',
    heads,
  ]) {
    const bytes = fill(text);
    for (const t of [new MailTalk(OPTIONS), mailing(OPTIONS)]) {
      const begun = process.hrtime.bigint();
      t.client(bytes, bytes).server(bytes);
      const ms = Number(process.hrtime.bigint() - begun) / 1e6;
      // Quadratic time would be seconds; so slow a machine is not what this is about.
      assert.ok(ms < 1500, `${JSON.stringify(text)}: ${ms} ms`);
    }
  }
});
