import { Parsed } from '../protocol.js';
import { Tx } from '../transactions.js';
import { TlsEvent } from './events.js';
import { Handshake } from './handshake.js';
import { Side, SideFlag, TlsFlag, Word } from './layout.js';
import { Printer } from './printer.js';
import { SSLV2, Sslv2, sslv2Length } from './sslv2.js';
import type { TlsStore } from './store.js';

/** Record types (IANA, TLS ContentType); Sslv2 is none of theirs. */
export const enum Content {
  ChangeCipherSpec = 20,
  Alert = 21,
  Handshake = 22,
  Heartbeat = 24,
  Sslv2 = 0x100,
}
const HEADER_BYTES = 5;
/** RFC 5246, 6.2.3. */
const MOST_CONTENT = 16384 + 2048;
const MOST_RECORDS = 255;
const BOTH_ENCRYPTED = TlsFlag.Encrypted | (TlsFlag.Encrypted << 1);

/**
 * The record layer (RFC 8446, 5; RFC 5246, 6.2): byte by byte for headers, piece by piece for contents, so that it makes no
 * difference how a stream is cut.
 */
export class Records {
  readonly handshake: Handshake;
  private readonly sslv2: Sslv2;

  constructor(
    private readonly store: TlsStore,
    limit: number,
    readonly out = new Printer(),
  ) {
    this.handshake = new Handshake(store, limit, out);
    this.sslv2 = new Sslv2(store, this.handshake);
  }

  data(tx: number, direction: number, mem: Uint8Array, off: number, len: number): Parsed {
    const { heap, words } = this.store;
    const side = this.store.side(tx, direction);
    const flags = tx * Tx.Words + Tx.Parser + Word.Flags;
    const end = off + len;
    let records = 0;
    for (let at = off; at < end; ) {
      if ((heap[side + Side.Flags] & SideFlag.Lost) !== 0) return Parsed.Go;
      if (heap[side + Side.Head] < HEADER_BYTES) {
        if (!this.header(tx, direction, side, mem[at++])) return Parsed.Failed;
        if (heap[side + Side.Head] < HEADER_BYTES) continue;
        if (++records === MOST_RECORDS + 1) this.store.event(tx, direction, TlsEvent.TooManyRecordsInPacket);
      } else {
        const left = heap[side + Side.Left];
        const n = left < end - at ? left : end - at;
        if (!this.content(tx, direction, side, mem, at, n)) return Parsed.Failed;
        heap[side + Side.Left] = left - n;
        at += n;
      }
      if (heap[side + Side.Left] === 0) heap[side + Side.Head] = 0;
      if ((words[flags] & BOTH_ENCRYPTED) === BOTH_ENCRYPTED)
        // What looks like an answer in SSL 2 may be anything.
        return words[flags - Word.Flags + Word.Version + 1] === SSLV2 ? Parsed.Done : Parsed.Encrypted;
    }
    return Parsed.Go;
  }

  /** Missing bytes: within a record it is known what they are part of, beyond it nothing is. */
  gap(tx: number, direction: number, length: number): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    if (length > 0 && heap[side + Side.Head] === HEADER_BYTES && length <= heap[side + Side.Left]) {
      if (heap[side + Side.Type] === Content.Handshake) this.handshake.gap(tx, direction, length);
      heap[side + Side.Left] -= length;
      if (heap[side + Side.Left] === 0) heap[side + Side.Head] = 0;
    } else {
      this.handshake.finish(tx, direction);
      heap[side + Side.Flags] |= SideFlag.Lost;
    }
  }

  /** One byte of a header. False: none of a record of TLS. */
  private header(tx: number, direction: number, side: number, byte: number): boolean {
    const { heap, words } = this.store;
    const head = heap[side + Side.Head]++;
    if (head === 0) {
      heap[side + Side.Type] = byte;
      if (byte >= Content.ChangeCipherSpec && byte <= Content.Heartbeat) {
        heap[side + Side.Flags] |= SideFlag.Begun;
        return true;
      }
      if ((heap[side + Side.Flags] & SideFlag.Begun) !== 0 || byte < 0x80) {
        this.store.event(tx, direction, TlsEvent.InvalidRecordType);
        return false;
      }
      heap[side + Side.Flags] |= SideFlag.Begun;
      heap[side + Side.Type] = Content.Sslv2;
      heap[side + Side.RecordLength] = byte & 0x7f;
    } else if (heap[side + Side.Type] === Content.Sslv2) {
      heap[side + Side.Head] = HEADER_BYTES;
      const length = (heap[side + Side.RecordLength] << 8) | byte;
      heap[side + Side.RecordLength] = heap[side + Side.Left] = length;
      if (length < sslv2Length(direction)) {
        this.store.event(tx, direction, TlsEvent.InvalidSslv2Header);
        return false;
      }
    } else if (head === 1) {
      heap[side + Side.RecordVersion] = byte << 8;
      if (byte !== 3) {
        this.store.event(tx, direction, TlsEvent.InvalidRecordVersion);
        return false;
      }
    } else if (head === 2) {
      heap[side + Side.RecordVersion] |= byte;
      if (heap[side + Side.Hellos] === 0) words[tx * Tx.Words + Tx.Parser + Word.Version + direction] = heap[side + Side.RecordVersion];
    } else if (head === 3) heap[side + Side.RecordLength] = byte << 8;
    else {
      const length = heap[side + Side.RecordLength] | byte;
      heap[side + Side.RecordLength] = heap[side + Side.Left] = length;
      if (length > MOST_CONTENT) {
        this.store.event(tx, direction, TlsEvent.InvalidRecordLength);
        return false;
      }
      this.begins(tx, direction, side, length);
    }
    return true;
  }

  private begins(tx: number, direction: number, side: number, length: number): void {
    const { heap, words } = this.store;
    const type = heap[side + Side.Type];
    const flags = words[tx * Tx.Words + Tx.Parser + Word.Flags];
    if ((flags & (TlsFlag.Encrypted << direction)) !== 0) return;
    if (type === Content.ChangeCipherSpec) {
      // Who is not yet to change may only have sent what the other side ignores (RFC 8446, 5; CVE-2014-0224).
      const due =
        (flags & TlsFlag.Agreed) !== 0 &&
        (direction === 1 ||
          (flags & (TlsFlag.ClientKeyExchange | (TlsFlag.Encrypted << 1))) !== 0 ||
          (heap[side + Side.Flags] & SideFlag.Opaque) !== 0);
      if (due) this.handshake.encrypted(tx, direction);
      else heap[side + Side.Flags] |= SideFlag.EarlyCipher;
    } else if (type === Content.Alert && length !== 2) this.store.event(tx, direction, TlsEvent.InvalidAlertMessage);
    else if (type === Content.Heartbeat) this.heartbeatBegins(tx, direction, side, length);
  }

  /** Some of a record's content. False: not of this protocol. */
  private content(tx: number, direction: number, side: number, mem: Uint8Array, at: number, n: number): boolean {
    const { heap, words } = this.store;
    const type = heap[side + Side.Type];
    const position = heap[side + Side.RecordLength] - heap[side + Side.Left];
    if (type === Content.Sslv2) return this.sslv2.data(tx, direction, side, position, mem, at, n);
    if ((words[tx * Tx.Words + Tx.Parser + Word.Flags] & (TlsFlag.Encrypted << direction)) !== 0) return true;
    if (type === Content.Handshake) {
      if (position === 0) this.handshake.recordBegins(tx, direction, mem[at]);
      return this.handshake.data(tx, direction, mem, at, n);
    }
    if (type === Content.Alert) {
      if (position === 0 && mem[at] !== 1 && mem[at] !== 2) this.store.event(tx, direction, TlsEvent.InvalidAlertMessage);
    } else if (type === Content.Heartbeat) this.heartbeat(tx, direction, side, position, mem, at, n);
    return true;
  }

  /** RFC 6520. An answer is as long as its request, give or take padding; a longer one gives away memory (CVE-2014-0160). */
  private heartbeatBegins(tx: number, direction: number, side: number, length: number): void {
    const { store } = this;
    const { heap } = store;
    store.event(tx, direction, TlsEvent.HeartbeatMessage);
    const asked = store.side(tx, direction ^ 1) + Side.Heartbeat;
    if (heap[asked] !== 0 && length > heap[asked]) store.event(tx, direction, TlsEvent.DataleakHeartbeatMismatch);
    heap[asked] = 0;
    heap[side + Side.Heartbeat] = length;
    if (length < 3) store.event(tx, direction, TlsEvent.InvalidHeartbeatMessage);
  }

  private heartbeat(tx: number, direction: number, side: number, position: number, mem: Uint8Array, at: number, n: number): void {
    const { store } = this;
    const { heap } = store;
    for (let i = 0; i < n && position + i < 3; i++) {
      const byte = mem[at + i];
      if (position + i === 0) {
        if (byte !== 1 && byte !== 2) store.event(tx, direction, TlsEvent.InvalidHeartbeatMessage);
      } else if (position + i === 1) heap[side + Side.HeartbeatSays] = byte << 8;
      else if ((heap[side + Side.HeartbeatSays] | byte) > heap[side + Side.RecordLength] - 3)
        store.event(tx, direction, TlsEvent.OverflowHeartbeatMessage);
    }
  }
}
