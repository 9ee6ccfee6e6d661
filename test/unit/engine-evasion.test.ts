import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';
import { conversations, talk } from '../support/conversations.js';
import { EngineBench } from '../support/engine.js';
import { clientHello, record, sni } from '../support/tls-bytes.js';

/** What hosts take whole, and what was done to hide it: each was seen to pass a drop rule before it was mended. */
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const EVIL = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
const HELLO = clientHello({ extensions: [sni('evil.example')] });
const TLS = record(22, HELLO);
const LONG = `X: ${'y'.repeat(4000)}\r\n`.repeat(8);
const EMPTY = record(22, new Uint8Array());
const empties = (n: number) => build.concat(...Array.from({ length: n }, () => EMPTY));

describe('evasion', () => {
  conversations(
    'of rules on requests',
    ['drop http any any -> any any (http.uri; content:"evil"; sid:1;)'],
    [
      [
        'a head longer than is read (Apache takes 100 lines of 8 KiB)',
        80,
        'flow drop',
        [
          [0, `GET / HTTP/1.1\r\n${LONG}\r\n`],
          [1, OK],
          [0, EVIL],
        ],
      ],
      ['in the same segment as a CONNECT', 80, 'rules', [[0, `CONNECT a:1 HTTP/1.1\r\n\r\n${EVIL}`]]],
      [
        'behind a CONNECT',
        80,
        'rules',
        [
          [0, 'CONNECT a:1 HTTP/1.1\r\n\r\n'],
          [0, EVIL],
        ],
      ],
      ['a method and a version that are not as they should be', 8080, 'rules', [[0, 'foo /evil http/1.1\r\n\r\n']]],
    ],
  );

  conversations(
    'of rules on bodies',
    ['drop http any any -> any any (file.data; content:"evilbody"; sid:1;)'],
    [
      [
        'a head longer than is read',
        80,
        'applayer error',
        [
          [0, 'GET / HTTP/1.1\r\n\r\n'],
          [1, `HTTP/1.1 200 OK\r\n${LONG}\r\nevilbody`],
        ],
      ],
    ],
  );

  conversations(
    'of rules on TLS',
    ['drop tls any any -> any any (tls.sni; content:"evil"; sid:1;)'],
    [
      [
        'behind an empty record',
        443,
        'rules',
        [
          [0, EMPTY],
          [0, TLS],
        ],
      ],
      ['behind an empty record, any port, one segment', 4433, 'rules', [[0, build.concat(EMPTY, TLS)]]],
      [
        'behind many',
        443,
        'rules',
        [
          [0, empties(31)],
          [0, TLS],
        ],
      ],
    ],
  );

  conversations(
    'by what a client says before the greeting',
    [
      'drop smtp any any -> any any (smtp.mail_from; content:"evil"; sid:1;)',
      'drop ftp any any -> any any (ftp.command; content:"USER"; ftp.command_data; content:"evil"; sid:2;)',
    ],
    [
      [
        'a request to SMTP',
        25,
        'rules',
        [
          [0, 'OPTIONS / HTTP/1.1\r\n'],
          [1, '220 mx ESMTP\r\n500 ?\r\n'],
          [0, 'EHLO x\r\n'],
          [1, '250 ok\r\n'],
          [0, 'MAIL FROM:<evil@x>\r\n'],
        ],
      ],
      [
        'the same on another port',
        2525,
        'rules',
        [
          [0, 'OPTIONS / HTTP/1.1\r\n'],
          [1, '220 mx ESMTP\r\n500 ?\r\n'],
          [0, 'EHLO x\r\n'],
          [1, '250 ok\r\n'],
          [0, 'MAIL FROM:<evil@x>\r\n'],
        ],
      ],
      [
        'TLS to FTP',
        21,
        'rules',
        [
          [0, build.concat(TLS, build.bytes('\r\n'))],
          [1, '220 hi\r\n500 ?\r\n'],
          [0, 'USER evil\r\n'],
        ],
      ],
    ],
  );

  it('app-layer.error-policy: a parser that gives up drops the flow inline, if it is not told otherwise', () => {
    for (const policy of ['auto', 'drop-packet', 'pass-flow', 'ignore'] as const) {
      const config = defaultConfig();
      config.appLayer = { ...config.appLayer, errorPolicy: policy };
      const rule = 'drop tcp any any -> any any (flow:established; content:"evil"; sid:1;)';
      const bench = new EngineBench({ rules: [rule], config }, false);
      const c = new Connection({ rules: [], bench, port: 80 });
      const verdicts = talk(c, [
        [0, `GET / HTTP/1.1\r\n${LONG}\r\n`],
        [0, EVIL],
      ]).filter((verdict) => verdict !== 'pass');
      const first = policy === 'auto' || policy === 'drop-packet' ? ['drop: applayer error'] : [];
      const then = policy === 'auto' ? 'drop: flow drop' : 'drop: rules';
      assert.equal(verdicts[0] ?? 'pass', first[0] ?? (policy === 'pass-flow' ? 'pass' : 'drop: rules'), policy);
      if (policy !== 'pass-flow') assert.equal(verdicts.at(-1), then, policy);
      bench.close();
    }
  });

  it('by priority tags, which Linux takes off', () => {
    const [src, dst] = ['10.1.1.1', '10.1.1.2'];
    const b = new EngineBench({ rules: ['drop udp any any -> any any (content:"attack"; sid:1;)'] }, false);
    const datagram = build.ipv4({ src, dst, proto: 17 }, build.udp({ src, dst, srcPort: 1, dstPort: 2 }, build.bytes('attack')));
    for (let n = 0; n < 10; n++)
      assert.equal(b.send(build.ethernet({ vlans: Array.from({ length: n }, () => ({ id: 0 })) }, datagram)), 'drop: rules', `${n} tags`);
    b.close();
  });

  it('by a priority tag before every other packet of a VLAN', () => {
    const [src, dst] = ['10.1.1.1', '10.1.1.2'];
    const b = new EngineBench({ rules: ['drop tcp any any -> any any (flow:established; content:"attack"; sid:1;)'] }, false);
    const send = (tags: number[], flags: number, seq: number, ack: number, text = '', side = 0) => {
      const [s, d, srcPort, dstPort] = side === 0 ? [src, dst, 999, 888] : [dst, src, 888, 999];
      const segment = build.tcp({ src: s, dst: d, srcPort, dstPort, flags, seq, ack, window: 65535 }, build.bytes(text));
      return b.send(build.ethernet({ vlans: tags.map((id) => ({ id })) }, build.ipv4({ src: s, dst: d, proto: 6 }, segment)));
    };
    send([5], 2, 1000, 0);
    send([5], 18, 5000, 1001, '', 1);
    send([5], 16, 1001, 5001);
    send([5], 24, 1001, 5001, 'att');
    assert.equal(send([0, 5], 24, 1004, 5001, 'ack'), 'drop: rules');
    b.close();
  });
});

const STREAM = 'drop tcp any any -> any any (flow:established,to_server; content:"attack"; sid:1;)';

describe('sessions that are not known, inline', () => {
  it('are inspected when they go on after their flow has timed out', () => {
    const c = new Connection({ rules: [STREAM] });
    c.client(0, 'hello');
    c.server(0, 'hi', 5);
    c.segment(0, 16, 5, 2);
    c.bench.now += 40_000;
    assert.equal(c.client(5, 'att', 2), 'pass');
    c.ack(8);
    assert.equal(c.client(8, 'ack', 2), 'drop: rules');
    c.close();
  });

  it('and so are their application layers, whichever side speaks first', () => {
    for (const server of [false, true]) {
      const c = new Connection({ rules: ['drop http any any -> any any (flow:to_server; http.uri; content:"evil"; sid:1;)'], port: 80 });
      talk(c, [
        [0, 'GET / HTTP/1.1\r\n\r\n'],
        [1, OK],
      ]);
      c.bench.now += 40_000;
      // A keep-alive.
      if (server) c.segment(1, 16, OK.length - 1, 18);
      assert.equal(c.client(18, EVIL, OK.length), 'drop: rules');
      c.close();
    }
  });

  it('a listener leaves them alone, as Suricata does, and so does midstream-policy: ignore', () => {
    for (const mode of [Mode.Ids, Mode.Ips]) {
      const config = defaultConfig();
      if (mode === Mode.Ips) config.stream.midstreamPolicy = 'ignore';
      const bench = new EngineBench({ rules: [STREAM], mode, config }, false);
      const c = new Connection({ rules: [], bench });
      bench.now += 40_000;
      c.client(0, 'attack');
      c.ack(6);
      assert.equal(bench.counters[Counter.TcpMidstream], 0);
      c.close();
    }
  });

  const [src, dst] = ['10.1.1.1', '10.1.1.2'];
  class Unknown {
    readonly bench = new EngineBench({ rules: [STREAM] }, false);
    seg(side: 0 | 1, seq: number, ack: number, text: string, port = 999): string {
      const [s, d] = side === 0 ? [src, dst] : [dst, src];
      const ports = side === 0 ? { srcPort: port, dstPort: 888 } : { srcPort: 888, dstPort: port };
      const segment = build.tcp({ src: s, dst: d, ...ports, flags: 24, seq, ack, window: 65535 }, build.bytes(text));
      return this.bench.send(build.ipv4({ src: s, dst: d, proto: 6 }, segment), 101);
    }
  }

  it('a first packet that no receiver takes does not say where the stream is', () => {
    const real = 1_000_000_000;
    for (const bogus of [-1_000_000, -100, 7, 100, 1_000_000, 1 << 29]) {
      const u = new Unknown();
      u.seg(0, real + bogus, 5000, 'x');
      assert.equal(u.seg(0, real, 5000, 'att'), 'drop: stream error', `${bogus}: it comes again`);
      u.seg(1, 5000, real, '');
      assert.equal(u.seg(0, real, 5000, 'att'), 'pass', `${bogus}`);
      assert.equal(u.seg(0, real + 3, 5000, 'ack'), 'drop: rules', `${bogus}`);
      u.bench.close();
    }
  });

  it('what follows in order is not held up while the other side is silent', () => {
    const u = new Unknown();
    for (let i = 0; i < 20; i++) assert.equal(u.seg(0, 1000 + 10 * i, 5000, '0123456789'), 'pass');
    assert.equal(u.seg(0, 1000, 5000, '0123456789'), 'pass', 'again');
    assert.equal(u.seg(0, 1000, 5000, '01234attac'), 'rewritten');
    u.seg(1, 5000, 1100, 'yes');
    assert.equal(u.seg(0, 1200, 5003, 'att'), 'pass');
    assert.equal(u.seg(0, 1203, 5003, 'ack'), 'drop: rules');
    u.bench.close();
  });

  it('a flood of them does not fill the flow table with what is never evicted', () => {
    const config = defaultConfig();
    config.flow.memcap = 256 << 10;
    const bench = new EngineBench({ rules: [STREAM], config }, false);
    const c = new Connection({ rules: [], bench });
    for (let port = 1000; port < 3000; port++) {
      const segment = build.tcp({ src, dst, srcPort: port, dstPort: 888, flags: 16, seq: 1, ack: 1 });
      assert.equal(bench.send(build.ipv4({ src, dst, proto: 6 }, segment), 101), 'pass', `flow ${port - 1000}`);
    }
    assert.ok(bench.counters[Counter.FlowsTotal] > bench.engine.flows.capacity);
    c.client(0, 'att');
    assert.equal(c.client(3, 'ack'), 'drop: rules', 'and who was there stays');
    c.close();
  });
});
