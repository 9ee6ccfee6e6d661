import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { Parsed, Probe2, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions } from '../transactions.js';
import { Banner } from './banner.js';
import { writeSsh } from './eve.js';
import { MD5_DIGITS, Shown, Side, Stage } from './layout.js';
import { Packets } from './packets.js';
import { SshStore } from './store.js';

/** First of the parser's words of a session: the transaction + 1; 0: none yet; SPENT: it has ended. */
const TX_WORD = Session.Parser;
const SPENT = -1;
const PREFIX = Uint8Array.from('SSH-', (c) => c.charCodeAt(0));

/** SSH (RFC 4253) until both sides said NEWKEYS: then Parsed.Done. One transaction per session. */
export class SshProtocol implements Protocol {
  readonly proto = AppProto.Ssh;
  private readonly store: SshStore;
  private readonly banner: Banner;
  private readonly packets: Packets;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
  ) {
    this.store = new SshStore(txs, counters);
    this.banner = new Banner(this.store);
    this.packets = new Packets(this.store);
  }

  probe(_direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Probe2 {
    const n = len < PREFIX.length ? len : PREFIX.length;
    for (let i = 0; i < n; i++) if (mem[off + i] !== PREFIX[i]) return Probe2.No;
    return len < PREFIX.length ? Probe2.More : Probe2.Yes;
  }

  begin(): void {}

  open(session: number): void {
    this.sessions.words[session * Session.Words + TX_WORD] = 0;
  }

  close(session: number): void {
    this.sessions.words[session * Session.Words + TX_WORD] = SPENT;
  }

  forget(session: number, _tx: number): void {
    this.close(session);
  }

  /** The session's transaction; below 0: it has none, or no longer. */
  transaction(session: number): number {
    return this.sessions.words[session * Session.Words + TX_WORD] - 1;
  }

  data(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    let tx = this.transaction(session);
    if (tx < 0) {
      if (this.sessions.words[session * Session.Words + TX_WORD] === SPENT) return Parsed.Done;
      tx = this.start(session);
      if (tx < 0) return Parsed.Failed;
    }
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    let used = 0;
    if (heap[side + Side.Stage] < Stage.Packets) {
      used = this.banner.data(tx, direction, mem, off, len);
      if (used < 0) return Parsed.Failed;
    }
    if (!this.packets.data(tx, direction, mem, off + used, len - used)) return Parsed.Failed;
    return this.settle(session, tx);
  }

  gap(session: number, direction: number, length: number): Parsed {
    const tx = this.transaction(session);
    if (tx < 0) return Parsed.Go;
    this.banner.finish(tx, direction);
    this.packets.gap(tx, direction, length);
    return this.settle(session, tx);
  }

  finish(session: number, direction: number): void {
    const tx = this.transaction(session);
    if (tx < 0) return;
    this.banner.finish(tx, direction);
    this.store.heap[this.store.side(tx, direction) + Side.Stage] = Stage.End;
    this.store.state(tx, direction, STATE_DONE);
    this.settle(session, tx);
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    const banner = (heap[side + Side.Shown] & Shown.Banner) === 0 ? 1 : 0;
    const hassh = (heap[side + Side.Shown] & Shown.Hassh) === 0 ? 1 : 0;
    if (heap[side + Side.ProtoAt] > 0) {
      this.set(buffers, BufferId.SshProto, heap[side + Side.ProtoAt], heap[side + Side.ProtoLen], banner);
      heap[side + Side.Shown] |= Shown.Banner;
    }
    if (heap[side + Side.SoftwareAt] > 0)
      this.set(buffers, BufferId.SshSoftware, heap[side + Side.SoftwareAt], heap[side + Side.SoftwareLen], banner);
    if (heap[side + Side.HasshAt] === 0) return;
    this.set(buffers, direction === 0 ? BufferId.SshHassh : BufferId.SshHasshServer, heap[side + Side.HasshAt], MD5_DIGITS, hassh);
    const string = direction === 0 ? BufferId.SshHasshString : BufferId.SshHasshServerString;
    this.set(buffers, string, heap[side + Side.HasshStringAt], heap[side + Side.HasshStringLen], hassh);
    heap[side + Side.Shown] |= Shown.Hassh;
  }

  record(tx: number, writer: RecordWriter): void {
    writeSsh(this.store, tx, writer);
  }

  private set(buffers: Buffers, id: BufferId, at: number, len: number, fresh: number): void {
    buffers.set(id, this.store.bytes, this.txs.heap.region, at, len, fresh);
  }

  /** Once both sides have come to their end, whether by NEWKEYS or by a hole, there is nothing left to read. */
  private settle(session: number, tx: number): Parsed {
    const { heap } = this.store;
    const left = heap[this.store.side(tx, 0) + Side.Stage] !== Stage.End || heap[this.store.side(tx, 1) + Side.Stage] !== Stage.End;
    // A transaction that is complete ends with the packet, and its number is another's then.
    if (this.txs.isDone(tx)) this.sessions.words[session * Session.Words + TX_WORD] = SPENT;
    return left ? Parsed.Go : Parsed.Done;
  }

  private start(session: number): number {
    const tx = this.txs.open(session, AppProto.Ssh, 0);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    if (!this.store.begin(tx)) {
      this.txs.close(tx);
      return -1;
    }
    this.sessions.words[session * Session.Words + TX_WORD] = tx + 1;
    return tx;
  }
}
