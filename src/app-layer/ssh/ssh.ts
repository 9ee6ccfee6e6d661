import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { SingleTransaction } from '../single-transaction.js';
import { STATE_DONE, type Transactions } from '../transactions.js';
import { Banner } from './banner.js';
import { writeSsh } from './eve.js';
import { MD5_DIGITS, Shown, Side, Stage } from './layout.js';
import { Packets } from './packets.js';
import { SshStore } from './store.js';

const PREFIX = Uint8Array.from('SSH-', (c) => c.charCodeAt(0));

/** `app-layer.protocols.ssh.hassh`: of each session, of none, or as long as some rule asks for it. */
export type HasshMode = 'yes' | 'no' | 'auto';

/** SSH (RFC 4253) until both sides said NEWKEYS: then Parsed.Encrypted. One transaction per session. */
export class SshProtocol extends SingleTransaction implements Protocol {
  private readonly store: SshStore;
  private readonly banner: Banner;
  private readonly packets: Packets;

  constructor(
    sessions: Sessions,
    txs: Transactions,
    counters: Float64Array,
    private readonly hassh: HasshMode = 'yes',
  ) {
    const store = new SshStore(txs, counters);
    super(AppProto.Ssh, sessions, txs, counters, store);
    this.store = store;
    this.banner = new Banner(this.store);
    this.packets = new Packets(this.store);
    this.packets.wantsHassh = hassh === 'yes';
  }

  /** Sessions whose key exchange is still to come have a fingerprint, or have none. */
  wantFingerprints(wanted: boolean): void {
    if (this.hassh === 'auto') this.packets.wantsHassh = wanted;
  }

  probe(_direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Likeness {
    const n = len < PREFIX.length ? len : PREFIX.length;
    for (let i = 0; i < n; i++) if (mem[off + i] !== PREFIX[i]) return Likeness.No;
    return len < PREFIX.length ? Likeness.More : Likeness.Yes;
  }

  data(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    let tx = this.transaction(session);
    if (tx < 0) {
      if (this.isSpent(session)) return Parsed.Done;
      tx = this.start(session);
      if (tx < 0) return Parsed.Failed;
      // app-layer-state:<hello asks before there is any buffer.
      this.txs.moment(tx, direction);
    }
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    let used = 0;
    if (heap[side + Side.Stage] < Stage.Packets) {
      used = this.banner.data(tx, direction, mem, off, len);
      if (used < 0) return Parsed.Failed;
    }
    if (!this.packets.data(tx, direction, mem, off + used, len - used)) return Parsed.Failed;
    return this.progress(session, tx);
  }

  gap(session: number, direction: number, length: number): Parsed {
    const tx = this.transaction(session);
    if (tx < 0) return Parsed.Go;
    this.banner.finish(tx, direction);
    this.packets.gap(tx, direction, length);
    return this.progress(session, tx);
  }

  finish(session: number, direction: number): void {
    const tx = this.transaction(session);
    if (tx < 0) return;
    this.banner.finish(tx, direction);
    this.packets.end(tx, direction);
    this.store.state(tx, direction, STATE_DONE);
    this.progress(session, tx);
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
  private progress(session: number, tx: number): Parsed {
    const { heap } = this.store;
    const client = heap[this.store.side(tx, 0) + Side.Stage];
    const server = heap[this.store.side(tx, 1) + Side.Stage];
    this.settle(session, tx);
    if (client < Stage.End || server < Stage.End) return Parsed.Go;
    return client === Stage.Keys && server === Stage.Keys ? Parsed.Encrypted : Parsed.Done;
  }
}
