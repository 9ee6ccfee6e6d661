import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import type { AppMemory } from '../../src/app-layer/memory.js';
import type { Protocol } from '../../src/app-layer/protocol.js';
import type { Sessions } from '../../src/app-layer/sessions.js';
import type { Transactions } from '../../src/app-layer/transactions.js';
import { defaultConfig } from '../../src/config/load.js';
import { Block, type BlockPool } from '../../src/detect/block-pool.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import type { Reassembler } from '../../src/stream/reassembly/reassembler.js';
import { Connection } from '../support/connection.js';
import { EngineBench } from '../support/engine.js';
import { clientHello, record, serverHello } from '../support/tls-bytes.js';

/** What is private of them. */
interface Parts {
  app: {
    sessions: Sessions;
    memory: AppMemory;
    parsers: (Protocol | null)[];
    txs: Transactions;
    order: Reassembler;
  };
  streams: { rules: { pool: BlockPool } };
  txRules: { pool: BlockPool };
}

const PORTS = [80, 443, 22, 25, 21, 53, 4321];
const BOUNDARY = 'Content-Type: multipart/form-data; boundary=b\r\n';
const SAID: (string | Uint8Array)[] = [
  'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /up HTTP/1.1\r\nContent-Length: 90\r\n\r\nevil',
  `POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${BOUNDARY}\r\n40\r\n--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\nMZ evil`,
  `GET / HTTP/1.1\r\n${'X: yyyyyyyy\r\n'.repeat(3000)}\r\n`,
  'CONNECT a:1 HTTP/1.1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n400\r\n\x1f\x8b',
  'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n',
  '220 mx ESMTP\r\n',
  '250 ok\r\n354 go\r\n250 ok\r\n',
  'EHLO evil\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<b>\r\nDATA\r\n',
  'MAIL FROM:<a>\r\nRCPT TO:<b>\r\nBDAT 30\r\nSubject: evil\r\n\r\n',
  'Subject: evil\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nZXZpbA==\r\n',
  '.\r\nQUIT\r\n',
  'STARTTLS\r\n',
  'USER evil\r\nPASS x\r\nPORT 10,1,2,3,9,9\r\nSTOR evil\r\n',
  '227 ok (192,0,2,7,9,9)\r\n150 go\r\n',
  'SSH-2.0-evil\r\n',
  '\0\0\0\x20\x04\x14evil',
  '\0\0\0\0\0\0',
  record(22, clientHello()),
  record(22, serverHello(0x1301)),
  record(22, clientHello()).subarray(0, 20),
  '\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\x04evil\x03com\0\0\x01\0\x01'.padEnd(31, '\0'),
  '\x02\0\0\x01\x01\0\0\x01',
  'evil',
  'x'.repeat(1300),
  '\0'.repeat(1400),
];
const RULES = [
  'alert tcp any any -> any any (flow:established; content:"evil"; content:"absent"; sid:1;)',
  'alert http any any -> any any (http.uri; content:"evil"; file.data; content:"MZ"; sid:2;)',
  'alert http any any -> any any (http.request_body; content:"evil"; sid:3;)',
  'drop smtp any any -> any any (smtp.mail_from; content:"evil"; file.data; content:"gone"; sid:4;)',
  'alert ftp any any -> any any (ftp.command; content:"STOR"; content:"evil"; sid:5;)',
  'drop ssh any any -> any any (ssh.software; content:"none"; sid:6;)',
  'pass tcp any any -> any 4321 (flow:established; content:"xxxxxxxxevil"; sid:7;)',
];

const step = fc.record({
  who: fc.nat(PORTS.length - 1),
  side: fc.constantFrom<0 | 1>(0, 0, 1),
  what: fc.nat(SAID.length - 1),
  /** Bytes left out before them, or said again. */
  shift: fc.constantFrom(0, 0, 0, 0, 0, 0, 7, -3, 3000),
  flags: fc.constantFrom(24, 24, 24, 24, 24, 24, 24, 25, 20),
  acks: fc.boolean(),
  later: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 40_000),
});

/** Free blocks of a pool, by taking them. */
function room(pool: BlockPool): number {
  let head = 0;
  let blocks = 0;
  for (let at = pool.take(head); at >= 0; at = pool.take(head)) {
    head = at / Block.Words + 1;
    blocks++;
  }
  pool.giveAll(head);
  return blocks;
}

function lines(memory: AppMemory): number {
  const taken: number[] = [];
  for (let at = memory.takeLine(); at >= 0; at = memory.takeLine()) taken.push(at);
  for (const at of taken) memory.giveLine(at);
  return taken.length;
}

class Pools {
  readonly bench: EngineBench;
  private readonly parts: Parts;
  private readonly whole: number[];

  constructor(mode: Mode, errorPolicy: 'auto' | 'ignore', memcap: number) {
    const config = defaultConfig();
    config.appLayer = { ...config.appLayer, errorPolicy };
    config.stream.reassembly = { ...config.stream.reassembly, memcap };
    this.bench = new EngineBench({ rules: RULES, config, mode, ringBytes: 1 << 22 }, false);
    this.parts = this.bench.engine as unknown as Parts;
    this.whole = this.rooms();
  }

  /** No packet is at hand. */
  assertFull(): void {
    const { app } = this.parts;
    for (const parser of app.parsers) parser?.begin();
    app.order.begin();
    const { sessions, txs, order } = app;
    assert.deepEqual(
      {
        flows: this.bench.engine.flows.active,
        sessions: sessions.active,
        transactions: txs.active - txs.endedCount,
        heap: txs.heap.used,
        pages: order.memuse,
        held: order.held.capacity - order.held.free,
        windows: order.windows.active,
        rooms: this.rooms(),
      },
      { flows: 0, sessions: 0, transactions: 0, heap: 0, pages: 0, held: 0, windows: 0, rooms: this.whole },
    );
  }

  private rooms(): number[] {
    const { app, streams, txRules } = this.parts;
    return [lines(app.memory), room(streams.rules.pool), room(txRules.pool)];
  }
}

test('after all flows have ended every pool of an engine is full again, whatever they said', () => {
  const engines = [
    new Pools(Mode.Ips, 'auto', 4 << 20),
    new Pools(Mode.Ips, 'ignore', 4 << 20),
    new Pools(Mode.Ips, 'ignore', 1 << 18),
    new Pools(Mode.Ids, 'auto', 4 << 20),
  ];
  const engine = fc.nat(engines.length - 1);
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), engine, fc.boolean(), (steps, n, byTime) => {
      const { bench } = engines[n];
      const all = PORTS.map((port, i) => new Connection({ rules: [], bench, port, clientPort: 50_000 + i }));
      const at = all.map(() => [0, 0]);
      for (const { who, side, what, shift, flags, acks, later } of steps) {
        bench.now += later;
        const bytes = build.bytes(SAID[what]);
        const to = at[who];
        to[side] = Math.max(0, to[side] + shift);
        for (let i = 0; i < bytes.length; i += 1400) {
          const part = bytes.subarray(i, i + 1400);
          all[who].segment(side, flags, to[side], to[side ^ 1], part);
          to[side] += part.length;
        }
        if (acks) all[who].segment(side ^ 1, 16, to[side ^ 1], to[side]);
        bench.drain();
      }
      bench.now += 100_000;
      if (byTime) while (bench.engine.flows.tick(bench.now));
      else bench.engine.flows.endAll();
      engines[n].assertFull();
    }),
    { numRuns: 200 },
  );
  // Not in vain: parsers gave up, sessions were picked up, transactions were there, of each kind.
  const sum = (counter: Counter) => engines.reduce((total, { bench }) => total + bench.counters[counter], 0);
  assert.ok(sum(Counter.TcpMidstream) > 100);
  for (const proto of [AppProto.Http, AppProto.Tls, AppProto.Ssh, AppProto.Smtp, AppProto.Ftp, AppProto.Dns])
    assert.ok(sum(Counter.AppTxs + proto) > 0, `transactions of ${proto}`);
  for (const proto of [AppProto.Http, AppProto.Tls, AppProto.Ssh]) assert.ok(sum(Counter.AppErrors + proto) > 0, `errors of ${proto}`);
  for (const { bench } of engines) bench.close();
});
