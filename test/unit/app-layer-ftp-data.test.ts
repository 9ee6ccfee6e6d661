import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppProto, BufferId } from '../../src/app-layer/buffers.js';
import { FtpCommand } from '../../src/app-layer/ftp/commands.js';
import { ftpDataCommand } from '../../src/app-layer/ftp/tests.js';
import { EXPECTED_NAME, EXPECTED_SECONDS, Expectations } from '../../src/app-layer/ftp-data/expectations.js';
import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { Counter } from '../../src/metrics/counters.js';
import { AppRecordWriter, appRecordJson } from '../../src/output/app-record.js';
import { Talk, type TalkOptions } from './app-layer-fixture.js';
import { A, F, P, S } from './flow-fixture.js';

const CLIENT = 0x0a000001;
const SERVER = 0x0a000002;

/** Control and data connections between two hosts. */
class Transfer extends Talk {
  readonly seen: string[] = [];
  readonly commandsSeen: number[] = [];
  readonly records: unknown[] = [];
  private readonly writer = new AppRecordWriter();

  constructor(options: TalkOptions = {}) {
    super({ port: 21, ...options, app: { protocols: PROTOCOLS, ...options.app } });
    this.open();
  }

  /** The control connection up to the transfer's command. */
  announce(agree: [command: string, reply: string], transfer: string): void {
    const [command, reply] = agree;
    this.client(0, `${command}\r\n`);
    this.server(0, `${reply}\r\n`, 1003 + command.length);
    this.client(command.length + 2, `${transfer}\r\n`, { ack: 5003 + reply.length });
    this.settle();
  }

  /** A connection from one host to a port of the other, and its bytes: `> ` to server, `< ` to client. */
  connect(from: number, port: number, ...packets: string[]): void {
    const to = from === CLIENT ? SERVER : CLIENT;
    const up = { src: from, dst: to, sport: 50001, dport: port };
    const down = { src: to, dst: from, sport: port, dport: 50001 };
    this.send({ ...up, flags: S, seq: 100 });
    this.send({ ...down, flags: S | A, seq: 300, ack: 101 });
    this.send({ ...up, flags: A, seq: 101, ack: 301 });
    let ts = 101;
    let tc = 301;
    for (const packet of packets) {
      const data = Uint8Array.from(packet.slice(2), (c) => c.charCodeAt(0));
      const end = packet[0] === packet[0].toUpperCase() && data.length === 0;
      if (packet.startsWith('>')) {
        this.send({ ...up, flags: end ? F | A : P | A, seq: ts, ack: tc, data });
        ts += end ? 1 : data.length;
      } else {
        this.send({ ...down, flags: end ? F | A : P | A, seq: tc, ack: ts, data });
        tc += end ? 1 : data.length;
      }
      this.look();
    }
  }

  private look(): void {
    const { app } = this;
    for (let i = 0; i < (this.result ?? 0); i++) {
      app.select(i);
      const { buffers } = app;
      const part = (id: BufferId) =>
        buffers.len[id] < 0
          ? '-'
          : Buffer.from(buffers.mem[id].subarray(buffers.off[id], buffers.off[id] + buffers.len[id])).toString('latin1');
      this.seen.push(`${'><'[app.direction]} ${part(BufferId.FileName)} ${part(BufferId.FileData)}`);
      this.commandsSeen.push(ftpDataCommand(app.txs.words, app.tx));
    }
    this.settle();
  }

  private settle(): void {
    const { app } = this;
    app.settle((tx) => {
      const parser = app.parserOf(tx);
      if (parser.proto !== AppProto.FtpData) return;
      this.writer.reset();
      parser.record(tx, this.writer);
      this.records.push(JSON.parse(appRecordJson(parser.proto, Buffer.from(this.writer.bytes.subarray(0, this.writer.length)))));
    });
  }
}

const PASSIVE: [string, string] = ['PASV', '227 Passive (10,0,0,2,195,80)'];
const ACTIVE: [string, string] = ['PORT 10,0,0,1,195,80', '200 ok'];

test('passive, RETR: the file comes from the server of the data connection', () => {
  const t = new Transfer();
  t.announce(PASSIVE, 'RETR a b.txt');
  t.connect(CLIENT, 50000, '< one ', '< two', '< ');
  assert.equal(t.appProto, AppProto.FtpData);
  assert.deepEqual(t.seen, ['> - -', '< a b.txt one ', '< a b.txt one two', '< a b.txt one two']);
  assert.deepEqual([...new Set(t.commandsSeen)], [FtpCommand.Retr]);
  assert.deepEqual(t.records, [{ filename: 'a b.txt', command: 'RETR' }]);
});

test('passive, STOR, and APPE: to it', () => {
  for (const command of ['STOR', 'appe']) {
    const t = new Transfer();
    t.announce(['EPSV', '229 Extended (|||50000|)'], `${command} x`);
    t.connect(CLIENT, 50000, '> one', '< what the server says', '> ');
    assert.deepEqual(t.seen.slice(0, 2), ['< - -', '> x one']);
    assert.deepEqual(t.records, [{ filename: 'x', command: 'STOR' }]);
  }
});

test('active: the server opens, and what it fetches goes the other way', () => {
  for (const agree of [ACTIVE, ['EPRT |1|10.0.0.1|50000|', '200 ok'] as [string, string]]) {
    const t = new Transfer();
    t.announce(agree, 'RETR x');
    t.connect(SERVER, 50000, '> from the server', '> ');
    assert.equal(t.seen[1], '> x from the server');
    assert.deepEqual(t.records, [{ filename: 'x', command: 'RETR' }]);
    const u = new Transfer();
    u.announce(agree, 'STOR x');
    u.connect(SERVER, 50000, '< to the server', '< ');
    assert.ok(u.seen.includes('< x to the server'), u.seen.join('\n'));
  }
});

test('whatever the file looks like', () => {
  for (const bytes of [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'SSH-2.0-x\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'USER x\r\n',
  ]) {
    const t = new Transfer();
    t.announce(PASSIVE, 'STOR x');
    t.connect(CLIENT, 50000, `> ${bytes}`, '> ');
    assert.equal(t.appProto, AppProto.FtpData, bytes);
    assert.equal(t.seen[1], `> x ${bytes}`);
  }
});

test('only what was announced: its port, its direction, once, for a while', () => {
  const is = (port: number, from: number, before?: (t: Transfer) => void) => {
    const t = new Transfer();
    t.announce(PASSIVE, 'STOR x');
    before?.(t);
    t.connect(from, port, '> GET / HTTP/1.1\r\n\r\n');
    return t.appProto === AppProto.FtpData;
  };
  assert.equal(is(50000, CLIENT), true);
  assert.equal(is(50001, CLIENT), false);
  assert.equal(is(50000, SERVER), false);
  const later = (seconds: number) => (t: Transfer) => {
    t.sec += seconds;
  };
  assert.equal(is(50000, CLIENT, later(EXPECTED_SECONDS)), true);
  assert.equal(is(50000, CLIENT, later(EXPECTED_SECONDS + 1)), false);
  const t = new Transfer();
  t.announce(PASSIVE, 'STOR x');
  t.connect(CLIENT, 50000, '> a');
  const first = t.p.flow;
  t.clientPort = 40001;
  t.send({ src: CLIENT, dst: SERVER, sport: 50002, dport: 50000, flags: S, seq: 100 });
  t.send({ src: SERVER, dst: CLIENT, sport: 50000, dport: 50002, flags: S | A, seq: 300, ack: 101 });
  t.send({ src: CLIENT, dst: SERVER, sport: 50002, dport: 50000, flags: P | A, seq: 101, ack: 301, data: Uint8Array.of(71, 69, 84, 32) });
  assert.notEqual(t.p.flow, first);
  assert.notEqual(t.appProto, AppProto.FtpData);
});

test('what is announced must not hide what another protocol says', () => {
  const REQUEST = '> GET /evil HTTP/1.1\r\nHost: x\r\n\r\n';
  const proto = (reply: string, transfer: string, port: number, ...packets: string[]) => {
    const t = new Transfer();
    t.announce(['PASV', reply], transfer);
    t.connect(CLIENT, port, ...packets);
    return t.appProto;
  };
  const [WEB, HIGH] = ['227 ok (10,0,0,2,0,80)', '227 ok (10,0,0,2,195,80)'];
  for (const transfer of ['STOR x', 'RETR x']) assert.equal(proto(WEB, transfer, 80, REQUEST), AppProto.Http, transfer);
  // Who fetches a file has nothing to say.
  assert.equal(proto(HIGH, 'RETR x', 50000, REQUEST), AppProto.Http);
  assert.equal(proto(HIGH, 'RETR x', 50000, '> GET', '> /evil HTTP/1.1\r\n\r\n'.replace('/', ' /')), AppProto.Http);
  assert.equal(proto(WEB, 'STOR x', 80, '> \x01\x02 no protocol of ours, and long enough to tell'), AppProto.FtpData);
});

test('a file without a port is none', () => {
  const t = new Transfer();
  t.announce(['NOOP', '200 ok'], 'RETR x');
  assert.equal(t.counters[Counter.AppExpectations], 0);
  const u = new Transfer();
  u.announce(['PASV', '425 no (10,0,0,2,195,80)'], 'RETR x');
  assert.equal(u.counters[Counter.AppExpectations], 0);
});

test('without a parser for FTP-DATA nothing is one', () => {
  const t = new Transfer({ app: { protocols: PROTOCOLS.filter(({ proto }) => proto !== AppProto.FtpData) } });
  t.announce(PASSIVE, 'STOR x');
  t.connect(CLIENT, 50000, '> GET / HTTP/1.1\r\n\r\n');
  assert.equal(t.appProto, AppProto.Http);
});

test('the control connection may be another thread of the process', () => {
  const expectations = Expectations.create(64, true);
  const control = new Transfer({ app: { expectations } });
  const data = new Transfer({ app: { expectations } });
  control.announce(PASSIVE, 'RETR x');
  data.connect(CLIENT, 50000, '< file', '< ');
  assert.ok(data.seen.includes('< x file'), data.seen.join('\n'));
});

/** Flows by number: client and server are bytes, the port is the server's. */
function table(entries: number) {
  const counters = new Float64Array(Counter.Count);
  const flows: [client: number, server: number, port: number][] = [];
  const key = new Int32Array(16 * 4096);
  const open = (client: number, server: number, port: number) => {
    key.set([client, 0, 0, 0, server], 16 * flows.length);
    flows.push([client, server, port]);
    return flows.length - 1;
  };
  const view = { key, flowId: (slot: number) => 2 ** 40 + slot, dstPort: (slot: number) => flows[slot][2] };
  return { counters, open, expectations: new Expectations(Expectations.create(entries, false), view, counters) };
}

test('the table: a pair of hosts pushes out what it expects itself', () => {
  const name = Uint8Array.from({ length: 600 }, (_, i) => i);
  let kept = 0;
  // Which pairs share a set is chance: one in 256.
  for (let n = 0; n < 8; n++) {
    const { expectations, open, counters } = table(4096);
    expectations.now = 1000;
    expectations.slot = open(1, 2, 21);
    expectations.expect(false, 1000, FtpCommand.Retr, name, 0, 600);
    expectations.slot = open(3, 4, 21);
    for (let port = 1; port <= 100; port++) expectations.expect(false, port, FtpCommand.Stor, name, 0, 1);
    assert.ok(counters[Counter.AppExpectationsLost] >= 84);
    assert.equal(expectations.isExpected(open(3, 4, 50)), false);
    assert.equal(expectations.isExpected(open(3, 4, 100)), true);
    if (expectations.isExpected(open(1, 2, 1000))) kept++;
  }
  assert.ok(kept > 0);
});

test('the table: a flow takes an entry for itself', () => {
  const name = Uint8Array.from({ length: 600 }, (_, i) => i);
  const { expectations, open } = table(64);
  expectations.now = 1000;
  expectations.slot = open(1, 2, 21);
  expectations.expect(false, 1000, FtpCommand.Retr, name, 0, 600);
  expectations.slot = open(1, 2, 1000);
  assert.equal(expectations.take(), true);
  assert.equal(expectations.take(), true, 'the same flow again');
  assert.deepEqual([expectations.taken.nameLen, expectations.taken.parent], [EXPECTED_NAME, 2 ** 40]);
  assert.deepEqual(expectations.taken.name, name.subarray(0, EXPECTED_NAME));
  expectations.slot = open(1, 2, 1000);
  assert.equal(expectations.take(), false, 'another flow');
});

test('the table agrees with a plain map while it has room', () => {
  const step = fc.record({
    client: fc.nat(3),
    server: fc.nat(3),
    port: fc.nat(2),
    active: fc.boolean(),
    make: fc.boolean(),
    wait: fc.nat(12),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { expectations, open } = table(4096);
      const model = new Map<string, number>();
      let now = 1000;
      for (const { client, server, port, active, make, wait } of steps) {
        now += wait;
        expectations.now = now;
        const slot = open(client, server, port);
        expectations.slot = slot;
        if (make) {
          expectations.expect(active, port, FtpCommand.Retr, new Uint8Array(1), 0, 1);
          model.set(active ? `${server} ${client} ${port}` : `${client} ${server} ${port}`, now + EXPECTED_SECONDS);
        } else {
          const key = `${client} ${server} ${port}`;
          const wanted = (model.get(key) ?? 0) >= now;
          assert.equal(expectations.isExpected(slot), wanted);
          assert.equal(expectations.take(), wanted);
          model.delete(key);
        }
      }
    }),
  );
});
