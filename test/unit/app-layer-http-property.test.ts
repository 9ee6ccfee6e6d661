import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { HttpHarness } from '../support/http-harness.js';

const BODY = Buffer.from('some text to be compressed, some text again; '.repeat(9));

const REQUESTS = [
  'GET /index.html?a=%20b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x\r\nX-Folded: a\r\n b\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: e:81\r\nContent-Length: 11\r\nCookie: k=v\r\n\r\nhello world',
  '\r\nPUT http://h/p HTTP/1.0\nhost : h\ntransfer-encoding:chunked\n\n3\nabc\n4;e\r\ndefg\r\n0\r\nT: x\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: e\r\nHost: f\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

const RESPONSES = [
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipSync(BODY).length}\r\n\r\n`),
    gzipSync(BODY),
  ]),
  Buffer.from('HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\nContent-Encoding: deflate\nContent-Length: ${deflateRawSync(BODY).length}\n\n`),
    deflateRawSync(BODY),
  ]),
  Buffer.from('HTTP/1.1 301 Moved\rLocation: /x\rContent-Length: 0\n\r\n'),
];

/** What the transactions showed in the end, and their records. */
function outcome(ts: Uint8Array, tc: Uint8Array, tsCuts: readonly number[], tcCuts: readonly number[]): unknown {
  const h = new HttpHarness({}, 4 << 20);
  for (const piece of pieces(ts, tsCuts)) h.packet(0, piece);
  for (const piece of pieces(tc, tcCuts)) h.packet(1, piece);
  h.end();
  assert.equal(h.txs.heap.used, 0, 'memory is given back');
  assert.equal(h.txs.active, 0);
  const seen = h.seen.map(({ buffers, body, events, record, isReading }) => ({
    buffers: buffers.map(withoutWindows),
    body,
    // Only of what comes in one piece with the body's end.
    events: events.filter((name) => name !== 'request_body_unexpected'),
    record,
    isReading,
  }));
  // In which order readings are shown differs.
  const others = seen.filter(({ isReading }) => isReading).map((one) => JSON.stringify(one));
  return [seen.filter(({ isReading }) => !isReading), others.sort()];
}

/** Windows of bodies differ with the cuts; what they add up to is compared instead. */
function withoutWindows(buffers: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(buffers).filter(([name]) => !/body|file/.test(name)));
}

function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...[...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b), bytes.length];
  const all: Uint8Array[] = [];
  for (let i = 1; i < at.length; i++) if (at[i] > at[i - 1]) all.push(bytes.slice(at[i - 1], at[i]));
  return all;
}

const everywhere = Array.from({ length: 4096 }, (_, i) => i);
const cuts = fc.oneof(fc.array(fc.nat(3000), { maxLength: 12 }), fc.constant(everywhere));
const stream = (messages: Uint8Array[]) =>
  fc.array(fc.constantFrom(...messages), { minLength: 1, maxLength: 4 }).map((parts) => Buffer.concat(parts));

/** Bytes changed, left out, put in. */
const mutation = fc.array(fc.record({ at: fc.nat(3000), kind: fc.nat(3), byte: fc.constantFrom(0, 9, 10, 13, 32, 48, 58, 59, 72, 255) }), {
  maxLength: 6,
});

function mutate(bytes: Uint8Array, changes: { at: number; kind: number; byte: number }[]): Uint8Array {
  const list = [...bytes];
  for (const { at, kind, byte } of changes) {
    const i = at % (list.length + 1);
    if (kind === 0) list[i] = byte;
    else if (kind === 1) list.splice(i, 1);
    else if (kind === 2) list.splice(i, 0, byte);
    else list.splice(i, 1 + (byte & 15));
  }
  return Uint8Array.from(list);
}

describe('HTTP, however the stream is cut', () => {
  it('shows the same', () => {
    fc.assert(
      fc.property(stream(REQUESTS), stream(RESPONSES), cuts, cuts, (ts, tc, a, b) => {
        assert.deepEqual(outcome(ts, tc, a, b), outcome(ts, tc, [], []));
      }),
      { numRuns: 150 },
    );
  });

  it('shows the same of damaged messages', () => {
    fc.assert(
      fc.property(stream(REQUESTS), stream(RESPONSES), mutation, mutation, cuts, cuts, (ts, tc, m, n, a, b) => {
        const [client, server] = [mutate(ts, m), mutate(tc, n)];
        assert.deepEqual(outcome(client, server, a, b), outcome(client, server, [], []));
      }),
      { numRuns: 300 },
    );
  });

  it('survives anything, gaps among it, and little memory', () => {
    const step = fc.record({ direction: fc.nat(1), bytes: fc.uint8Array({ maxLength: 200 }), gap: fc.nat(40) });
    fc.assert(
      fc.property(stream(REQUESTS), stream(RESPONSES), cuts, fc.array(step, { maxLength: 20 }), (ts, tc, a, steps) => {
        const h = new HttpHarness({}, 128 * 1024);
        const parts = [...pieces(ts, a).map((p) => [0, p] as const), ...pieces(tc, a).map((p) => [1, p] as const)];
        for (const { direction, bytes, gap } of steps) {
          if (gap < 10) h.gap(direction, gap);
          h.packet(direction, bytes);
          const part = parts.pop();
          if (part !== undefined) h.packet(part[0], part[1]);
        }
        h.end();
        assert.equal(h.txs.heap.used, 0, 'memory is given back');
      }),
      { numRuns: 300 },
    );
  });
});
