import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { plainPathEnd, UriReader } from '../../src/app-layer/http/uri.js';
import { HttpHarness, type Seen } from '../support/http-harness.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

function talk(pieces: [number, string | Uint8Array][]): Seen[] {
  const h = new HttpHarness();
  for (const [direction, piece] of pieces) h.packet(direction, piece);
  h.end();
  assert.equal(h.txs.heap.used, 0, 'memory is given back');
  return h.seen;
}

describe('HTTP: targets that are plain as they stand', () => {
  const reader = new UriReader(512);
  const targets = fc
    .array(fc.constantFrom('/', '.', '..', '%', '%41', '%u0041', '\\', '?', '#', ':', '://', '@', 'a', 'Z', '_', '\x80', ' ', '*'), {
      maxLength: 12,
    })
    .map((parts) => bytes(parts.join('')));
  it('the reader says the same of them', () => {
    let plain = 0;
    fc.assert(
      fc.property(targets, (target) => {
        const mem = new Uint8Array(target.length + 8).fill(0x2f);
        mem.set(target, 3);
        const path = plainPathEnd(mem, 3, target.length);
        if (path < 0) return;
        plain++;
        const length = reader.read(mem, 3, target.length, false);
        assert.deepEqual(reader.out.slice(0, length), target);
        assert.equal(reader.hostOff, -1);
        assert.equal(reader.doubleEncoded, false);
        const text = Buffer.from(target).toString('latin1');
        const end = text.search(/[?#]/);
        assert.equal(path - 3, end < 0 ? text.length : end);
      }),
      { numRuns: 3000 },
    );
    assert.ok(plain > 100, `${plain} of them were plain`);
  });
  const cases: [string, number][] = [
    ['/', 1],
    ['*', 1],
    ['/a/b.c?d=../e', 6],
    ['/a#/../', 2],
    ['/a/./b', -1],
    ['/a//b', -1],
    ['/%41', -1],
    ['/a\\b', -1],
    ['http://a/b', -1],
    ['', -1],
  ];
  for (const [target, end] of cases) it(`\`${target}\``, () => assert.equal(plainPathEnd(bytes(target), 0, target.length), end));
});

describe('HTTP: one head after another', () => {
  const requestHeaders = [
    'Host: a',
    'Host: b:81',
    'Cookie: c=d',
    'X-Y: z',
    'User-Agent: u',
    'Upgrade: h2c',
    'Accept: e\r\n f',
    'Content-Type: t',
  ];
  const responseHeaders = [
    'Server: s',
    'Set-Cookie: c',
    'Content-Type: t',
    'Content-Disposition: attachment; filename=n',
    'X: y',
    'Location: /l',
  ];
  const lines = (headers: string[]) =>
    fc.array(fc.constantFrom(...headers), { maxLength: 5 }).map((all) => all.map((line) => `${line}\r\n`).join(''));
  const targets = fc.constantFrom('/', 'B', '/a/../b?c', 'http://H:82/p', 'http://h', '*');
  const requests = fc.tuple(targets, lines(requestHeaders), fc.boolean()).map(([target, headers, isShort]) => {
    const head = `GET ${target} HTTP/1.1\r\n${headers}\r\n`;
    return isShort ? head.replaceAll('\r\n', '\n') : head;
  });
  const responses = lines(responseHeaders).map((headers) => `HTTP/1.1 204 No\r\n${headers}\r\n`);
  const shown = ({ buffers, record, events }: Seen) => ({ buffers, record, events });

  it('requests say the same as each by itself', () =>
    fc.assert(
      fc.property(fc.array(requests, { minLength: 2, maxLength: 6 }), (all) => {
        const together = talk([[0, all.join('')]]).map(shown);
        assert.deepEqual(
          together,
          all.map((one) => shown(talk([[0, one]])[0])),
        );
      }),
      { numRuns: 300 },
    ));
  it('responses say the same as each by itself', () =>
    fc.assert(
      fc.property(fc.array(responses, { minLength: 2, maxLength: 6 }), (all) => {
        const together = talk([[1, all.join('')]]).map(shown);
        assert.deepEqual(
          together,
          all.map((one) => shown(talk([[1, one]])[0])),
        );
      }),
      { numRuns: 300 },
    ));
  it('a CONNECT without headers names its host', () => {
    const [seen] = talk([[0, 'CONNECT a HTTP/1.0\r\n\r\n']]);
    assert.deepEqual(seen.buffers[0]['http.host'], ['a']);
    assert.equal(seen.record!.hostname, 'a');
  });
});

describe('HTTP: brotli and its windows', () => {
  const text = 'some text that is compressed, and some text again; '.repeat(200);
  const compressed = (body: Buffer, window: number) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_LGWIN]: window } });
  const answer = (body: Uint8Array) =>
    talk([
      [0, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
      [1, Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: ${body.length}\r\n\r\n`), body])],
    ])[0];
  for (const window of [10, 16, 17, 18, 19, 22, 24])
    it(`a window of 2^${window} bytes`, () => assert.equal(answer(compressed(Buffer.from(text), window)).body[1], text));
  for (const window of [18, 20, 22, 24])
    it(`a bomb with a window of 2^${window}`, () => {
      const seen = answer(compressed(Buffer.alloc(5 << 20, 97), window));
      assert.deepEqual(seen.events, ['compression_bomb']);
      assert.equal(seen.body[1], '');
    });
  it('what is no brotli is shown as it came, its first byte, too', () => {
    const body = Buffer.from('\x1bEICAR, and no brotli at all\xff\xff\xff\xff', 'latin1');
    const seen = answer(body);
    assert.equal(seen.body[1], body.toString('latin1'));
  });
});

it('HTTP: how the last head of a flow might be framed otherwise does not matter to the next flow', () => {
  const h = new HttpHarness();
  // Without its end, and a length that is no number.
  h.packet(0, 'POST /a HTTP/1.1\r\nContent-Length:');
  h.end();
  h.session = h.sessions.take();
  h.http.open(h.session);
  const before = h.sessions.active;
  h.packet(0, 'POST ');
  h.packet(0, '/b HTTP/1.1\r\n');
  assert.equal(h.sessions.active, before, 'no other reading');
  h.packet(0, '\r\n');
  h.end();
  assert.deepEqual(
    h.seen.map(({ buffers }) => buffers[0]['http.uri']),
    [['/a'], ['/b']],
  );
});
