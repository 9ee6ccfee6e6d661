import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Counter } from '../../src/metrics/counters.js';
import { cutAt } from '../support/app-protocol.js';
import { latin, MailTalk, mailing } from '../support/mail.js';
import { Mta } from '../support/mta.js';

/** Clients that do not wait (RFC 2920, 3030), and those that should. */

const greeted = (offers = 'PIPELINING') => new MailTalk().dialog(`S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 ${offers}`);
const named = (n: number) => `Content-Disposition: attachment; filename=f${n}\r\n\r\nbody ${n}`;
const hasRoom = (t: MailTalk, text = 'x\r\n') => t.protocol.hasRoom(t.session, 0, latin(text), 0, text.length);

/** Sends what there is room for; it must. */
function send(t: MailTalk, text: string): void {
  assert.ok(hasRoom(t, text), `waits with ${JSON.stringify(text)}`);
  t.client(text);
  assert.equal(t.sessions.active, 1, 'no other reading');
}

describe('clients that keep to the rules', () => {
  test('several mails in one connection, pipelined as Postfix does: nothing waits, nothing is odd, no reading parts', () => {
    const t = greeted();
    send(t, 'MAIL FROM:<0>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n');
    for (let n = 0; n < 20; n++) {
      t.server('250 ok\r\n', '250 ok\r\n250 ok\r\n').server('354 go\r\n');
      send(t, `Subject: ${n}\r\n\r\nMAIL FROM:<in the text>\r\n`);
      // The dot and the next envelope in one packet.
      send(t, `${'line\r\n'.repeat(n)}.\r\n${n < 19 ? `MAIL FROM:<${n + 1}>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n` : 'QUIT\r\n'}`);
      t.server('250 queued\r\n');
    }
    t.server('221 bye\r\n').finish();
    assert.deepEqual(
      t.records.map(({ mail_from, email }) => [mail_from, email?.status]),
      Array.from({ length: 20 }, (_, n) => [`<${n}>`, 'PARSE_DONE']),
    );
    assert.deepEqual([t.events.flat(), t.withdrawn], [[], []]);
    assert.ok(!t.shown.includes('smtp.mail_from=<in the text>'));
    assert.equal(t.counters[Counter.AppNoRoom], 0);
    assert.equal(t.close(), 0);
  });

  test('chunks of a server that offers them, all at once', () => {
    const t = greeted('CHUNKING');
    for (let n = 0; n < 5; n++) send(t, `MAIL FROM:<${n}>\r\nRCPT TO:<b>\r\nBDAT 12\r\nSubject: a\r\nBDAT 8 LAST\r\n\r\ntext\r\n`);
    t.server('250 ok\r\n'.repeat(20)).finish();
    assert.equal(t.records.length, 5);
    assert.ok(t.records.every(({ email }) => email.status === 'PARSE_DONE'));
    assert.deepEqual([t.events.flat(), t.withdrawn], [[], []]);
  });

  test('354 that is late: a client that waits loses nothing, one that does not neither', () => {
    for (const early of ['', 'Subject: early\r\n\r\nmore\r\n']) {
      const t = greeted();
      send(t, 'MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n');
      if (early !== '') for (const piece of early.split(/(?<=[re\n])/)) send(t, piece);
      t.server('250 ok\r\n').server('250 ok\r\n354 go\r\n');
      send(t, 'Subject: late\r\n\r\ntext\r\n.\r\n');
      t.server('250 queued\r\n').finish();
      assert.equal(t.records.length, 1);
      assert.equal(t.records[0].email.status, 'PARSE_DONE');
      assert.equal(t.close(), 0);
    }
  });
});

test('whole mails of text that nobody waited to send are one reading, whatever becomes of each', () => {
  const t = greeted();
  for (let n = 0; n < 6; n++) send(t, `MAIL FROM:<${n}>\r\nRCPT TO:<b>\r\nDATA\r\n${named(n)}\r\n.\r\n`);
  for (let n = 0; n < 6; n++)
    t.server(n & 1 ? '250 ok\r\n250 ok\r\n554 no\r\n500 a\r\n500 b\r\n500 c\r\n500 d\r\n' : '250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n');
  t.finish();
  assert.deepEqual(
    t.records.map(({ mail_from, email }) => [mail_from, email?.attachment]),
    [0, 1, 2, 3, 4, 5].map((n) => [`<${n}>`, n & 1 ? undefined : [`f${n}`]]),
  );
  assert.deepEqual(
    t.events.map((events) => events.includes('data_command_rejected')),
    [false, true, false, true, false, true],
  );
  assert.equal(t.close(), 0);
});

/** What a client says without waiting, and which DATA are accepted. */
const talk = fc.record({
  items: fc.array(fc.constantFrom('mail', 'again', 'nested', 'junk', 'RSET'), { minLength: 1, maxLength: 5 }),
  accepts: fc.array(fc.boolean(), { maxLength: 6 }),
  cuts: fc.array(fc.tuple(fc.nat(900), fc.boolean()), { maxLength: 6 }),
});

test('whatever the server accepts and refuses: what it takes for mails was seen as mails, and records say so', () => {
  let parted = 0;
  fc.assert(
    fc.property(talk, ({ items, accepts, cuts }) => {
      const text = items
        .map((item, n) => {
          if (item === 'RSET') return 'RSET\r\n';
          if (item === 'junk') return 'what is this\r\n';
          const envelope = item === 'again' ? `RCPT TO:<${n}>\r\nDATA\r\n` : `MAIL FROM:<${n}>\r\nRCPT TO:<b>\r\nDATA\r\n`;
          return `${envelope}${named(n)}\r\n${item === 'nested' ? '' : '.\r\n'}`;
        })
        .join('');
      const bytes = latin(`${text}.\r\n`);
      const places = cuts.filter(([at]) => at > 0 && at < bytes.length).sort((a, b) => a[0] - b[0]);
      const mta = new Mta([...accepts]);
      const t = greeted();
      let said = '';
      const pieces = cutAt(
        bytes,
        places.map(([at]) => at),
      );
      for (const [i, piece] of pieces.entries()) {
        t.client(piece);
        parted = Math.max(parted, t.sessions.active);
        said += mta.hear(String.fromCharCode(...piece));
        if (places[i]?.[1] !== true || said === '') continue;
        t.server(said);
        said = '';
      }
      if (said !== '') t.server(said);
      t.finish();
      const names = mta.taken.map((body) => /^Content-Disposition: attachment; filename=(f\d)/.exec(body)?.[1]).filter(Boolean);
      for (const name of names) assert.ok(t.shown.includes(`file.name=${name}`), `${name} of ${t.shown.join(' ')}`);
      const recorded = t.records.flatMap(({ email }) => email?.attachment ?? []);
      assert.deepEqual(recorded.sort(), names.sort());
      assert.equal(t.close(), 0);
      assert.deepEqual([t.txs.active, t.sessions.active], [0, 1]);
    }),
    { numRuns: 1500 },
  );
  assert.ok(parted > 2, 'some had several readings');
});

test('DATA refused six times over in one packet hides no mail behind', () => {
  const t = greeted();
  const decoys = [1, 2, 3, 4, 5, 6].map((n) => `MAIL FROM:<${n}>\r\nRCPT TO:<b>\r\nDATA\r\nx\r\n`).join('');
  t.client(`${decoys}MAIL FROM:<evil>\r\nRCPT TO:<v>\r\nDATA\r\n${named(7)}\r\n.\r\n`);
  for (const buffer of ['smtp.mail_from=<evil>', 'smtp.rcpt_to=<v>', 'file.name=f7', 'file.data=body 7'])
    assert.ok(t.shown.includes(buffer), buffer);
  assert.equal(hasRoom(t), false);
  t.server(`${'250 ok\r\n250 ok\r\n554 no\r\n500 what\r\n'.repeat(6)}250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n`);
  assert.equal(hasRoom(t), true);
  assert.deepEqual(t.records.at(-1)?.email?.attachment, ['f7']);
  assert.equal(t.sessions.active, 1);
  t.finish();
  assert.equal(t.close(), 0);
});

describe('packets wait for a reply', () => {
  const BURST = 'MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nx\r\n';

  test('as long as it takes when the server owes one whichever reading is right', () => {
    const t = greeted().client(BURST + BURST + BURST);
    for (let i = 0; i < 100; i++) assert.equal(hasRoom(t), false);
    t.server('250 ok\r\n250 ok\r\n354 go\r\n');
    assert.equal(hasRoom(t), true);
  });

  test('three times only when in one reading it owes none: a mail about SMTP whose server reads on', () => {
    const t = mailing().client(`text\n.\n${BURST}${BURST}${BURST}`);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => hasRoom(t)),
      [false, false, false, true, true],
    );
    t.client('the end\r\n.\r\n').server('250 queued\r\n').finish();
    assert.equal(t.records.length, 1);
    assert.equal(t.close(), 0);
  });
});
