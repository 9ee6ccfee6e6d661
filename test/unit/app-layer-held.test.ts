import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { FlowProto } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';
import { clientHello, record, sni } from '../support/tls-bytes.js';

const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n';
const CONNECTED = 'HTTP/1.1 200 OK\r\n\r\n';
const REFUSED = 'HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n';
const GET = 'GET /inside HTTP/1.1\r\nHost: b\r\n\r\n';
const HELLO = String.fromCharCode(...record(22, clientHello({ extensions: [sni('inside.example')] })));
const RULES = [
  'alert http any any -> any any (http.uri; content:"/inside"; sid:1;)',
  'alert tls any any -> any any (tls.sni; content:"inside"; sid:2;)',
  'alert smtp any any -> any any (app-layer-event:smtp.tls_rejected; sid:3;)',
];

const fired = (c: Connection) => c.alerts().map(({ rule }) => RULES[rule].slice(-4, -2));
const current = ({ bench }: Connection) => bench.engine.flows.appProto[bench.engine.packet.flow];

describe('what a client says behind its CONNECT, before the answer', () => {
  // A server that makes no tunnels answers a request before its refusal of the CONNECT is seen.
  const cases: [name: string, bytes: string, answer: string, atOnce: string[], expected: string[]][] = [
    ['a request in the tunnel', GET, CONNECTED, [':1'], []],
    ['TLS in the tunnel', HELLO, CONNECTED, [], [':2']],
    ['a request that is the next one, since the server refuses', GET, REFUSED, [':1'], []],
    ['a request in a tunnel within the tunnel', `${CONNECT}${GET}`, `${CONNECTED}${CONNECTED}`, [':1'], []],
  ];
  for (const [name, bytes, answer, atOnce, expected] of cases) {
    it(name, () => {
      const c = new Connection({ rules: RULES });
      c.client(0, CONNECT + bytes);
      assert.deepEqual(fired(c), atOnce);
      c.server(0, answer, CONNECT.length + bytes.length);
      assert.deepEqual(fired(c), expected);
      c.close();
    });
  }

  it('requests behind one, and then the tunnel after all: what follows is recognised anew', () => {
    const c = new Connection({ rules: RULES });
    c.client(0, CONNECT + GET);
    assert.deepEqual(fired(c), [':1']);
    c.server(0, CONNECTED, CONNECT.length + GET.length);
    c.client(CONNECT.length + GET.length, HELLO, CONNECTED.length);
    assert.deepEqual(fired(c), [':2']);
    assert.equal(current(c), AppProto.Tls);
    c.close();
  });

  it('cut anywhere', () => {
    const first = new Connection({ rules: RULES });
    const all = CONNECT + HELLO;
    for (let cut = 1; cut < all.length; cut += 3) {
      const c = new Connection({ rules: RULES, bench: first.bench, clientPort: 41_000 + cut });
      c.client(0, all.slice(0, cut));
      if (cut > CONNECT.length) c.client(cut, all.slice(cut));
      c.server(0, CONNECTED, Math.max(cut, CONNECT.length));
      if (cut <= CONNECT.length) c.client(cut, all.slice(cut), CONNECTED.length);
      if (cut >= CONNECT.length) assert.deepEqual(fired(c), [':2'], `cut at ${cut}`);
      else fired(c);
    }
    first.close();
  });

  it('all of it kept until the protocol was known: the answer comes first', () => {
    const c = new Connection({ rules: RULES, mode: Mode.Ips });
    // The server's first bytes tell nothing, and neither do the client's.
    c.client(0, 'CONNEC');
    c.client(6, `${CONNECT.slice(6)}${GET}`);
    c.server(0, CONNECTED.slice(0, 5), CONNECT.length + GET.length);
    c.server(5, CONNECTED.slice(5), CONNECT.length + GET.length);
    assert.deepEqual(fired(c), [':1']);
    c.close();
  });

  it('an answer that ends the session leaves nothing to the next one', () => {
    const first = new Connection({ rules: RULES });
    first.client(0, CONNECT + HELLO);
    first.server(0, `HTTP/1.1 403 No\r\n${'x'.repeat(30000)}`, CONNECT.length + HELLO.length);
    fired(first);
    const next = new Connection({ rules: RULES, bench: first.bench, clientPort: 41_000 });
    next.client(0, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.deepEqual(fired(next), []);
    first.close();
  });

  it('bytes go on where those that were held end', () => {
    const c = new Connection({ rules: RULES });
    c.client(0, CONNECT + HELLO.slice(0, 30));
    c.server(0, CONNECTED, CONNECT.length + 30);
    assert.deepEqual(fired(c), []);
    c.client(CONNECT.length + 30, HELLO.slice(30), CONNECTED.length);
    assert.deepEqual(fired(c), [':2']);
    assert.equal(current(c), AppProto.Tls);
    c.close();
  });

  it('inline, a drop rule stops a request', () => {
    const c = new Connection({ rules: ['drop http any any -> any any (http.uri; content:"/inside"; sid:1;)'], mode: Mode.Ips });
    c.client(0, CONNECT);
    assert.equal(c.client(CONNECT.length, 'G'), 'pass');
    assert.equal(c.client(CONNECT.length + 1, GET.slice(1)), 'drop: rules');
    c.close();
  });

  it('is bounded, and what is beyond is counted', () => {
    const c = new Connection({ rules: RULES });
    const before = c.bench.counters[Counter.AppNoRoom];
    c.client(0, CONNECT);
    let at = CONNECT.length;
    for (let i = 0; i < 100; i++, at += 1000) {
      c.client(at, 'x'.repeat(1000));
      c.ack(at + 1000);
    }
    assert.equal(c.bench.counters[Counter.AppNoRoom] - before, 1);
    c.server(0, CONNECTED, at);
    assert.deepEqual(fired(c), []);
    c.close();
  });
});

describe('TLS that a client begins before STARTTLS is answered', () => {
  const begin = (): [Connection, number, number] => {
    const c = new Connection({ rules: RULES, port: 25 });
    const hi = '220 mx ESMTP\r\n';
    c.server(0, hi);
    c.client(0, 'EHLO c\r\n', hi.length);
    c.server(hi.length, '250 STARTTLS\r\n', 8);
    c.client(8, `STARTTLS\r\n${HELLO}`, hi.length + 14);
    return [c, 18 + HELLO.length, hi.length + 14];
  };

  it('is parsed as TLS when the server agrees', () => {
    const [c, ts, tc] = begin();
    assert.deepEqual(fired(c), []);
    c.server(tc, '220 go\r\n', ts);
    assert.deepEqual(fired(c), [':2']);
    assert.equal(current(c), AppProto.Tls);
    assert.equal(c.bench.engine.flows.appProtos[c.bench.engine.packet.flow * FlowProto.Count + FlowProto.Original], AppProto.Smtp);
    c.close();
  });

  it('is what a server that refuses takes it for', () => {
    const [c, ts, tc] = begin();
    c.server(tc, '454 no\r\n', ts);
    assert.deepEqual(fired(c), [':3']);
    assert.equal(current(c), AppProto.Smtp);
    c.close();
  });
});
