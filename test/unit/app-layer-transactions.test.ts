import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto, type Buffers } from '../../src/app-layer/buffers.js';
import { Likeness, Parsed, type Protocol } from '../../src/app-layer/protocol.js';
import type { Frame, ProtocolSpec } from '../../src/app-layer/protocols.js';
import type { RecordWriter } from '../../src/app-layer/record.js';
import { STATE_DONE, Transactions, Tx } from '../../src/app-layer/transactions.js';
import { Counter } from '../../src/metrics/counters.js';
import { Talk } from './app-layer-fixture.js';

describe('transactions', () => {
  it('are in a list by session, and end when the packet is done', () => {
    const txs = new Transactions(4, 1 << 16, 4, 3);
    const all = [txs.open(0, 1, 0), txs.open(0, 1, 1), txs.open(2, 1, 0), txs.open(-1, 1, 0)];
    assert.equal(txs.open(0, 1, 2), -1);
    assert.deepEqual([txs.length(0), txs.length(2), txs.length(-1), txs.first(0), txs.behind(all[0])], [2, 1, 1, all[0], all[1]]);
    txs.keep(all[0], new Uint8Array(100), 0, 100);
    txs.close(all[0]);
    txs.close(all[0]);
    assert.deepEqual([txs.active, txs.endedCount, txs.isOpen(all[0]), txs.heap.used > 0], [4, 1, false, true]);
    txs.begin();
    assert.deepEqual([txs.active, txs.heap.used, txs.first(0), txs.length(0)], [3, 0, all[1], 1]);
    txs.closeAll(0);
    txs.closeAll(2);
    txs.closeAll(-1);
    txs.clearEnded();
    assert.deepEqual([txs.active, txs.first(0), txs.first(2), txs.first(-1)], [0, -1, -1, -1]);
  });
  it('begin with cleared words, in the order in which those before them ended', () => {
    const txs = new Transactions(8, 1 << 16, 8, 1);
    const ends = [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [6, 2, 3, 5],
      [0, 1, 4],
      [7, 6, 5, 4, 3, 2, 1, 0],
    ];
    for (let n = 0; n < 8; n++) txs.open(0, 1, n);
    for (const list of ends) {
      for (const tx of list) {
        txs.words.fill(-1, tx * Tx.Words + Tx.Parser, (tx + 1) * Tx.Words);
        txs.close(tx);
      }
      txs.clearEnded();
      assert.equal(txs.active, 8 - list.length);
      const again = list.map((_, n) => txs.open(0, 2, n));
      assert.deepEqual(again, list);
      for (const [n, tx] of again.entries()) {
        const at = tx * Tx.Words;
        const fresh = new Int32Array(Tx.Words);
        fresh.set([0, -1, n]);
        fresh[Tx.Proto] = 2;
        assert.deepEqual(txs.words.slice(at, at + Tx.Words), fresh);
      }
      assert.equal(txs.length(0), 8);
    }
    const order: number[] = [];
    for (let tx = txs.first(0); tx >= 0; tx = txs.behind(tx)) order.push(tx);
    assert.deepEqual(order, [7, 6, 5, 4, 3, 2, 1, 0]);
  });
});

/** A byte is a message: `q` begins a transaction, `a` (server) completes the oldest, `x` fails, `c` changes the protocol, `e` ends it. */
class Toy implements Protocol {
  readonly proto = AppProto.Tls;
  nextId = 0;
  readonly calls: string[] = [];
  constructor(private readonly frame: Frame) {}
  probe(direction: number, mem: Uint8Array, off: number, len: number): Likeness {
    if (len < 2) return Likeness.More;
    return direction === 0 && mem[off] === 0x54 ? Likeness.Yes : Likeness.No;
  }
  begin(): void {}
  open(): void {
    this.calls.push('open');
  }
  close(): void {
    this.calls.push('close');
  }
  data(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    const { txs } = this.frame;
    for (let i = off; i < off + len; i++) {
      const letter = String.fromCharCode(mem[i]);
      if (letter === 'x') return Parsed.Failed;
      if (letter === 'c') return Parsed.Changed;
      if (letter === 'e') return Parsed.Done;
      if (letter === 'q') {
        const tx = txs.open(session, this.proto, this.nextId++);
        txs.words[tx * Tx.Words + Tx.State] = session < 0 ? STATE_DONE : 1;
        txs.moment(tx, direction);
      }
      if (letter === 'a') {
        const tx = txs.first(session);
        if (tx < 0) continue;
        txs.words[tx * Tx.Words + Tx.State] = STATE_DONE;
        txs.words[tx * Tx.Words + Tx.State + 1] = STATE_DONE;
        txs.moment(tx, 1);
      }
    }
    return Parsed.Go;
  }
  gap(): Parsed {
    return Parsed.Go;
  }
  finish(_session: number, direction: number): void {
    this.calls.push(`finish ${direction}`);
  }
  forget(_session: number, _tx: number): void {
    this.calls.push('forget');
  }
  select(_tx: number, _direction: number, _buffers: Buffers): void {}
  record(_tx: number, _writer: RecordWriter): void {}
}

function toy(more: object = {}): { t: Talk; toy: Toy; ended: () => number[] } {
  let made: Toy | undefined;
  const spec: ProtocolSpec = {
    proto: AppProto.Tls,
    tcp: true,
    udp: true,
    ports: [],
    names: { type: 'toy', fields: [], words: [] },
    eventWord: -1,
    make: (frame) => {
      made = new Toy(frame);
      return made;
    },
  };
  const t = new Talk({ app: { protocols: [spec], ...more } });
  t.open();
  const ended = () => {
    const ids: number[] = [];
    t.app.settle((tx) => ids.push(t.app.txs.words[tx * Tx.Words + Tx.Id]));
    return ids;
  };
  return { t, toy: made!, ended };
}

describe('the frame around protocols', () => {
  it('a transaction ends when both directions are complete and it has been inspected', () => {
    const { t, ended } = toy();
    t.client(0, 'T.qq');
    assert.deepEqual([t.result, t.appProto, t.counters[Counter.AppFlows + AppProto.Tls]], [2, AppProto.Tls, 1]);
    assert.deepEqual(ended(), []);
    t.server(0, 'a', 1005);
    assert.deepEqual([t.result, t.app.txs.active], [1, 2]);
    assert.deepEqual(ended(), [0]);
    assert.deepEqual([t.app.txs.active, t.counters[Counter.AppTxs + AppProto.Tls]], [1, 1]);
  });

  it('at the end of the flow what is unfinished is inspected once more, and ends', () => {
    const { t, toy: parser, ended } = toy();
    t.client(0, 'T.qq');
    ended();
    const slot = t.p.flow;
    assert.equal(t.app.finish(slot), 2);
    t.app.select(1);
    assert.deepEqual([t.app.direction, t.app.isComplete()], [0, true]);
    assert.deepEqual(ended(), [0, 1]);
    t.app.flowEnded(slot);
    assert.deepEqual([t.app.active, t.app.txs.active], [0, 0]);
    assert.deepEqual(parser.calls, ['open', 'finish 0', 'finish 1', 'close']);
  });

  it('too many of one flow: the oldest end without a record, the session is told', () => {
    const { t, toy: parser, ended } = toy({ sessionTransactions: 3 });
    t.client(0, 'T.qqqqq');
    assert.equal(t.result, 5);
    assert.deepEqual(ended(), []);
    assert.deepEqual([t.app.txs.active, t.counters[Counter.AppTxsEvicted]], [3, 2]);
    assert.deepEqual(parser.calls, ['open', 'forget', 'forget']);
  });

  it('too many of all flows: some end to make room', () => {
    const { t, ended } = toy({ transactions: 4 });
    t.client(0, 'T.qqqqqqqq');
    ended();
    t.client(10, 'q');
    assert.ok(t.counters[Counter.AppTxsEvicted] >= 4);
    assert.ok(t.app.txs.active <= 5);
  });

  it('another protocol from here on: asked anew, what was begun ends', () => {
    const { t, toy: parser, ended } = toy();
    t.client(0, 'T.qc');
    assert.deepEqual([t.result, t.appProto], [1, AppProto.Unknown]);
    assert.deepEqual(ended(), [0]);
    t.client(4, 'T.q');
    assert.deepEqual([t.result, t.appProto], [1, AppProto.Tls]);
    assert.deepEqual(parser.calls, ['open', 'close', 'open']);
  });

  it('damaged, or done: no more bytes, the protocol stays', () => {
    for (const [letter, errors] of [
      ['x', 1],
      ['e', 0],
    ] as const) {
      const { t, ended } = toy();
      t.client(0, `T.q${letter}`);
      assert.deepEqual(ended(), [0]);
      t.client(4, 'q');
      assert.deepEqual([t.result, t.appProto, t.app.active, t.counters[Counter.AppErrors + AppProto.Tls]], [0, AppProto.Tls, 0, errors]);
    }
  });

  it('datagrams: decided once per flow, transactions end with the packet, ids go on', () => {
    const { t, ended } = toy();
    const { p, app, flows } = t;
    const bytes = Buffer.from('T.qq');
    p.mem = bytes;
    p.payloadOff = 0;
    p.payloadLen = 4;
    p.direction = 0;
    const slot = p.flow;
    flows.appProto[slot] = AppProto.Unknown;
    flows.appProbe[slot] = 0;
    assert.equal(app.datagram(p), 2);
    assert.deepEqual(ended(), [0, 1]);
    assert.equal(app.datagram(p), 2);
    assert.deepEqual(ended(), [2, 3]);
    assert.equal(app.txs.active, 0);
    flows.appState[slot] = 0;
    flows.appProto[slot] = AppProto.Unknown;
    bytes[0] = 0x55;
    for (let i = 0; i < 7; i++) {
      assert.equal(app.datagram(p), 0);
      assert.equal(flows.appProto[slot], AppProto.Unknown);
    }
    app.datagram(p);
    assert.equal(flows.appProto[slot], AppProto.Failed);
  });
});
