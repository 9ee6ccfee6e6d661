import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import * as build from '../../src/lab/packets.js';
import { Connection } from '../support/connection.js';
import { type Conversation, conversations, type Turn, talk } from '../support/conversations.js';
import { alpn, clientHello, record, serverHello, sni } from '../support/tls-bytes.js';

/** What servers and clients read in more than one way: most was seen to pass a drop rule before it was mended. */
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const EVIL = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const post = (headers: string, body: string) => `POST / HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`;
const sized = (n: number | string) => `Content-Length: ${n}\r\n`;
const inChunks = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const join = (...parts: (string | Uint8Array)[]) => build.concat(...parts.map((part) => build.bytes(part)));
const answer = (headers: string, body: Uint8Array): Turn[] => [
  [0, GET],
  [1, join(`HTTP/1.1 200 OK\r\n${headers}\r\n`, `${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n')],
];
/** The same in one segment each, and byte by byte. */
const both = (name: string, port: number, turns: Turn[]): Conversation[] => [
  [name, port, 'rules', turns],
  [
    `${name}, byte by byte`,
    port,
    'rules',
    turns.flatMap(([side, text]) => [...build.bytes(text)].map((byte): Turn => [side, Uint8Array.of(byte)])),
  ],
];

const URI = 'drop http any any -> any any (http.uri; content:"evil"; sid:1;)';
const BODY = 'drop http any any -> any any (file.data; content:"evilbody"; sid:1;)';
const SNI = 'drop tls any any -> any any (tls.sni; content:"evil"; sid:1;)';
const USER = 'drop ftp any any -> any any (ftp.command; content:"USER"; ftp.command_data; content:"evil"; sid:1;)';
const MAIL = 'drop smtp any any -> any any (smtp.mail_from; content:"evil"; sid:1;)';
const QUERY = 'drop dns any any -> any any (dns.query; content:"evil"; sid:1;)';

describe('evasion of requests behind a body that servers frame differently', () => {
  conversations(
    'the next request',
    [URI],
    [
      ...both('Transfer-Encoding that is not known, no chunks', 80, [[0, post(CHUNKED + sized(5), `xxxxx${EVIL}`)]]),
      ...both('no length', 80, [
        [0, post(CHUNKED, '')],
        [1, OK],
        [0, EVIL],
      ]),
      ...both('a length that ends within a chunk', 80, [[0, post(CHUNKED + sized(4), inChunks(EVIL))]]),
      ...both('the same in HTTP/1.0', 80, [[0, post(CHUNKED + sized(4), inChunks(EVIL)).replace('1.1', '1.0')]]),
      ...both('the same, nearly chunked', 80, [[0, post(`Transfer-Encoding: xchunked\r\n${sized(4)}`, inChunks(EVIL))]]),
      ...both('a length that ends behind the chunks', 80, [[0, post(CHUNKED + sized(60), `0\r\n\r\n${EVIL}`)]]),
      ...both('a method without a body', 80, [[0, `GET / HTTP/1.1\r\nHost: a\r\n${sized(EVIL.length)}\r\n${EVIL}`]]),
      ...both('two lengths', 80, [[0, post(sized(60) + sized(0), EVIL)]]),
      ...both('two lengths, the first 0', 80, [[0, post(sized(0) + sized(4), `abcd${EVIL}`)]]),
      ...both('a length that is none', 80, [[0, post(sized(-40), EVIL)]]),
      ...both('twice, in different ways', 80, [
        [0, post(CHUNKED + sized(4), inChunks(`GET /x HTTP/1.1\r\n${sized(EVIL.length)}\r\n${EVIL}`))],
      ]),
    ],
  );

  it('is no second alert where all readings meet, and no record', () => {
    const alert = URI.replace('drop', 'alert');
    const body = '5\r\nhello\r\n0\r\n\r\n';
    for (const request of [post(CHUNKED + sized(body.length), body) + EVIL, post(CHUNKED, body) + EVIL, `${GET}${EVIL}`]) {
      const c = new Connection({ rules: [alert], port: 80 });
      c.client(0, request);
      assert.equal(c.alerts().length, 1, request);
      c.close();
    }
  });

  it('is not what a body only looks like', () => {
    const c = new Connection({ rules: [URI], port: 80 });
    const body = 'see the page /evil HTTP 1 of them\r\n\r\n';
    assert.equal(c.client(0, `GET / HTTP/1.1\r\nHost: a\r\n${sized(body.length)}\r\n${body}`), 'pass');
    c.close();
  });
});

describe('evasion of bodies', () => {
  const once = gzipSync('evilbody');
  const [twice, thrice] = [gzipSync(once), gzipSync(gzipSync(once))];
  conversations(
    'by codings and by junk before the status line',
    [BODY],
    [
      ['of the transfer', 80, 'rules', answer('Transfer-Encoding: gzip, chunked\r\n', once)],
      ['of both', 80, 'rules', answer('Content-Encoding: gzip\r\nTransfer-Encoding: gzip, chunked\r\n', twice)],
      ['three', 80, 'rules', answer('Content-Encoding: gzip, gzip, gzip\r\nTransfer-Encoding: chunked\r\n', thrice)],
      ...['220 ', 'abcd', '220-'].map(
        (junk): Conversation => [
          `junk ${junk}`,
          8080,
          'rules',
          [
            [0, GET],
            [1, join(`${junk}HTTP/1.1 200 SMTP\r\nContent-Encoding: gzip\r\n\r\n`, once)],
          ],
        ],
      ),
    ],
  );
});

describe('evasion by what the server says first', () => {
  conversations(
    'before a request',
    [URI],
    ['SSH-2.0-x', '220 x SMTP', '220 (x', '220 hi'].map(
      (line): Conversation => [
        line,
        8080,
        'rules',
        [
          [1, `${line}\r\n`],
          [0, GET],
          [1, OK],
          [0, EVIL],
        ],
      ],
    ),
  );
  const hello = record(22, clientHello({ extensions: [sni('evil.example')] }));
  conversations(
    'before a hello',
    [SNI],
    ['SSH-2.0-x\r\n', OK].map(
      (line): Conversation => [
        line,
        8443,
        'rules',
        [
          [1, line],
          [0, hello],
        ],
      ],
    ),
  );
});

describe('evasion of FTP on another port', () => {
  const greeted = (...turns: Turn[]): Turn[] => [[1, '220 hi\r\n'], ...turns, [0, 'USER evil\r\n']];
  conversations(
    'by an unusual beginning',
    [USER],
    [
      ...both('a command that is none', 2121, greeted([0, 'xyz\r\n'], [1, '500 ?\r\n'])),
      ...both('one that is not often first', 2121, greeted([0, 'OPTS UTF8 ON\r\n'], [1, '200 ok\r\n'])),
      ['before the greeting', 2121, 'rules', [[0, 'NOOP\r\n'], ...greeted([1, '200 ok\r\n'])]],
      ['a request before the greeting', 2121, 'rules', [[0, 'OPTIONS / HTTP/1.1\r\n'], ...greeted([1, '500 ?\r\n'])]],
      [
        'a request behind a greeting that tells',
        2121,
        'rules',
        [
          [1, '220 (x)\r\n'],
          [0, 'OPTIONS / HTTP/1.1\r\n'],
          [1, '500 ?\r\n'],
          [0, 'USER evil\r\n'],
        ],
      ],
    ],
  );
  conversations(
    'the same greeting, of SMTP',
    [MAIL],
    [
      ...both('EHLO', 2626, [
        [1, '220 hi\r\n'],
        [0, 'EHLO x\r\n'],
        [1, '250 ok\r\n'],
        [0, 'MAIL FROM:<evil@x>\r\n'],
      ]),
    ],
  );
});

describe('evasion of queries over TCP', () => {
  const name = (text: string) => text.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const message = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name('evil.example'), 0, 0, 1, 0, 1];
  const query = Uint8Array.of(0, message.length, ...message);
  const junk = join(Uint8Array.of(0, 20), new Uint8Array(20).fill(255));
  conversations(
    'behind messages that are none',
    [QUERY],
    [
      ...both('an empty one', 53, [[0, join(Uint8Array.of(0, 0), query)]]),
      ...both('a short one', 53, [[0, join(Uint8Array.of(0, 4, 1, 2, 3, 4), query)]]),
      ...both('one of no questions that fit', 53, [[0, join(junk, query)]]),
      ...both('many', 53, [[0, join(...Array.from({ length: 40 }, () => junk), query)]]),
    ],
  );
});

describe('evasion of TLS', () => {
  const retry = Uint8Array.from(Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'));
  const again = record(22, serverHello(0x1301, [Uint8Array.of(0, 43, 0, 2, 3, 4)], 0x0303, new Uint8Array(), retry));
  const hello = (host: string, ...more: Uint8Array[]) => record(22, clientHello({ extensions: [sni(host), ...more] }));
  const second = (bytes: Uint8Array): Turn[] => [
    [0, hello('good.example')],
    [1, again],
    [0, bytes],
  ];
  conversations('a name in the second hello', [SNI], both('behind a HelloRetryRequest', 443, second(hello('evil.example'))));
  conversations(
    'a fingerprint of the second hello',
    ['drop tls any any -> any any (ja3.string; content:"771,4865-49199,0-16,,"; sid:1;)'],
    both('behind a HelloRetryRequest', 443, second(hello('good.example', alpn('x')))),
  );
});

describe('HTTP/2 without a parser', () => {
  it('is a stream like any other', () => {
    const rule = 'drop tcp any any -> any any (flow:established,to_server; content:"evil"; sid:1;)';
    const settings = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const upgrade = 'Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    const known: Turn[] = [];
    const upgraded: Turn[] = [
      [0, `GET / HTTP/1.1\r\nHost: a\r\n${upgrade}`],
      [1, `HTTP/1.1 101 Switching Protocols\r\n${upgrade}`],
    ];
    for (const before of [known, upgraded]) {
      for (const port of [80, 8080]) {
        const c = new Connection({ rules: [rule], port });
        const turns: Turn[] = [...before, [0, preface], [0, settings], [1, settings], [0, 'evil']];
        const verdicts = talk(c, turns);
        assert.equal(verdicts.pop(), 'drop: rules');
        assert.deepEqual(new Set(verdicts), new Set(['pass']));
        c.close();
      }
    }
  });
});
