import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MIME_OPTIONS } from '../../src/app-layer/mime/layout.js';
import { SMTP_OPTIONS, type SmtpOptions } from '../../src/app-layer/smtp/options.js';
import { type MailTalk, mailing } from '../support/mail.js';

const withMime = (mime: Partial<SmtpOptions['mime']>, eve: Partial<SmtpOptions['eve']> = {}): SmtpOptions => ({
  ...SMTP_OPTIONS,
  mime: { ...MIME_OPTIONS, ...mime },
  eve: { ...SMTP_OPTIONS.eve, ...eve },
});
const sent = (lines: readonly string[], options?: SmtpOptions): MailTalk =>
  mailing(options)
    .client(`${lines.join('\r\n')}\r\n.\r\n`)
    .server('250 queued\r\n');
const email = (lines: readonly string[], options?: SmtpOptions) => sent(lines, options).records[0].email;
const files = (lines: readonly string[], options?: SmtpOptions) =>
  sent(lines, options).files.seen.map(({ name, text, state }) => [name, text, state]);
const part = (...lines: string[]) => ['--b', ...lines];
const MULTI = ['Content-Type: multipart/mixed; boundary="b"', '', 'preamble http://not.read/'];
const attached = (encoding: string, ...body: string[]) =>
  files([
    ...MULTI,
    ...part('Content-Disposition: attachment; filename="f"', `Content-Transfer-Encoding: ${encoding}`, '', ...body),
    '--b--',
  ]);

test('headers: folds, several of a name, lists of addresses', () => {
  const lines = [
    'Received: from a',
    '\tby b; now',
    'From:  Me <me@x> ',
    'TO: "a, b" <a@x>,, c@x ,',
    ' "q\\",r" <d@x>',
    'Cc:',
    'From: other',
    'received: from c',
    '',
  ];
  const t = sent(lines, withMime({}, { headers: ['received'] }));
  assert.deepEqual(t.records[0].email, {
    status: 'PARSE_DONE',
    from: 'Me <me@x>',
    to: ['"a, b" <a@x>', 'c@x', '"q\\",r" <d@x>'],
    received: ['from a\tby b; now', 'from c'],
  });
  assert.ok(t.shown.includes('email.received=from c'));
  assert.ok(t.shown.includes('email.to="a, b" <a@x>,, c@x , "q\\",r" <d@x>'));
});

test('records show what is asked for', () => {
  const lines = ['Subject: hi', 'X-Mailer: m', 'Message-Id: <1>', 'Date: now', '', 'a', '..b'];
  assert.deepEqual(email(lines), { status: 'PARSE_DONE' });
  const options = withMime({ bodyMd5: true }, { headers: ['x-mailer', 'subject'], subjectMd5: true, bodyMd5: true });
  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  assert.deepEqual(email(lines, options), {
    status: 'PARSE_DONE',
    subject: 'hi',
    x_mailer: 'm',
    subject_md5: md5('hi'),
    body_md5: md5('a\r\n..b\r\n'),
  });
  assert.ok(sent(lines, options).shown.includes(`email.body_md5=${md5('a\r\n..b\r\n')}`));
});

test('status: how far a message that is not complete was read', () => {
  const at = (text: string) => mailing().client(text).finish().records[0].email.status;
  assert.equal(mailing().finish().records[0].email.status, 'HEADER_READY');
  assert.equal(at('Subject: x\r\n'), 'HEADER_STARTED');
  assert.equal(at('Subject: x\r\n\r\nx'), 'BODY_STARTED');
});

test('the line end before a boundary is no part of the body', () => {
  assert.deepEqual(attached('7bit', 'a', 'b'), [['f', 'a\r\nb', 'closed']]);
  assert.deepEqual(attached('8bit', 'a', ''), [['f', 'a\r\n', 'closed']]);
  assert.deepEqual(attached('binary'), [['f', '', 'closed']]);
});

test('Base64, with padding, without, with what does not belong there', () => {
  assert.deepEqual(attached('base64', 'YWJj', 'ZGU='), [['f', 'abcde', 'closed']]);
  assert.deepEqual(attached('BASE64', 'YW', 'JjZA'), [['f', 'abcd', 'closed']]);
  assert.deepEqual(attached('base64', 'YWI=', 'YWI=Yw=='), [['f', 'ababc', 'closed']]);
  assert.deepEqual(attached('base64', 'Y*W-Jj'), [['f', 'abc', 'closed']]);
  // As readers of mail take them, whatever RFC 2045 says.
  for (const value of ['"base64"', '(x) base64', 'base64 (x)', 'base64 x', 'base64\r\nContent-Transfer-Encoding: 7bit'])
    assert.deepEqual(attached(value, 'YWJj'), [['f', 'abc', 'closed']], value);
  const bad = ['Content-Disposition: attachment; filename=f', 'Content-Transfer-Encoding: base64', '', 'Y*WI='];
  assert.deepEqual(sent(bad).events, [['mime_invalid_base64']]);
});

test('quoted-printable: soft breaks, digits, what is none', () => {
  assert.deepEqual(attached('quoted-printable', 'a=3Db=', 'c=3d', 'd= ', 'e'), [['f', 'a=bc=\r\nde', 'closed']]);
  assert.deepEqual(attached('quoted-printable', '=zz=4z=='), [['f', '=zz=4z=', 'closed']]);
  const bad = ['Content-Disposition: attachment; filename=f', 'Content-Transfer-Encoding: quoted-printable', '', '=zz'];
  assert.deepEqual(sent(bad).events, [['mime_invalid_qp']]);
});

test('what the configuration turns off is not done', () => {
  const lines = ['Content-Disposition: attachment; filename=f', 'Content-Transfer-Encoding: base64', '', 'YWJj'];
  assert.deepEqual(files(lines, withMime({ base64: false })), [['f', 'YWJj', 'closed']]);
  const t = sent(lines, withMime({ decode: false }));
  assert.deepEqual([t.files.seen, t.records[0].email], [[], undefined]);
  const raw = sent(lines, { ...withMime({ decode: false }), raw: true });
  assert.deepEqual(raw.files.seen, [{ name: 'rawmsg', text: `${lines.join('\r\n')}\r\n`, state: 'closed' }]);
});

test('names of files', () => {
  const name = (...headers: string[]) => files([...headers, '', 'x']).map(([of]) => of);
  assert.deepEqual(name('Content-Type: application/pdf; name="a b.pdf"'), ['a b.pdf']);
  assert.deepEqual(name('Content-Type: x/y; name=type', 'Content-Disposition: attachment; filename=disposition; size=1'), ['disposition']);
  assert.deepEqual(name('Content-Disposition: attachment; filename=disposition', 'Content-Type: x/y; name=type'), ['disposition']);
  assert.deepEqual(name('Content-Disposition: attachment;', ' filename="q\\"\\\\;x"'), ['q"\\;x']);
  assert.deepEqual(name("Content-Disposition: attachment; filename*=UTF-8''a%20%41.zip"), ['a A.zip']);
  assert.deepEqual(name('Content-Disposition: attachment; filename*0*=\'\'a%3B; filename*1="%41;"; filename*2*=%42'), ['a;%41;B']);
  assert.deepEqual(name('Content-Disposition: attachment; filename*0="a"; filename*1="b"; filename=plain'), ['plain']);
  assert.deepEqual(name('Content-Disposition: attachment'), ['']);
  assert.deepEqual(name('Content-Disposition: inline'), []);
  const long = sent([`Content-Disposition: attachment; filename="${'x'.repeat(300)}"`, '', 'x']);
  assert.deepEqual([long.files.seen[0].name.length, long.events], [255, [['mime_long_filename']]]);
  assert.equal(long.records[0].email.attachment[0].length, 255);
});

test('parts within parts: boundaries of any open level, and no others', () => {
  const lines = [
    ...MULTI,
    ...part('Content-Type: multipart/alternative; boundary=bb', '', '--bb', 'Content-Type: x/1; name=1', '', 'one', '--bbb', '--bb--'),
    'epilogue',
    ...part('Content-Type: x/2; name=2', '', '-', '--', '--c', 'two', '--b \t'),
    'Content-Type: x/3; name=3',
    '',
    '--b--x',
    'http://no.more/',
  ];
  const t = sent(lines);
  assert.deepEqual(
    t.files.seen.map(({ name, text }) => [name, text]),
    [
      ['1', 'one\r\n--bbb'],
      ['2', '-\r\n--\r\n--c\r\ntwo'],
      ['3', ''],
    ],
  );
  assert.deepEqual(t.records[0].email, { status: 'PARSE_DONE', attachment: ['1', '2', '3'] });
});

test('a message within a message', () => {
  const inner = ['Subject: inner', 'Content-Type: x/y; name=in', '', 'body'];
  const t = sent(['Subject: outer', ...MULTI.slice(0, 2), ...part('Content-Type: message/rfc822', '', ...inner), '--b--']);
  assert.deepEqual(t.files.seen, [{ name: 'in', text: 'body', state: 'closed' }]);
  assert.ok(t.shown.includes('email.subject=outer') && !t.shown.includes('email.subject=inner'));
});

test('URLs: of texts, the last one first, in either case, in any encoding', () => {
  const urls = (lines: string[], options?: SmtpOptions) => email(lines, options).url;
  const text = ['', 'see http://a.example/x?y or <HTTP://b.example> and https://c.example', 'xhttp://d.example"e'];
  assert.deepEqual(urls(text), ['d.example', 'b.example', 'a.example/x?y']);
  const all = withMime({ urlSchemes: ['http', 'https'], urlScheme: true });
  assert.deepEqual(urls(text, all), ['http://d.example', 'https://c.example', 'HTTP://b.example', 'http://a.example/x?y']);
  assert.deepEqual(urls(text, withMime({ urls: false })), undefined);
  assert.deepEqual(urls(['Content-Type: x/y', ...text]), undefined);
  const encoded = Buffer.from('<a href="http://a.example/">').toString('base64');
  assert.deepEqual(urls(['Content-Type: text/html', 'Content-Transfer-Encoding: base64', '', encoded.slice(0, 20), encoded.slice(20)]), [
    'a.example/',
  ]);
  assert.deepEqual(urls(['Content-Transfer-Encoding: quoted-printable', '', 'http:=', '//a.ex=61mple/=3D']), ['a.example/=']);
  assert.equal(urls(['', `http://${'x'.repeat(5000)}`])[0].length, 2048 - 'http://'.length);
});

test('events of messages', () => {
  const of = (...lines: string[]) => sent(lines).events[0];
  assert.deepEqual(of('no colon', ''), ['mime_malformed_msg']);
  assert.deepEqual(of(`${'n'.repeat(76)}: x`, ''), ['mime_long_header_name']);
  assert.deepEqual(of(`To: ${'x'.repeat(900)}`, ` ${'y'.repeat(900)}`, ` ${'z'.repeat(900)}`, ''), ['mime_long_header_value']);
  assert.deepEqual(of('', 'x'.repeat(999)), ['mime_long_line']);
  assert.deepEqual(of('', 'x'.repeat(998)), []);
  assert.deepEqual(of('Content-Transfer-Encoding: base64', '', 'x'.repeat(77)), ['mime_long_enc_line']);
  assert.deepEqual(of('Content-Type: multipart/x; boundary=', '', ''), ['mime_malformed_msg']);
  assert.deepEqual(of('Content-Type: multipart/x;', ` boundary=${'x'.repeat(255)}`, '', ''), ['mime_long_boundary']);
});

test('lost bytes: the file is not what it was, the message goes on', () => {
  const t = mailing().client('Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nContent-Type: x/y; name=f\r\n\r\nabc').gap(0, 10);
  t.client('def\r\n--b\r\nContent-Type: x/y; name=g\r\n\r\nghi\r\n--b--\r\n.\r\n').server('250 ok\r\n');
  assert.deepEqual(
    t.files.seen.map(({ name, text }) => [name, text]),
    [
      ['f', 'abcdef'],
      ['g', 'ghi'],
    ],
  );
  assert.equal(t.close(), 0);
});

test('a part with several names: rules see all, its file has the first', () => {
  const t = mailing().client(
    'Content-Type: text/plain; name=c.txt\r\nContent-Disposition: attachment; filename=a.txt; filename=evil.exe; filename*0=b; filename*1=.js\r\n\r\nx\r\n.\r\n',
  );
  const names = t.shown.filter((line) => line.startsWith('file.name=')).map((line) => line.slice(10));
  assert.deepEqual(names.sort(), ['a.txt', 'b.js', 'c.txt', 'evil.exe']);
  assert.deepEqual(
    t.files.seen.map(({ name }) => name),
    ['a.txt'],
  );
  const same = mailing().client('Content-Type: a/b; name=a\r\nContent-Disposition: attachment; filename="a"\r\n\r\nx\r\n.\r\n');
  assert.equal(same.shown.filter((line) => line.startsWith('file.name=')).length, 1);
});
