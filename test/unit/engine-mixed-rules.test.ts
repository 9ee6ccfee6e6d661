import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';

const MIXED = 'alert http any any -> any any (http.uri; content:"/login"; pkt_data; content:"X-Marker: ab"; sid:1;)';
const FIRST = 'GET /login HTTP/1.1\r\nHost: a\r\n';
const SECOND = 'X-Marker: ab\r\n\r\n';

/** Engines by mode and rule: one takes as long to make as a hundred requests. */
const benches = new Map<string, Connection>();
let clientPort = 40_000;

after(() => {
  for (const { bench } of benches.values()) bench.close();
});

/** Sends the request in segments that end at `cuts`, on a connection of its own; the number of alerts. */
function request(mode: Mode, rule: string, text: string, cuts: number[]): number {
  const key = `${mode} ${rule}`;
  const c = new Connection({ mode, rules: [rule], port: 80, bench: benches.get(key)?.bench, clientPort: ++clientPort });
  if (!benches.has(key)) benches.set(key, c);
  const before = c.bench.alerts();
  let at = 0;
  for (const cut of [...cuts, text.length]) {
    c.client(at, text.slice(at, cut));
    c.ack(cut);
    at = cut;
  }
  c.bench.engine.flows.endAll();
  return c.bench.alerts() - before;
}

describe('rules with tests on buffers and on the payload', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    const name = mode === Mode.Ips ? 'inline' : 'listening';
    const text = FIRST + SECOND;

    it(`${name}: the payload is the stream, wherever it is cut`, () => {
      for (const cuts of [[], [5], [FIRST.length], [FIRST.length + 4], [text.length - 4], [text.length - 2], [3, 9, 30, 33, 36]])
        assert.equal(request(mode, MIXED, text, cuts), 1, `cut at ${cuts}`);
    });

    it(`${name}: what stands nowhere is not found`, () => {
      assert.equal(request(mode, MIXED, text.replace('ab', 'ba'), [5, 30]), 0);
      assert.equal(request(mode, MIXED, text.replace('/login', '/logon'), [5, 30]), 0);
    });

    it(`${name}: a content that must be absent is absent from the stream`, () => {
      const negated = MIXED.replace('content:"X-Marker: ab"', 'content:!"X-Marker: ab"');
      assert.equal(request(mode, negated, text, [FIRST.length + 4]), 0);
      assert.equal(request(mode, negated, text.replace('ab', 'ba'), [FIRST.length + 4]), 1);
    });

    it(`${name}: found by its payload, though that comes before the buffer is there`, () => {
      const fast = 'alert http any any -> any any (http.header; content:"b: yes"; pkt_data; content:"GET /login"; fast_pattern; sid:1;)';
      const long = `${FIRST}A: ${'x'.repeat(900)}\r\nB: yes\r\n\r\n`;
      assert.equal(request(mode, fast.replace('b: yes', 'B: yes'), long, [4, 7, 300, long.length - 8]), 1);
      assert.equal(request(mode, fast, long, [4, 7, 300, long.length - 8]), 0);
    });

    it(`${name}: a place is counted from the stream's first byte, too`, () => {
      const placed = 'alert http any any -> any any (http.uri; content:"/login"; pkt_data; content:"T /lo"; offset:2; depth:5; sid:1;)';
      assert.equal(request(mode, placed, text, [4, FIRST.length]), 1);
      assert.equal(request(mode, placed.replace('offset:2', 'offset:3'), text, [4, FIRST.length]), 0);
    });
  }

  for (const mode of [Mode.Ips, Mode.Ids]) {
    const name = mode === Mode.Ips ? 'inline' : 'listening';
    const request = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';
    const body = `a marker${'y'.repeat(600)}`;
    const text = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

    for (const test of ['filesize:>300', 'app-layer-state:response_complete'])
      it(`${name}: ${test} holds after its content was seen, and no buffer is asked for`, () => {
        for (const cuts of [[], [200], [100, 300, 500], [text.length - 1]]) {
          const rule = `alert http any any -> any any (flow:to_client; ${test}; content:"a marker"; sid:1;)`;
          const c = new Connection({ mode, rules: [rule], port: 80 });
          c.client(0, request);
          let at = 0;
          for (const cut of [...cuts, text.length]) {
            c.server(at, text.slice(at, cut), request.length);
            c.client(request.length, '', cut);
            at = cut;
          }
          c.bench.engine.flows.endAll();
          assert.equal(c.close(), 1, `cut at ${cuts}`);
        }
      });
  }

  it('each request of a connection once, and only with its rules', () => {
    const c = new Connection({ mode: Mode.Ips, rules: [MIXED], port: 80 });
    const text = FIRST + SECOND;
    c.client(0, text);
    c.client(text.length, text.slice(0, 40));
    c.client(text.length + 40, text.slice(40));
    assert.equal(c.close(), 2);
  });

  it('a window is kept for them only on the ports they are about', () => {
    const other = MIXED.replace('-> any any', '-> any 8080');
    const c = new Connection({ mode: Mode.Ips, rules: [other], port: 80 });
    c.client(0, FIRST + SECOND);
    assert.equal(c.bench.counters[Counter.StreamPieces], 0);
    assert.equal(c.close(), 0);
    const d = new Connection({ mode: Mode.Ips, rules: [other], port: 8080 });
    d.client(0, FIRST + SECOND);
    assert.equal(d.bench.counters[Counter.StreamPieces], 1);
    assert.equal(d.close(), 1);
  });
});
