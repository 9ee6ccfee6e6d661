import { brotliCompressSync, constants, deflateRawSync, gzipSync } from 'node:zlib';
import { framed, message, name, question, record } from '../support/dns.js';
import * as t from '../support/tls-bytes.js';
import { type Case, type Delivery, data } from './delivery.js';
import {
  deflateBlocks,
  differentHeaders,
  dnsChain,
  dnsPointers,
  dnsRecords,
  filled,
  joined,
  keyExchange,
  longCertificate,
  longCodes,
  longHello,
  pseudo,
  text,
} from './hostile-bytes.js';
import { MOST_HOLE } from './mutate.js';

const stream = (...deliveries: Delivery[]): Case => ({ datagrams: false, listener: false, deliveries });
const datagram = (bytes: Uint8Array): Case => ({ datagrams: true, listener: false, deliveries: [data(0, bytes)] });
const ts = (bytes: Uint8Array | string) => data(0, typeof bytes === 'string' ? text(bytes) : bytes);
const tc = (bytes: Uint8Array | string) => data(1, typeof bytes === 'string' ? text(bytes) : bytes);

const BOMB = gzipSync(Buffer.alloc(400_000));
const SMALL_BOMB = deflateRawSync(Buffer.alloc(20_000));
const response = (body: Uint8Array, coding: string) =>
  joined(`HTTP/1.1 200 \r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`, body);
const MULTIPART = 'DATA\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n';
const BASE64 = 'DATA\r\nContent-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n';
const brotliBomb = (window: number) =>
  brotliCompressSync(Buffer.alloc(1 << window), { params: { [constants.BROTLI_PARAM_LGWIN]: window } });
const GET = 'GET / HTTP/1.1\r\n\r\n';

/** Packets made to cost as much as they can, at most 64 KiB each but for those that say so. */
export const HOSTILE: readonly { parser: string; what: string; one: Case }[] = [
  { parser: 'http', what: '`A LF`', one: stream(ts(filled('A\n'))) },
  { parser: 'http', what: '`A LF`, 1 MiB at once', one: stream(ts(filled('A\n', MOST_HOLE))) },
  { parser: 'http', what: 'the shortest requests', one: stream(ts(filled('A / HTTP/1.1\n\n'))) },
  { parser: 'http', what: 'the shortest requests of HTTP/0.9', one: stream(ts(filled('A B\n\n'))) },
  { parser: 'http', what: 'the shortest responses', one: stream(tc(filled('HTTP/1.1 204\n\n'))) },
  { parser: 'http', what: 'interim responses', one: stream(tc(filled('HTTP 100\n\n'))) },
  { parser: 'http', what: 'requests with a body of one byte', one: stream(ts(filled('A B HTTP/1.1\nContent-Length:1\n\nx'))) },
  { parser: 'http', what: 'requests with a form', one: stream(ts(filled('POST /?%41+%u0041 HTTP/1.1\nHost:a\nCookie:b\nReferer:c\n\n'))) },
  { parser: 'http', what: 'a head of empty headers', one: stream(ts(joined('GET / HTTP/1.1\n', filled('a:\n', 24000), '\n'))) },
  {
    parser: 'http',
    what: 'three heads of the longest kind, headers all different',
    one: stream(ts(joined(...[1, 2].map(differentHeaders)))),
  },
  { parser: 'http', what: 'a head of folded lines', one: stream(ts(joined('GET / HTTP/1.1\na:b\n', filled(' c\n', 24000), '\n'))) },
  {
    parser: 'http',
    what: 'a head of long folded lines, no colon',
    one: stream(ts(joined('GET / HTTP/1.1\nA\n', filled(` ${'c'.repeat(56)}\n`, 60_000), '\n'))),
  },
  {
    parser: 'http',
    what: 'the same, all but its end in packets before',
    one: stream(ts(joined('GET / HTTP/1.1\nA\n', filled(` ${'c'.repeat(56)}\n`, 60_000))), ts('\n')),
  },
  { parser: 'http', what: 'headers of one name', one: stream(ts(joined('GET / HTTP/1.1\n', filled('a:b\n', 4200), '\n'))) },
  {
    parser: 'http',
    what: 'chunks of one byte',
    one: stream(tc(joined('HTTP/1.1 200\nTransfer-Encoding: chunked\n\n', filled('1\na\n', 65000)))),
  },
  {
    parser: 'http',
    what: 'pieces of files',
    one: stream(tc(filled('HTTP/1.1 206\nContent-Length:1\nContent-Range:bytes 0-0/9\n\nx'))),
  },
  {
    parser: 'http',
    what: 'a piece of a file in chunks of one byte',
    one: stream(tc(joined('HTTP/1.1 206\nContent-Range:bytes 0-999999/2000000\nTransfer-Encoding: chunked\n\n', filled('1\na\n', 65000)))),
  },
  {
    parser: 'http',
    what: 'chunk extensions',
    one: stream(tc(joined('HTTP/1.1 200\nTransfer-Encoding: chunked\n\n1', filled(';', 65000)))),
  },
  { parser: 'http', what: 'a bomb', one: stream(ts(GET), tc(response(gzipSync(Buffer.alloc(60_000_000)), 'gzip'))) },
  { parser: 'http', what: 'bombs, one after the other', one: stream(ts(filled(GET, 10_000)), tc(filled(response(BOMB, 'gzip')))) },
  { parser: 'http', what: 'small bombs', one: stream(ts(filled(GET, 20_000)), tc(filled(response(SMALL_BOMB, 'deflate')))) },
  { parser: 'http', what: 'tiny compressed bodies', one: stream(tc(filled(response(deflateRawSync(Buffer.from('a')), 'deflate')))) },
  { parser: 'http', what: 'dynamic codes of nothing', one: stream(tc(filled(response(gzipSync(Buffer.from(pseudo(300))), 'gzip')))) },
  { parser: 'http', what: 'tiny brotli bodies', one: stream(tc(filled(response(brotliCompressSync(Buffer.from('a')), 'br')))) },
  { parser: 'http', what: 'brotli bombs', one: stream(tc(filled(response(brotliCompressSync(Buffer.alloc(1_000_000)), 'br')))) },
  { parser: 'http', what: 'a brotli bomb, window of 4 MiB', one: stream(ts(GET), tc(response(brotliBomb(22), 'br'))) },
  { parser: 'http', what: 'a brotli bomb, window of 16 MiB', one: stream(ts(GET), tc(response(brotliBomb(24), 'br'))) },
  { parser: 'http', what: 'deflate blocks of nothing', one: stream(tc(response(deflateBlocks(), 'deflate'))) },
  { parser: 'http', what: 'a body of the longest codes', one: stream(tc(response(longCodes(), 'deflate'))) },
  { parser: 'http', what: 'line ends', one: stream(ts(filled('\n'))) },
  { parser: 'http', what: 'a response of CR', one: stream(tc(joined('HTTP/1.1 200\n', filled('\r')))) },
  { parser: 'http', what: 'escapes in the URI', one: stream(ts(joined('GET /', filled('%41', 24000), ' HTTP/1.1\n\n'))) },
  { parser: 'http', what: 'a path of dots', one: stream(ts(joined('GET /', filled('a/../', 24000), ' HTTP/1.1\n\n'))) },
  { parser: 'tls', what: 'empty records', one: stream(ts(t.record(22, t.clientHello())), ts(filled(t.record(23, t.bytes())))) },
  { parser: 'tls', what: 'records of one byte of a message', one: stream(ts(filled(t.record(22, t.bytes(1))))) },
  { parser: 'tls', what: 'empty messages', one: stream(ts(filled(t.record(22, filled(t.message(0), 16000))))) },
  { parser: 'tls', what: 'hellos', one: stream(ts(filled(t.record(22, filled(t.clientHello({ extensions: [t.sni('a')] }), 16000))))) },
  { parser: 'tls', what: 'a hello of empty extensions', one: stream(ts(longHello(t.extension(0x5a5a)))) },
  { parser: 'tls', what: 'a hello of names', one: stream(ts(longHello(t.sni('a')))) },
  {
    parser: 'tls',
    what: 'hellos of ciphers',
    one: stream(ts(filled(t.record(22, t.clientHello({ ciphers: Array.from({ length: 7900 }, (_, i) => i) }))))),
  },
  { parser: 'tls', what: 'certificates', one: stream(tc(filled(t.record(22, filled(t.certificates(t.certificate()), 16000))))) },
  { parser: 'tls', what: 'a certificate of names', one: stream(tc(longCertificate(t.der(0x82, 'a')))) },
  { parser: 'tls', what: 'a certificate of directory names', one: stream(tc(longCertificate(t.der(0xa4, t.name(['CN', 'd']))))) },
  { parser: 'tls', what: 'alerts', one: stream(ts(filled(t.record(21, t.bytes(1, 0))))) },
  { parser: 'tls', what: 'heartbeats', one: stream(ts(filled(t.record(24, t.bytes(1, 0, 0))))) },
  { parser: 'dns', what: 'pointers to a long name, datagram', one: datagram(dnsPointers()) },
  { parser: 'dns', what: 'answers that name a long name', one: datagram(dnsRecords(record('*12', 5, name('*12')))) },
  { parser: 'dns', what: 'answers of address', one: datagram(dnsRecords(record('*12', 1, Uint8Array.of(1, 2, 3, 4)))) },
  { parser: 'dns', what: 'answers of text', one: datagram(dnsRecords(record('*12', 16, filled('\x01a', 200)))) },
  { parser: 'dns', what: 'empty texts', one: datagram(dnsRecords(record('*12', 16, filled('\0', 6000)))) },
  {
    parser: 'dns',
    what: 'start of authority',
    one: datagram(dnsRecords(record('*12', 6, joined(name('*12'), name('*12'), new Uint8Array(20))))),
  },
  { parser: 'dns', what: 'a chain of pointers', one: datagram(dnsChain()) },
  { parser: 'dns', what: 'the shortest messages, stream', one: stream(ts(filled(framed(message({}))))) },
  { parser: 'dns', what: 'the shortest queries, stream', one: stream(ts(filled(framed(message({ questions: [question('')] }))))) },
  {
    parser: 'dns',
    what: 'the shortest answers, stream',
    one: stream(tc(filled(framed(message({ flags: 0x8180, questions: [question('')] }))))),
  },
  { parser: 'dns', what: 'pointers, stream', one: stream(ts(framed(dnsPointers().subarray(0, 65400)))) },
  { parser: 'ssh', what: '`A LF`', one: stream(tc(filled('A\n'))) },
  { parser: 'ssh', what: 'banners', one: stream(ts(filled('SSH-2.0-a\n'))) },
  {
    parser: 'ssh',
    what: 'the shortest packets',
    one: stream(ts('SSH-2.0-a\n'), ts(filled(new Uint8Array([0, 0, 0, 12, 4, 2, ...Array(10).fill(0)])))),
  },
  { parser: 'ssh', what: 'empty packets', one: stream(ts('SSH-2.0-a\n'), ts(filled(new Uint8Array([0, 0, 0, 2, 0, 2])))) },
  { parser: 'ssh', what: 'key exchanges', one: stream(ts('SSH-2.0-a\n'), ts(filled(keyExchange()))) },
  { parser: 'ftp', what: '`A LF`', one: stream(ts(filled('A\n'))) },
  { parser: 'ftp', what: '`A LF`, 1 MiB at once', one: stream(ts(filled('A\n', MOST_HOLE))) },
  { parser: 'ftp', what: '`a LF`', one: stream(ts(filled('a\n'))) },
  { parser: 'ftp', what: '`A IAC LF`', one: stream(ts(filled('A\xff\n'))) },
  { parser: 'ftp', what: 'commands with data', one: stream(ts(filled('RETR a\r\n'))) },
  { parser: 'ftp', what: 'line ends', one: stream(ts(filled('\n'))) },
  { parser: 'ftp', what: 'replies', one: stream(ts(filled('A\n')), tc(filled('200\n'))) },
  { parser: 'ftp', what: 'replies to nobody', one: stream(tc(filled('200\n'))) },
  { parser: 'ftp', what: 'lines of a reply', one: stream(tc(filled('220-\n'))) },
  { parser: 'ftp_data', what: 'a file', one: stream(tc(filled('x'))) },
  { parser: 'ftp_data', what: 'a file both ways', one: stream(ts(filled('x')), tc(filled('y'))) },
  { parser: 'smtp', what: '`A LF`', one: stream(ts(filled('A\n'))) },
  { parser: 'smtp', what: '`A LF`, 1 MiB at once', one: stream(ts(filled('A\n', MOST_HOLE))) },
  { parser: 'smtp', what: 'line ends', one: stream(ts(filled('\n'))) },
  { parser: 'smtp', what: 'line ends, CR LF', one: stream(ts(filled('\r\n'))) },
  { parser: 'smtp', what: 'the shortest transactions', one: stream(ts(filled('MAIL FROM:\nRSET\n'))) },
  { parser: 'smtp', what: 'greetings', one: stream(ts(filled('HELO a\n'))) },
  { parser: 'smtp', what: 'recipients', one: stream(ts(joined('MAIL FROM:\n', filled('RCPT TO:\n', 65_000)))) },
  { parser: 'smtp', what: 'chunks of one byte', one: stream(ts(joined('MAIL FROM:\n', filled('BDAT 1\na', 65_000)))) },
  { parser: 'smtp', what: 'empty mails', one: stream(ts(filled('MAIL FROM:\r\nDATA\r\n.\r\n'))) },
  { parser: 'smtp', what: 'replies to commands', one: stream(ts(filled('A\n')), tc(filled('250\n'))) },
  { parser: 'smtp', what: 'replies to nobody', one: stream(tc(filled('250\n'))) },
  { parser: 'smtp', what: 'lines of a reply', one: stream(tc(filled('250-\n'))) },
  { parser: 'smtp', what: 'replies without a code', one: stream(tc(filled('A\n'))) },
  { parser: 'smtp', what: 'a mail of empty lines', one: stream(ts('DATA\r\n\r\n'), ts(filled('\n'))) },
  { parser: 'smtp', what: 'a mail of lines of one byte', one: stream(ts('DATA\r\n\r\n'), ts(filled('a\n'))) },
  { parser: 'smtp', what: 'a mail of `. LF`', one: stream(ts('DATA\r\n\r\n'), ts(filled('.\n'))) },
  { parser: 'smtp', what: 'a mail of `.. CR LF`', one: stream(ts('DATA\r\n\r\n'), ts(filled('..\r\n'))) },
  { parser: 'smtp', what: 'a header of short lines', one: stream(ts('DATA\r\n'), ts(filled('a:\n'))) },
  { parser: 'smtp', what: 'a header of folds', one: stream(ts('DATA\r\na:b\r\n'), ts(filled(' \n'))) },
  { parser: 'smtp', what: 'headers that are kept', one: stream(ts('DATA\r\n'), ts(filled('Received:a\n'))) },
  { parser: 'smtp', what: 'parts', one: stream(ts(MULTIPART), ts(filled('--b\n\n'))) },
  { parser: 'smtp', what: 'parts that are files', one: stream(ts(MULTIPART), ts(filled('--b\nContent-Disposition:attachment\n\na\n'))) },
  { parser: 'smtp', what: 'lines that may be boundaries', one: stream(ts(MULTIPART), ts(filled('--\n'))) },
  { parser: 'smtp', what: 'Base64 in long lines', one: stream(ts(BASE64), ts(filled(`${'QUJD'.repeat(19)}\r\n`))) },
  { parser: 'smtp', what: 'Base64 in lines of one digit', one: stream(ts(BASE64), ts(filled('Q\n'))) },
  { parser: 'smtp', what: 'Base64 of padding', one: stream(ts(BASE64), ts(filled('QQ=='))) },
  { parser: 'smtp', what: 'quoted-printable', one: stream(ts(BASE64.replace('base64', 'quoted-printable')), ts(filled('=41'))) },
  { parser: 'smtp', what: 'a mail of URLs', one: stream(ts('DATA\r\n\r\n'), ts(filled('http://a.b\n'))) },
  { parser: 'smtp', what: 'a mail of `http:`', one: stream(ts('DATA\r\n\r\n'), ts(filled('http:'))) },
];
