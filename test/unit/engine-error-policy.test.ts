import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';
import { type Turn, talk } from '../support/conversations.js';
import { EngineBench } from '../support/engine.js';
import { clientHello, record, serverHello } from '../support/tls-bytes.js';

const CUT = 'drop: applayer error';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const LONG = `GET / HTTP/1.1\r\n${`X: ${'y'.repeat(4000)}\r\n`.repeat(8)}\r\n`;
const HELLO = record(22, clientHello());
const ANSWER = record(22, serverHello(0x1301));
const GARBAGE = build.bytes('\x01garbage');
const ZEROS = new Uint8Array(40_000);
/** A stretch without the end of a line, which begins like one of a request. */
const WORDS = `GET /${'a'.repeat(30_000)}`;

describe('error-policy', () => {
  const cut: [name: string, port: number, turns: Turn[]][] = [
    ['a request with a head that is too long', 80, [[0, LONG]]],
    [
      'the same, once the server has answered another',
      80,
      [
        [0, 'GET / HTTP/1.1\r\n\r\n'],
        [1, OK],
        [0, LONG],
      ],
    ],
    ['a line of a request that does not end', 80, [[0, WORDS]]],
    [
      'who began with something else, of a web server',
      80,
      [
        [0, 'x\r\n'],
        [1, 'HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n'],
        [0, LONG],
      ],
    ],
    [
      'TLS that goes on as something else',
      443,
      [
        [0, HELLO],
        [1, ANSWER],
        [0, GARBAGE],
      ],
    ],
    [
      'SSH without packets',
      22,
      [
        [1, 'SSH-2.0-a\r\n'],
        [0, 'SSH-2.0-b\r\n'],
        [0, '\0\0\0\0\0\0'],
      ],
    ],
  ];
  for (const [name, port, turns] of cut)
    it(`cuts: ${name}`, () => {
      const c = new Connection({ rules: [], port });
      assert.ok(talk(c, turns).includes(CUT));
      c.close();
    });

  const kept: [name: string, port: number, turns: Turn[]][] = [
    [
      'a browser that tries TLS first, with a server that has none',
      8080,
      [
        [0, HELLO],
        [1, 'HTTP/1.1 400 Bad Request\r\n\r\n'],
      ],
    ],
    [
      'RTSP, which begins like HTTP, with frames between its messages',
      554,
      [
        [0, 'OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n'],
        [1, 'RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n'],
        [0, WORDS],
      ],
    ],
    [
      'sound behind a PUT that says no length',
      8000,
      [
        [0, 'PUT /radio HTTP/1.1\r\n\r\n'],
        [1, OK],
        [0, ZEROS],
      ],
    ],
    [
      'a web client on an SSH server',
      22,
      [
        [1, 'SSH-2.0-a\r\n'],
        [0, 'GET / HTTP/1.0\r\n\r\n'],
        [1, 'Protocol mismatch.\r\n'],
      ],
    ],
    [
      'an SSH server behind a proxy that says for whom it asks',
      22,
      [
        [0, 'PROXY TCP4 1.2.3.4 5.6.7.8 1 22\r\nSSH-2.0-b\r\n'],
        [1, 'SSH-2.0-a\r\n'],
      ],
    ],
    ['zeros to whom nobody knows', 80, [[0, ZEROS]]],
  ];
  for (const [name, port, turns] of kept)
    it(`does not cut: ${name}`, () => {
      const c = new Connection({ rules: [], port });
      assert.deepEqual([...new Set(talk(c, turns))], ['pass']);
      c.close();
    });

  it('does not cut a session that was picked up in the middle of a message', () => {
    for (const [port, first] of [
      [80, WORDS],
      [80, 'GET /quoted/in/a/body HTTP/1.1\r\n'],
      [443, HELLO],
      [22, 'SSH-2.0-quoted\r\n'],
    ] as const) {
      const c = new Connection({ rules: [], port });
      c.bench.now += 40_000;
      const verdicts = talk(
        c,
        [
          [0, first],
          [1, 'the rest of something'],
          [0, WORDS],
          [1, ZEROS.subarray(0, 3000)],
          [0, GARBAGE],
        ],
        [5000, 7000],
      );
      assert.ok(!verdicts.includes(CUT), `${port} ${verdicts}`);
      assert.ok(c.bench.counters[Counter.TcpMidstream] > 0);
      c.close();
    }
  });

  it('cuts one that was picked up, and of which both sides have shown what they speak', () => {
    const c = new Connection({ rules: [], port: 80 });
    c.bench.now += 40_000;
    assert.ok(
      talk(
        c,
        [
          [0, 'GET / HTTP/1.1\r\n\r\n'],
          [1, OK],
          [0, LONG],
        ],
        [500, 700],
      ).includes(CUT),
    );
    c.close();
  });

  it('of one flow is nothing to the next, whose packet is looked at by no parser', () => {
    for (const how of ['checksum', 'bypassed', 'window'] as const) {
      const rule = how === 'bypassed' ? 'alert tcp any any -> any 81 (flow:established; content:"away"; bypass; sid:1;)' : '';
      const bench = new EngineBench({ rules: rule === '' ? [] : [rule] });
      const one = new Connection({ rules: [], port: 80, bench });
      const other = new Connection({ rules: [], port: 81, bench: one.bench, clientPort: 41_000 });
      other.client(0, 'away');
      other.server(0, 'x', 4);
      assert.ok(talk(one, [[0, LONG]]).includes(CUT));
      const send = one.bench.send.bind(one.bench);
      if (how === 'checksum')
        one.bench.send = (frame, link) => {
          frame[frame.length - 1] ^= 1;
          return send(frame, link);
        };
      const verdict = how === 'window' ? other.segment(0, 4, 4_000_000, 1) : other.client(4, 'more', 1);
      one.bench.send = send;
      assert.equal(verdict, 'pass', how);
      assert.equal(other.client(4, 'more', 1), 'pass', how);
      one.close();
    }
  });

  it('does not drop what a rule passes', () => {
    const c = new Connection({ rules: ['pass http any any -> any any (http.method; content:"GET"; sid:1;)'], port: 80 });
    assert.deepEqual(
      [
        ...new Set(
          talk(c, [
            [0, LONG],
            [0, 'more'],
          ]),
        ),
      ],
      ['pass'],
    );
    c.close();
  });

  it('is nothing to a listener, nor are other policies that drop', () => {
    for (const policy of ['drop-flow', 'drop-packet', 'reject'] as const) {
      const config = defaultConfig();
      config.stream.midstreamPolicy = policy;
      const rule = 'alert tcp any any -> any any (content:"evil"; sid:1;)';
      const bench = new EngineBench({ rules: [rule], mode: Mode.Ids, config }, false);
      const c = new Connection({ rules: [], bench });
      bench.now += 40_000;
      c.client(0, 'evil');
      assert.equal(c.close(), 1, policy);
    }
  });

  it('a listener goes on', () => {
    const c = new Connection({
      rules: ['alert tcp any any -> any any (flow:established; content:"evil"; sid:1;)'],
      port: 80,
      mode: Mode.Ids,
    });
    talk(c, [
      [0, LONG],
      [1, OK],
      [0, 'evil'],
      [1, OK],
    ]);
    assert.equal(c.close(), 1);
  });
});
