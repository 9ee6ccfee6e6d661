import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';
import type { EngineBench } from '../support/engine.js';

/** An ordinary mail through an engine: each rule alerts once, wherever its packets are cut. */

const RULES = [
  'smtp.helo; content:"client"',
  'smtp.mail_from; content:"alice"',
  'smtp.rcpt_to; content:"bob"',
  'email.subject; content:"hello"',
  'email.from; content:"alice"',
  'email.url; content:"evil.example"',
  'file.name; content:"a.txt"',
  'file.data; content:"attached"',
  'smtp.mail_from; content:"alice"; file.data; content:"attached"',
].map((options, i) => `alert smtp any any -> any any (${options}; sid:${i + 1};)`);
const HEAD = 'MAIL FROM:<alice@a>\r\nRCPT TO:<bob@b>\r\nDATA\r\n';
const MAIL = [
  'From: alice',
  'Subject: hello',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  '',
  'see http://evil.example/x there',
  '--b',
  'Content-Disposition: attachment; filename=a.txt',
  '',
  'attached',
  '--b--',
  '.',
  '',
].join('\r\n');

/** Sids with their number of alerts. `cut`: the client's mail comes in two packets; `waits`: for 354. */
function alerts(bench: EngineBench | undefined, mode: Mode, cut: number, waits: boolean): [Map<number, number>, EngineBench] {
  const c = new Connection({ rules: RULES, port: 25, mode, bench, clientPort: 40_000 + cut });
  const say = (direction: number, text: string) => {
    const other = c.sent[direction ^ 1];
    const verdict = direction === 0 ? c.client(c.sent[0], text, other) : c.server(c.sent[1], text, other);
    assert.equal(verdict, 'pass');
  };
  say(1, '220 mx\r\n');
  say(0, 'EHLO client\r\n');
  say(1, '250-mx\r\n250 PIPELINING\r\n');
  const all = HEAD + MAIL;
  const first = all.slice(0, cut);
  if (waits && cut > HEAD.length) {
    say(0, HEAD);
    say(1, '250 ok\r\n250 ok\r\n354 go\r\n');
    say(0, first.slice(HEAD.length));
  } else if (first !== '') say(0, first);
  say(0, all.slice(cut));
  say(1, waits && cut > HEAD.length ? '250 queued\r\n' : '250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n');
  say(0, 'QUIT\r\n');
  say(1, '221 bye\r\n');
  c.ack(c.sent[0]);
  const found = new Map<number, number>();
  for (const { rule } of c.alerts()) found.set(rule + 1, (found.get(rule + 1) ?? 0) + 1);
  return [found, c.bench];
}

const ONCE = new Map(RULES.map((_, i) => [i + 1, 1]));
const sorted = (found: Map<number, number>) => new Map([...found].sort((a, b) => a[0] - b[0]));

for (const [name, mode] of [
  ['inline', Mode.Ips],
  ['listening', Mode.Ids],
] as const)
  for (const waits of [true, false])
    test(`${name}, a client that ${waits ? 'waits' : 'does not wait'} for 354: each rule alerts once, cut at every byte`, () => {
      let bench: EngineBench | undefined;
      for (let cut = 1; cut < HEAD.length + MAIL.length; cut++) {
        const [found, used] = alerts(bench, mode, cut, waits);
        bench = used;
        assert.deepEqual(sorted(found), ONCE, `cut at ${cut}`);
      }
      bench?.close();
    });
