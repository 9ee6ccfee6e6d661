import { deflateSync, gzipSync } from 'node:zlib';
import { framed, message, name, question, record, words } from '../support/dns.js';
import * as t from '../support/tls-bytes.js';

type Piece = readonly [direction: number, bytes: Uint8Array];

const text = (s: string) => new Uint8Array(Buffer.from(s, 'latin1'));
const pieces = (...list: [number, string][]): Piece[] => list.map(([direction, s]) => [direction, text(s)]);
const zipped = (head: string, body: Uint8Array) =>
  new Uint8Array(Buffer.concat([Buffer.from(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`), body]));

const query = message({ questions: [question('www.example.org')] });
const answer = message({
  flags: 0x8180,
  questions: [question('www.example.org')],
  answers: [record('*12', 5, name('cdn.*16')), record('cdn.*16', 1, Uint8Array.of(192, 0, 2, 7)), record('*12', 16, text('\x05v=spf'))],
  authorities: [record('*16', 6, new Uint8Array([...name('ns.*16'), ...name('x.*16'), ...words(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)]))],
  additionals: [record('', 41, new Uint8Array(0))],
});

/** Key exchange lists, as SSH has them (RFC 4253, 7.1). */
function sshLists(): Uint8Array {
  const lists = [
    'curve25519-sha256,ecdh-sha2-nistp256',
    'ssh-ed25519',
    'aes128-ctr',
    'aes128-ctr',
    'hmac-sha2-256',
    'hmac-sha2-256',
    'none',
    'none',
    '',
    '',
  ];
  const body = Buffer.concat([Buffer.from([20]), Buffer.alloc(16, 7), ...lists.map((l) => Buffer.from(t.sized(4, l))), Buffer.alloc(5)]);
  return new Uint8Array(Buffer.concat([Buffer.from(t.sized(4, new Uint8Array([4]), body, new Uint8Array(4)))]));
}

/** A few talks of each protocol by EVE's event_type: for a machine without the capture, and what the capture lacks. */
export const BUILT_IN: readonly { name: string; datagrams?: boolean; pieces: readonly Piece[] }[] = [
  {
    name: 'http',
    pieces: pieces(
      [0, 'GET /a?b=%41 HTTP/1.1\r\nHost: example.org:80\r\nUser-Agent: x\r\nCookie: a=b\r\n\r\n'],
      [1, 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n'],
      [
        0,
        'POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=zz\r\nContent-Length: 98\r\n\r\n',
      ],
      [1, 'HTTP/1.1 100 Continue\r\n\r\n'],
      [0, '--zz\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nfile\r\n--zz\r\n\r\nsecond\r\n--zz--\r\n\r\n'],
      [1, 'HTTP/1.0 204 No\r\n\r\n'],
    ),
  },
  {
    name: 'http',
    pieces: [
      [0, text('GET /z HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n')],
      [1, zipped('HTTP/1.1 200 OK\r\nContent-Encoding: gzip', gzipSync(Buffer.from('hello, world '.repeat(30))))],
      [1, zipped('HTTP/1.1 200 OK\r\nContent-Encoding: deflate, gzip', gzipSync(deflateSync(Buffer.alloc(20000, 'ab'))))],
    ],
  },
  {
    name: 'http',
    pieces: pieces(
      [0, 'CONNECT h:443 HTTP/1.1\r\n\r\n'],
      [1, 'HTTP/1.1 200 ok\r\n\r\n'],
      [0, '\x16\x03\x01'],
      [0, 'GET /old\r\n'],
      [1, 'no head'],
    ),
  },
  {
    name: 'tls',
    pieces: [
      [0, t.record(22, t.clientHello({ extensions: [t.sni('bar.example'), t.alpn('h2', 'http/1.1'), t.groups(29, 23), t.points(0)] }))],
      [
        1,
        t.record(
          22,
          t.bytes(
            t.serverHello(0xc02f, [t.alpn('h2')]),
            t.certificates(t.certificate({ names: [t.der(0x82, 'bar.example')] })),
            t.message(14),
          ),
        ),
      ],
      [0, t.bytes(t.record(22, t.message(16, 1, 2)), t.CIPHER_SPEC, t.record(22, t.RANDOM))],
      [1, t.bytes(t.CIPHER_SPEC, t.record(22, t.RANDOM), t.record(23, t.RANDOM))],
    ],
  },
  {
    name: 'tls',
    pieces: [
      [0, t.record(22, t.clientHello({ extensions: [t.versions(0x0304), t.signatures(0x403)] }))],
      [1, t.bytes(t.record(22, t.serverHello(0x1301, [t.extension(43, 3, 4)])), t.CIPHER_SPEC, t.record(23, t.RANDOM))],
      [0, t.record(24, t.bytes(1, 0x40, 0))],
    ],
  },
  {
    name: 'dns',
    datagrams: true,
    pieces: [
      [0, query],
      [1, answer],
    ],
  },
  {
    name: 'dns',
    pieces: [
      [0, framed(query)],
      [1, framed(answer)],
    ],
  },
  {
    name: 'ssh',
    pieces: [
      [0, text('SSH-2.0-client_1.0 comment\r\n')],
      [1, text('hello\r\nSSH-2.0-server_2.0\r\n')],
      [0, sshLists()],
      [1, sshLists()],
      [0, new Uint8Array([0, 0, 0, 12, 10, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ],
  },
  {
    name: 'ftp',
    pieces: pieces(
      [1, '220-Welcome\r\n220 (ftp)\r\n'],
      [0, 'USER anonymous\r\n'],
      [1, '331 go on\r\n'],
      [0, 'PASS \xff\xf4\xff\xf2x\r\nPORT 10,0,0,1,4,5\r\nPASV\r\nEPSV\r\nRETR a.txt\r\nSTOR b\r\n'],
      [1, '230 in\r\n200 ok\r\n227 Entering Passive Mode (10,0,0,2,5,6)\r\n229 Entering (|||1287|)\r\n150 go\r\n226 done\r\n'],
      [0, 'AUTH TLS\r\n'],
      [1, '234 yes\r\n'],
      [0, '\x16\x03\x01\x00\x05hello'],
    ),
  },
  { name: 'ftp_data', pieces: pieces([0, 'some file'], [1, 'answer'], [0, 'goes on']) },
  { name: 'ftp_data', pieces: pieces([1, '%PDF-1.4 file'], [1, 'goes on']) },
  {
    name: 'smtp',
    pieces: pieces(
      [1, '220 mail.example.org ESMTP\r\n'],
      [0, 'EHLO client\r\n'],
      [1, '250-mail\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n'],
      [0, 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n'],
      [1, '250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n'],
      [
        0,
        'From: a\r\nTo: c\r\nSubject: =?utf-8?B?eA==?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="zz"\r\n\r\n--zz\r\nContent-Type: text/plain\r\n\r\nhttp://x.example/a\r\n--zz\r\nContent-Disposition: attachment; filename="a.exe"\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--zz--\r\n.\r\n',
      ],
      [1, '250 queued\r\n'],
      [0, 'BDAT 5 LAST\r\nhello'],
      [1, '250 ok\r\n'],
      [0, 'STARTTLS\r\n'],
      [1, '220 go\r\n'],
      [0, '\x16\x03\x01'],
    ),
  },
];
