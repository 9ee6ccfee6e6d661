import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutAt } from '../support/app-protocol.js';
import { latin, type MailTalk, mailing } from '../support/mail.js';

/** Readers of mail do not agree what divides a message: an attachment that one of them would find is found. */

const attachment = (name: string, ...body: string[]) => [`Content-Disposition: attachment; filename=${name}`, '', ...body];
const sent = (lines: readonly string[]): MailTalk =>
  mailing()
    .client(`${lines.join('\r\n')}\r\n.\r\n`)
    .server('250 queued\r\n');
const files = (lines: readonly string[]) => sent(lines).files.seen.map(({ name, text }) => `${name}=${text}`);

/** A multipart whose Content-Type says so, with an attachment behind each of these boundaries. */
const divided = (type: string, ...boundaries: string[]) =>
  files([
    `Content-Type: ${type}`,
    '',
    ...boundaries.flatMap((boundary, i) => [`--${boundary}`, ...attachment(`f${i}`, 'worm')]),
    `--${boundaries.at(-1)}--`,
  ]);

const LONG = 'x'.repeat(300);

test('a boundary that readers take in different ways divides in each of them', () => {
  const cases: [type: string, ...boundaries: string[]][] = [
    ['multipart/mixed; boundary=b', 'b'],
    ['multipart/mixed; boundary="b"', 'b'],
    ['multipart/mixed; boundary = "b" ', 'b'],
    ['multipart/mixed; boundary="b', 'b'],
    ['multipart/mixed; boundary="b  "', 'b'],
    ['multipart/mixed; boundary="a b"', 'a b'],
    ['multipart/mixed; boundary=a b', 'a b', 'a'],
    ['multipart/mixed; boundary=a; boundary=b', 'a', 'b'],
    ['multipart/mixed; boundary="a\\"b"', 'a"b'],
    ['multipart/mixed; boundary="b" (a comment)', 'b'],
    ['multipart/mixed; (a; comment) boundary=b', 'b'],
    ['multipart/mixed; boundary=(a comment)b', '(a comment)b', 'b'],
    ['(a comment) multipart/mixed; boundary=b', 'b'],
    ['multipart(a comment)/mixed; boundary=b', 'b'],
    ['multipart/mixed; boundary*0=a; boundary*1=b', 'ab'],
    ['multipart/mixed; boundary*1="b"; boundary*0=a', 'ab'],
    ["multipart/mixed; boundary*=us-ascii''a%62", 'ab'],
    ["multipart/mixed; boundary*0*=''a%62; boundary*1=c", 'abc'],
    ['multipart/mixed; boundary=x; boundary*0=a; boundary*1=b', 'x', 'ab'],
    ['multipart/mixed; boundaryx=a; boundary=b', 'b'],
    ['multipart/mixed', 'b'],
    ['multipart/mixed; boundary=', 'b'],
    ['multipart/mixed; boundary=""', 'b'],
    [`multipart/mixed; x="${'y'.repeat(3000)}"; boundary=b`, 'b'],
    [`multipart/mixed; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
    [`multipart/mixed; boundary=${LONG}`, LONG],
    [`multipart/mixed;\r\n boundary=b\r\nContent-Type: text/plain`, 'b'],
    [`text/plain\r\nContent-Type: multipart/mixed; boundary=b`, 'b'],
    ['multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b', 'a', 'b'],
  ];
  for (const [type, ...boundaries] of cases)
    assert.deepEqual(
      divided(type, ...boundaries),
      boundaries.map((_, i) => `f${i}=worm`),
      type.slice(0, 100),
    );
});

test('a boundary that begins another one, equal ones within each other, one that is not closed', () => {
  const nested = (outer: string, inner: string) =>
    files([
      `Content-Type: multipart/mixed; boundary=${outer}`,
      '',
      `--${outer}`,
      `Content-Type: multipart/mixed; boundary=${inner}`,
      '',
      `--${inner}`,
      ...attachment('1', 'a'),
      `--${inner}--`,
      `--${outer}`,
      ...attachment('2', 'b'),
    ]);
  for (const [outer, inner] of [
    ['b', 'bb'],
    ['bb', 'b'],
    ['b', 'b'],
    ['b', 'b--'],
  ])
    assert.deepEqual(nested(outer, inner), ['1=a', '2=b'], `${outer} ${inner}`);
  assert.deepEqual(files(['Content-Type: multipart/x; boundary=b', '', '--bb', ...attachment('1', 'a'), '--b', ...attachment('2', 'b')]), [
    '2=b',
  ]);
});

test('behind the last boundary, and deeper than any reader needs', () => {
  assert.deepEqual(
    files(['Content-Type: multipart/x; boundary=b', '', '--b', '', 'x', '--b--', '--b', ...attachment('late', 'worm'), '--b--']),
    ['late=worm'],
  );
  const deep = Array.from({ length: 60 }, (_, i) => [`Content-Type: multipart/x; boundary=b${i}`, '', `--b${i}`]).flat();
  assert.deepEqual(files([...deep, ...attachment('deep', 'worm'), '--b59--']), ['deep=worm']);
});

test('a message that is encoded is a file, whatever reads it', () => {
  const message = Buffer.from('Subject: x\r\n\r\nworm').toString('base64');
  assert.deepEqual(files(['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', message]), ['=Subject: x\r\n\r\nworm']);
  const named = ['Content-Type: message/rfc822; name=evil.exe', 'Content-Transfer-Encoding: base64', '', message];
  assert.deepEqual(files(named), ['evil.exe=Subject: x\r\n\r\nworm']);
});

test('names: pieces out of order, comments', () => {
  const name = (value: string) => sent([`Content-Disposition: ${value}`, '', 'x']).files.seen[0]?.name;
  assert.equal(name('attachment; filename*1=b; filename*0=a'), 'ab');
  assert.equal(name('attachment; (x) filename=evil'), 'evil');
  assert.equal(name('(x) attachment'), '');
  assert.equal(name('attachment; filename*1=b'), '');
});

test('long boundaries cut anywhere are the same', () => {
  const message = [
    'Content-Type: multipart/x;',
    ` boundary=${LONG}`,
    '',
    `--${LONG}`,
    ...attachment('f', 'worm'),
    `--${'x'.repeat(260)} y`,
    '',
  ];
  const bytes = latin(`${message.join('\r\n')}\r\n.\r\n`);
  const whole = mailing().client(bytes).files.seen;
  assert.deepEqual(whole, [{ name: 'f', text: 'worm', state: 'closed' }]);
  for (let at = 1; at < bytes.length; at += 3) assert.deepEqual(mailing().client(...cutAt(bytes, [at])).files.seen, whole, `cut at ${at}`);
});
