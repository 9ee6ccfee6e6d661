import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { Likeness, Parsed } from '../../src/app-layer/protocol.js';
import { HttpHarness, type Seen } from '../support/http-harness.js';

const REQUEST =
  'GET /a%20b/../c?x=%41 HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nUser-Agent: one\r\nUser-Agent: two\r\nCookie: a=b\r\nAccept: */*\r\n\r\n';

function talk(pieces: [number, string | Uint8Array][], limits = {}): Seen[] {
  const h = new HttpHarness(limits);
  for (const [direction, bytes] of pieces) h.packet(direction, bytes);
  h.end();
  assert.equal(h.txs.heap.used, 0, 'memory is given back');
  assert.equal(h.txs.active, 0);
  return h.seen;
}

function response(headers: string, body: string | Uint8Array = ''): Uint8Array {
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${headers}\r\n`, 'latin1'), Buffer.from(body as string, 'latin1')]);
}

describe('HTTP: buffers of a request', () => {
  const [seen] = talk([[0, REQUEST]]);
  const expected: Record<string, string> = {
    'http.method': 'GET',
    'http.uri': '/c?x=A',
    'http.uri.raw': '/a%20b/../c?x=%41',
    'http.protocol': 'HTTP/1.1',
    'http.request_line': 'GET /a%20b/../c?x=%41 HTTP/1.1',
    'http.host': 'www.example.com',
    'http.host.raw': 'WWW.Example.com:8080',
    'http.user_agent': 'one, two',
    'http.cookie': 'a=b',
    'http.accept': '*/*',
    'http.header': 'Host: WWW.Example.com:8080\r\nUser-Agent: one, two\r\nAccept: */*\r\n',
    'http.header_names': '\r\nHost\r\nUser-Agent\r\nCookie\r\nAccept\r\n\r\n',
    'http.header.raw': REQUEST.slice(REQUEST.indexOf('\n') + 1),
  };
  for (const [name, value] of Object.entries(expected)) {
    it(name, () => assert.deepEqual(seen.buffers[0][name], [value]));
  }
  it('http.request_header has one instance per header', () =>
    assert.deepEqual(seen.buffers[0]['http.request_header'], [
      'Host: WWW.Example.com:8080',
      'User-Agent: one, two',
      'Cookie: a=b',
      'Accept: */*',
    ]));
  it('a record', () =>
    assert.deepEqual(seen.record, {
      hostname: 'WWW.Example.com',
      http_port: 8080,
      url: '/a%20b/../c?x=%41',
      http_user_agent: 'one, two',
      http_method: 'GET',
      protocol: 'HTTP/1.1',
      length: 0,
    }));
});

describe('HTTP: bodies', () => {
  const text = 'the body of this response, the body of this response, '.repeat(20);
  const get: [number, string] = [0, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'];
  const chunked = `5;x=y\r\n${text.slice(0, 5)}\r\n${(text.length - 5).toString(16)}\r\n${text.slice(5)}\r\n0\r\nTrailer: x\r\n\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const cases: [string, Uint8Array][] = [
    ['by length', response(`Content-Length: ${text.length}\r\n`, text)],
    ['in chunks', response('Transfer-Encoding: chunked\r\n', chunked)],
    ['until close', response('', text)],
    ['gzip', response('Content-Encoding: gzip\r\n', gzipSync(bytes))],
    ['zlib', response('Content-Encoding: deflate\r\n', deflateSync(bytes))],
    ['deflate', response('Content-Encoding: deflate\r\n', deflateRawSync(bytes))],
    ['stored', response('Content-Encoding: deflate\r\n', deflateRawSync(bytes, { level: 0 }))],
    ['brotli', response('Content-Encoding: br\r\n', brotliCompressSync(bytes))],
    ['gzip in deflate', response('Content-Encoding: gzip, deflate\r\n', deflateSync(gzipSync(bytes)))],
    ['not compressed as said', response('Content-Encoding: gzip\r\n', text)],
  ];
  for (const [name, message] of cases) {
    it(name, () => assert.equal(talk([get, [1, message]])[0].body[1], text));
    it(`${name}, byte by byte`, () => {
      const pieces: [number, Uint8Array][] = Array.from(message, (c) => [1, Uint8Array.of(c)]);
      assert.equal(talk([get, ...pieces])[0].body[1], text);
    });
  }
  it('chunks that end in something else count in full, however they are cut', () => {
    const damaged = response('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n  \x00what is this');
    const length = (cuts: [number, Uint8Array][]) => (talk([get, ...cuts])[0].record as { length: number }).length;
    const whole = length([[1, damaged]]);
    assert.equal(whole, '5\r\nhello\r\n  \x00what is this'.length);
    assert.equal(length(Array.from(damaged, (c) => [1, Uint8Array.of(c)])), whole);
  });
  it('no more than the limit', () =>
    assert.equal(talk([get, [1, response('', text)]], { responseBody: 100 })[0].body[1], text.slice(0, 100)));
  it('a bomb ends', () => {
    const [seen] = talk([get, [1, response('Content-Encoding: gzip\r\n', gzipSync(Buffer.alloc(50 << 20)))]], { responseBody: 1 << 30 });
    assert.deepEqual(seen.events, ['compression_bomb']);
    assert.ok(seen.body[1].length <= 512 * 1024);
  });
  it('of a request', () => {
    const [seen] = talk([[0, 'POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n']]);
    assert.deepEqual(seen.buffers[0]['http.request_body'], ['abc']);
  });
  it('a gap in it is survived', () => {
    const h = new HttpHarness();
    h.packet(0, 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    h.packet(1, 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012');
    h.gap(1, 5);
    h.packet(1, '89HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n');
    h.end();
    assert.deepEqual(
      h.seen.map((seen) => seen.record!.status),
      [200, 404],
    );
  });
});

describe('HTTP: encoded bodies of requests', () => {
  it('are decoded', () => {
    const body = gzipSync('name=value');
    const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
    const [seen] = talk([[0, Buffer.concat([Buffer.from(head), body])]]);
    assert.deepEqual(seen.buffers[0]['http.request_body'], ['name=value']);
  });
});

describe('HTTP: messages', () => {
  it('pipelined requests meet their responses', () => {
    const requests = [1, 2, 3].map((i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    const responses = [201, 304, 404].map((status) => `HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`).join('');
    const seen = talk([
      [0, requests],
      [1, responses],
    ]);
    assert.deepEqual(
      seen.map(({ record }) => [record!.url, record!.status]),
      [
        ['/1', 201],
        ['/2', 304],
        ['/3', 404],
      ],
    );
  });
  it('a response without a request', () => {
    const [seen] = talk([[1, response('Content-Length: 0\r\n')]]);
    assert.deepEqual(seen.events, ['unable_to_match_response_to_request']);
    assert.equal(seen.record!.url, '/libhtp::request_uri_not_seen');
  });
  it('white space behind a response is none', () => {
    for (const pieces of [[response('Content-Length: 2\r\n', 'ok\r\n')], [response('Content-Length: 2\r\n', 'ok'), '\r', '\n']]) {
      const seen = talk([[0, REQUEST], ...pieces.map((piece): [number, string | Uint8Array] => [1, piece])]);
      assert.deepEqual([seen.length, seen[0].record!.status, seen[0].record!.length], [1, 200, 2]);
    }
  });
  it('white space within a URI', () => {
    const of = (line: string) => talk([[0, `${line}\r\nHost: a\r\n\r\n`]])[0].record!;
    assert.deepEqual([of('GET /a b  c HTTP/1.1').url, of('GET /a b  c HTTP/1.1').protocol], ['/a b  c', 'HTTP/1.1']);
    assert.deepEqual([of('GET /a b').url, of('GET /a b').protocol], ['/a', 'b']);
  });
  it('100 comes before the response', () => {
    const [seen, none] = talk([
      [0, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n'],
      [1, 'HTTP/1.1 100 Continue\r\n\r\n'],
      [0, 'x'],
      [1, response('Content-Length: 2\r\n', 'ok')],
    ]);
    assert.equal(seen.record!.status, 200);
    assert.equal(none, undefined);
  });
  it('HEAD and 304 have no body', () => {
    const seen = talk([
      [0, 'HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n'],
      [1, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n'],
    ]);
    assert.deepEqual(
      seen.map(({ record }) => record!.status),
      [200, 304],
    );
  });
  it('CONNECT changes the protocol', () => {
    const h = new HttpHarness();
    h.packet(0, 'CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n');
    h.packet(1, 'HTTP/1.1 200 Go\r\n\r\n');
    assert.equal(h.parsed, Parsed.Changed);
    h.end();
    assert.equal(h.seen[0].record!.hostname, 'b');
  });
  it('an upgrade changes the protocol', () => {
    const h = new HttpHarness();
    h.packet(0, 'GET / HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\n\r\n');
    h.packet(1, 'HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n');
    assert.equal(h.parsed, Parsed.Changed);
  });
  it('HTTP/0.9', () => {
    const [seen] = talk([
      [0, 'GET /old\r\n'],
      [1, '<html>'],
    ]);
    assert.deepEqual(seen.buffers[0]['http.uri'], ['/old']);
    assert.equal(seen.body[1], '<html>');
  });
  it('a line without a protocol, and headers', () => {
    const [seen] = talk([[0, 'GET /old\r\nUser-Agent: x\r\n\r\n']]);
    assert.deepEqual(seen.buffers[0]['http.user_agent'], ['x']);
    assert.deepEqual(seen.events, ['request_line_missing_protocol']);
  });
  it('both Set-Cookie are one cookie, and no header', () => {
    const [seen] = talk([
      [0, REQUEST],
      [1, response('Set-Cookie: a=1\r\nServer: s\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n')],
    ]);
    assert.deepEqual(seen.buffers[1]['http.cookie'], ['a=1, b=2']);
    assert.deepEqual(seen.buffers[1]['http.header'], ['Server: s\r\nContent-Length: 0\r\n']);
    assert.deepEqual(seen.buffers[1]['http.stat_msg'], ['OK']);
  });
  it('a long line has an event, and the flow goes on', () => {
    const long = (bytes: number) => `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(bytes - 5)}\r\n\r\n`;
    const has = (bytes: number, limits = {}) => {
      const request = long(bytes);
      const cut = bytes >> 1;
      const seen = talk(
        [
          [0, request.slice(0, cut)],
          [0, request.slice(cut)],
          [0, REQUEST],
        ],
        limits,
      );
      assert.equal(seen.length, 2);
      return seen[0].events.includes('request_field_too_long');
    };
    assert.deepEqual([has(18_432), has(18_433), has(20_000)], [false, true, true]);
    assert.deepEqual([has(1000, { line: 999 }), has(1000, { line: 1000 })], [true, false]);
    const [seen] = talk([
      [0, REQUEST],
      [1, response(`X: ${'x'.repeat(20_000)}\r\nContent-Length: 0\r\n`)],
    ]);
    assert.ok(seen.events.includes('response_field_too_long'));
  });
  it('a head that does not end fails the flow, once inspected', () => {
    const h = new HttpHarness();
    h.packet(0, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(60000)}`);
    assert.equal(h.parsed, Parsed.Failed);
    h.end();
    assert.ok(h.seen[0].events.includes('request_field_too_long'));
    assert.deepEqual(h.seen[0].buffers[0]['http.host'], ['a']);
  });
});

describe('HTTP: first bytes', () => {
  const h = new HttpHarness();
  const probe = (direction: number, text: string) => h.http.probe(direction, Buffer.from(text), 0, text.length, 80);
  it('of a client', () => {
    assert.equal(probe(0, 'GET / HTTP/1.1'), Likeness.Yes);
    assert.equal(probe(0, 'GE'), Likeness.More);
    assert.equal(probe(0, 'GEX'), Likeness.More);
    assert.equal(probe(0, 'GEX\n'), Likeness.No);
    assert.equal(probe(0, 'FOO /'), Likeness.More);
    for (const line of ['FOO / HTTP/1.1\r\n', 'GET/ HTTP/1.0\n', '\xdd\0 GET /x HTTP/1.1\r\n']) assert.equal(probe(0, line), Likeness.Yes);
    for (const line of ['HTTP/1.1 200 OK\r\n', 'foo', 'NICK me\r\n', '\x16\x03\x01', 'FOO \nHTTP/1.1'])
      assert.equal(probe(0, line) === Likeness.Yes, false);
    assert.equal(probe(0, '\r\nPOST /'), Likeness.Yes);
  });
  it('of a server', () => {
    assert.equal(probe(1, 'HTTP/1.1 200'), Likeness.Yes);
    assert.equal(probe(1, 'HTT'), Likeness.More);
    assert.equal(probe(1, '220 ftp'), Likeness.No);
  });
});

describe('HTTP: events that rules ask for', () => {
  const get = (...headers: string[]) => `GET / HTTP/1.1\r\nHost: a\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
  const ok = (...headers: string[]) => `HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
  const partial = (range: string) => `HTTP/1.1 206 Partial\r\nContent-Range: ${range}\r\nContent-Length: 4\r\n\r\nabcd`;
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd';
  const cases: [what: string, request: string, response: string, events: string[]][] = [
    ['a header twice', get('X: 1', 'x: 2', 'X: 3'), ok('Content-Length: 0'), ['request_header_repetition']],
    ['a header twice in the answer', get(), ok('Accept-CH: 1', 'Accept-CH: 2', 'Content-Length: 0'), ['response_header_repetition']],
    ['Basic, Digest, Bearer', get('Authorization: bAsic YQ=='), ok('Content-Length: 0'), []],
    ['another authorization', get('authorization: NTLM YQ=='), ok('Content-Length: 0'), ['request_auth_unrecognized']],
    ['a header like Authorization', get('Authorisation: NTLM YQ=='), ok('Content-Length: 0'), []],
    [
      'parts of a file without a length',
      get(),
      `${ok('Content-Type: multipart/ByteRanges; boundary=x')}--x`,
      ['response_multipart_byteranges'],
    ],
    ['a range', get(), partial('bytes 0-3/10'), []],
    ['a range of nobody knows how much', get(), partial('bytes 0-3/*'), []],
    ['none of it', get(), partial('bytes */10'), []],
    ['a range that ends before it begins', get(), partial('bytes 3-0/10'), ['range_invalid']],
    ['a range behind the end', get(), partial('bytes 7-10/10'), ['range_invalid']],
    ['no range', get(), partial('bytes'), ['range_invalid']],
    ['more than the request body', `${post}\r\n`, ok('Content-Length: 0'), ['request_body_unexpected']],
    ['another request', `${post}${get()}`, ok('Content-Length: 0'), []],
    ['an answer without a body that has a length', get(), 'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n', ['response_body_unexpected']],
  ];
  for (const [what, request, response, events] of cases) {
    it(what, () => {
      const h = new HttpHarness();
      h.packet(0, request);
      h.packet(1, response);
      h.end();
      assert.deepEqual(h.seen[0].events, events);
    });
  }
});
