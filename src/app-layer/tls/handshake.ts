import { STATE_DONE, Tx } from '../transactions.js';
import { CertificateReader } from './certificate.js';
import { TlsEvent } from './events.js';
import { Hello, HelloReader } from './hello.js';
import { Side, SideFlag, TlsFlag, TlsState, Word } from './layout.js';
import type { Printer } from './printer.js';
import type { TlsStore } from './store.js';

/** Handshake messages (IANA, TLS HandshakeType). */
const enum Type {
  ClientHello = 1,
  ServerHello = 2,
  Certificate = 11,
  ServerKeyExchange = 12,
  CertificateRequest = 13,
  ServerHelloDone = 14,
  CertificateVerify = 15,
  ClientKeyExchange = 16,
}
/** Those there are: 0 .. 6, 8, 11 .. 16, 20 .. 26, 67. */
const KNOWN = new Uint8Array(256);
for (const type of [0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 26, 67]) KNOWN[type] = 1;

const HEADER_BYTES = 4;
/** First room for a message that comes in pieces; doubled until it suffices, so that nobody gets more than twice what he sends. */
const FIRST_ROOM = 2040;
/** Hellos, and Certificate messages, that are read of a direction. */
const MOST_MESSAGES = 4;

/** Puts handshake messages together that lie across records (RFC 8446, 5.1), in the heap, and has them read there. */
export class Handshake {
  private readonly hellos: HelloReader;
  private readonly certificates: CertificateReader;

  /** `limit`: bytes of a message that are read, at most. */
  constructor(
    private readonly store: TlsStore,
    private readonly limit: number,
    out: Printer,
  ) {
    this.hellos = new HelloReader(store, out);
    this.certificates = new CertificateReader(store, out);
  }

  /** Content of handshake records. False: this is no handshake at all. */
  data(tx: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    const end = off + len;
    for (let at = off; at < end; ) {
      if (this.isClosed(tx, direction, side)) return true;
      const head = heap[side + Side.HsHead];
      if (head < HEADER_BYTES) {
        if (head === 0) {
          heap[side + Side.HsType] = mem[at];
          heap[side + Side.HsLen] = 0;
        } else heap[side + Side.HsLen] = (heap[side + Side.HsLen] << 8) | mem[at];
        heap[side + Side.HsHead] = head + 1;
        at++;
        if (head + 1 < HEADER_BYTES) continue;
        if (!this.begin(tx, direction, side)) return false;
      } else {
        const left = heap[side + Side.HsLen] - heap[side + Side.HsSeen];
        const n = left < end - at ? left : end - at;
        this.body(tx, direction, side, mem, at, n);
        at += n;
      }
      if (heap[side + Side.HsHead] === HEADER_BYTES && heap[side + Side.HsSeen] === heap[side + Side.HsLen]) {
        if ((heap[side + Side.Flags] & SideFlag.Cut) === 0) this.message(tx, direction, side, false);
        heap[side + Side.HsHead] = 0;
      }
    }
    return true;
  }

  /** `length` bytes of a handshake record's content are missing. */
  gap(tx: number, direction: number, length: number): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    if (heap[side + Side.HsHead] === HEADER_BYTES && length <= heap[side + Side.HsLen] - heap[side + Side.HsSeen]) {
      this.cut(tx, direction, side);
      heap[side + Side.HsSeen] += length;
      if (heap[side + Side.HsSeen] === heap[side + Side.HsLen]) heap[side + Side.HsHead] = 0;
    } else {
      this.finish(tx, direction);
      heap[side + Side.Flags] |= SideFlag.Opaque;
    }
  }

  /** What was begun counts as far as it goes. */
  finish(tx: number, direction: number): void {
    const side = this.store.side(tx, direction);
    if (this.store.heap[side + Side.HsHead] === HEADER_BYTES) this.cut(tx, direction, side);
  }

  /** A handshake record begins. After a ChangeCipherSpec that came too early only a message that may still come is one. */
  recordBegins(tx: number, direction: number, first: number): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    if ((heap[side + Side.Flags] & SideFlag.EarlyCipher) === 0 || heap[side + Side.HsHead] !== 0) return;
    const plain =
      direction === 1
        ? first === Type.ServerHello
        : first === Type.ClientHello || first === Type.Certificate || first === Type.ClientKeyExchange || first === Type.CertificateVerify;
    if (!plain) this.encrypted(tx, direction);
  }

  /** What follows in that direction cannot be read. */
  encrypted(tx: number, direction: number): void {
    const { words } = this.store;
    const flags = tx * Tx.Words + Tx.Parser + Word.Flags;
    if ((words[flags] & (TlsFlag.Encrypted << direction)) !== 0) return;
    words[flags] |= TlsFlag.Encrypted << direction;
    this.state(tx, direction, STATE_DONE);
  }

  state(tx: number, direction: number, state: number): void {
    const { words, txs } = this.store;
    const at = tx * Tx.Words + Tx.State + direction;
    if (words[at] < state) words[at] = state;
    txs.moment(tx, direction);
  }

  private isClosed(tx: number, direction: number, side: number): boolean {
    const { heap, words } = this.store;
    return (
      (heap[side + Side.Flags] & SideFlag.Opaque) !== 0 ||
      (words[tx * Tx.Words + Tx.Parser + Word.Flags] & (TlsFlag.Encrypted << direction)) !== 0
    );
  }

  /** The header of a message is complete. */
  private begin(tx: number, direction: number, side: number): boolean {
    const { store } = this;
    const { heap } = store;
    const type = heap[side + Side.HsType];
    heap[side + Side.HsSeen] = heap[side + Side.HsAt] = heap[side + Side.HsRoom] = 0;
    heap[side + Side.Flags] &= ~SideFlag.Cut;
    const turned = (type === Type.ClientHello && direction === 1) || (type === Type.ServerHello && direction === 0);
    if (KNOWN[type] !== 0 && !turned) return true;
    store.event(tx, direction, TlsEvent.InvalidHandshakeMessage);
    heap[side + Side.Flags] |= SideFlag.Opaque;
    return heap[store.side(tx, 0) + Side.Hellos] + heap[store.side(tx, 1) + Side.Hellos] > 0;
  }

  private isRead(side: number): boolean {
    const { heap } = this.store;
    const type = heap[side + Side.HsType];
    if (type === Type.Certificate) return heap[side + Side.Certificates] < MOST_MESSAGES;
    return (type === Type.ClientHello || type === Type.ServerHello) && heap[side + Side.Hellos] < MOST_MESSAGES;
  }

  private body(tx: number, direction: number, side: number, mem: Uint8Array, off: number, len: number): void {
    const { heap, bytes } = this.store;
    if ((heap[side + Side.Flags] & SideFlag.Cut) === 0 && this.isRead(side)) {
      const room = this.room(tx, side, len);
      const seen = heap[side + Side.HsSeen];
      const n = len < room - seen ? len : room - seen;
      const to = heap[side + Side.HsAt] + seen;
      for (let i = 0; i < n; i++) bytes[to + i] = mem[off + i];
      if (n < len) {
        heap[side + Side.HsSeen] = seen + n;
        this.cut(tx, direction, side);
        heap[side + Side.HsSeen] = seen + len;
        return;
      }
    }
    heap[side + Side.HsSeen] += len;
  }

  /** Makes room for `more` bytes of the message. What there is in all, which may be less. */
  private room(tx: number, side: number, more: number): number {
    const { store } = this;
    const { heap, bytes } = store;
    const seen = heap[side + Side.HsSeen];
    const room = heap[side + Side.HsRoom];
    const length = heap[side + Side.HsLen] < this.limit ? heap[side + Side.HsLen] : this.limit;
    if (seen + more <= room || room === length) return room;
    // With its head a piece of the heap is a power of two.
    let next = room > 0 ? 2 * room + 8 : FIRST_ROOM;
    if (next < seen + more) next = seen + more;
    if (next > length) next = length;
    const at = store.reserve(tx, next);
    if (at < 0) return room;
    const old = heap[side + Side.HsAt];
    bytes.copyWithin(at, old, old + seen);
    heap[side + Side.HsAt] = at;
    heap[side + Side.HsRoom] = next;
    return next;
  }

  /** Reads a message as far as it goes; the rest is skipped. */
  private cut(tx: number, direction: number, side: number): void {
    const { heap } = this.store;
    if ((heap[side + Side.Flags] & SideFlag.Cut) !== 0) return;
    this.message(tx, direction, side, true);
    heap[side + Side.Flags] |= SideFlag.Cut;
  }

  private message(tx: number, direction: number, side: number, cut: boolean): void {
    const { heap, words } = this.store;
    const type = heap[side + Side.HsType];
    const flags = tx * Tx.Words + Tx.Parser + Word.Flags;
    if (type === Type.ServerKeyExchange && direction === 1) {
      words[flags] |= TlsFlag.ServerKeyExchange;
      this.state(tx, direction, TlsState.KeyExchange);
    } else if (type === Type.ClientKeyExchange && direction === 0) {
      words[flags] |= TlsFlag.ClientKeyExchange;
      this.state(tx, direction, TlsState.KeyExchange);
    } else if (type === Type.CertificateRequest && direction === 1) words[flags] |= TlsFlag.Asked;
    else if (type === Type.ServerHelloDone && direction === 1) {
      this.state(tx, direction, TlsState.HelloDone);
      this.serverDone(tx, words[flags]);
    }
    if (!this.isRead(side)) return;
    const at = heap[side + Side.HsAt];
    const end = at + heap[side + Side.HsSeen];
    if (type === Type.Certificate) {
      heap[side + Side.Certificates]++;
      this.certificates.read(tx, direction, at, end, cut);
      heap[side + Side.Flags] &= ~SideFlag.CertificateShown;
      this.state(tx, direction, TlsState.Certificate);
    } else {
      const hello = type === Type.ClientHello ? this.hellos.client(tx, at, end, cut) : this.hellos.server(tx, at, end, cut);
      heap[side + Side.Flags] &= ~SideFlag.HelloShown;
      this.state(tx, direction, TlsState.Hello);
      this.agreed(tx, hello);
    }
  }

  /** Nothing of what the record says is still to come, unless a certificate of the client. */
  private serverDone(tx: number, flags: number): void {
    if ((flags & (TlsFlag.Certificate << 1)) !== 0 && (flags & TlsFlag.Asked) === 0) this.store.txs.log(tx);
  }

  /** With TLS 1.3 all that follows the hellos is encrypted. */
  private agreed(tx: number, hello: Hello): void {
    const { store } = this;
    const { heap, words } = store;
    const flags = tx * Tx.Words + Tx.Parser + Word.Flags;
    if (hello === Hello.Server) words[flags] |= TlsFlag.Agreed;
    if ((words[flags] & (TlsFlag.Agreed | TlsFlag.Tls13)) !== (TlsFlag.Agreed | TlsFlag.Tls13)) return;
    this.encrypted(tx, 1);
    if (heap[store.side(tx, 0) + Side.Hellos] > 0) this.encrypted(tx, 0);
  }
}
