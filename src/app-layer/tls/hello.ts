import { Tx } from '../transactions.js';
import { TlsEvent } from './events.js';
import { Ja } from './ja.js';
import { RANDOM_BYTES, Side, SideFlag, TlsFlag, Word } from './layout.js';
import type { Printer } from './printer.js';
import type { TlsStore } from './store.js';

/** Extensions that are looked into (IANA, TLS ExtensionType Values). */
const enum Ext {
  ServerName = 0,
  Groups = 10,
  PointFormats = 11,
  SignatureAlgorithms = 13,
  Alpn = 16,
  SupportedVersions = 43,
}

/** RFC 8446, 4.1.3: the random of a HelloRetryRequest. */
const RETRY = Uint8Array.from(Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'));

/** Longer hellos have no JA3 and JA4: nobody's list holds them, and they take a millisecond. */
const MOST_FINGERPRINTED = 16384;
/** Side.JaAt .. Ja4At. */
const JA_WORDS = 4;
const BEFORE_DRAFT_16 = 0x7f01;

/** How a ServerHello ends. */
export const enum Hello {
  Client = 0,
  Server = 1,
  /** The client is to say hello once more. */
  Retry = 2,
}

/** Reads hellos (RFC 8446, 4.1.2 and 4.1.3; RFC 5246, 7.4.1), whose bodies lie in the heap's bytes [at, end). */
export class HelloReader {
  private readonly ja: Ja;

  constructor(
    private readonly store: TlsStore,
    out: Printer,
  ) {
    this.ja = new Ja(store, out);
  }

  client(tx: number, start: number, end: number, cut: boolean): Hello {
    const { store, ja } = this;
    const { bytes, heap, words } = store;
    const side = store.side(tx, 0);
    ja.clear();
    words[tx * Tx.Words + Tx.Parser + Word.Flags] |= TlsFlag.ClientHello;
    if ((heap[side + Side.Flags] & SideFlag.HelloShown) === 0 && heap[side + Side.SniAt] > 0) {
      heap[side + Side.EarlierSniAt] = heap[side + Side.SniAt];
      heap[side + Side.EarlierSniLen] = heap[side + Side.SniLen];
    }
    let at = this.head(tx, 0, side, start, end);
    const good = at >= 0 && this.ciphers(at, end);
    if (good) {
      at = ja.ciphersAt + ja.ciphersLen;
      // Compression methods, then extensions; SSLv3 may have none.
      at += at < end ? 1 + bytes[at] : 1;
      if (at > end || !this.extensions(tx, 0, side, at, end)) this.wrong(tx, 0, cut);
    } else this.wrong(tx, 0, cut);
    this.fingerprint(tx, side, at >= 0 && end - start <= MOST_FINGERPRINTED);
    heap[side + Side.Hellos]++;
    return Hello.Client;
  }

  /** A client's. `hasAny`: of what was read last, else it has none. */
  private fingerprint(tx: number, side: number, hasAny: boolean): void {
    const { heap } = this.store;
    const from = side + Side.JaAt;
    const at = heap[from];
    const len = heap[from + 1];
    const hash = heap[from + 2];
    const ja4 = heap[from + 3];
    heap.fill(0, from, from + JA_WORDS);
    if (hasAny) this.ja.client(tx, side);
    heap.copyWithin(side + Side.LastJaAt, from, from + JA_WORDS);
    if (heap[side + Side.Hellos] === 0) return;
    heap[from] = at;
    heap[from + 1] = len;
    heap[from + 2] = hash;
    heap[from + 3] = ja4;
  }

  server(tx: number, start: number, end: number, cut: boolean): Hello {
    const { store, ja } = this;
    const { heap, words } = store;
    const side = store.side(tx, 1);
    const tx0 = tx * Tx.Words + Tx.Parser;
    ja.clear();
    words[tx0 + Word.Flags] |= TlsFlag.ServerHello;
    let at = this.head(tx, 1, side, start, end);
    if (at < 0 || end - at < 2) {
      this.wrong(tx, 1, cut);
    } else {
      ja.ciphersAt = at;
      ja.ciphersLen = 2;
      at += isDraft(ja.version) ? 2 : 3;
      if (at > end || !this.extensions(tx, 1, side, at, end)) this.wrong(tx, 1, cut);
      const retry = this.isRetry(heap[side + Side.RandomAt]);
      if (heap[side + Side.Hellos]++ === 0 && end - start <= MOST_FINGERPRINTED) ja.server(tx, side);
      if (retry) return Hello.Retry;
    }
    if (words[tx0 + Word.Version + 1] > 0x0303 && (words[tx0 + Word.Version + 1] === 0x0304 || words[tx0 + Word.Version + 1] >= 0x7e00))
      words[tx0 + Word.Flags] |= TlsFlag.Tls13;
    if (this.sameSession(tx)) words[tx0 + Word.Flags] |= TlsFlag.SameSession;
    return Hello.Server;
  }

  private wrong(tx: number, direction: number, cut: boolean): void {
    if (!cut) this.store.event(tx, direction, TlsEvent.HandshakeInvalidLength);
  }

  /** Version, random and session id. Where the next field begins, or -1. */
  private head(tx: number, direction: number, side: number, start: number, end: number): number {
    const { bytes, heap, words } = this.store;
    if (end - start < 2) return -1;
    const version = (bytes[start] << 8) | bytes[start + 1];
    this.ja.version = version;
    // Only drafts before 16 wrote the version itself here.
    const said = direction === 1 && version === 0x0304 ? BEFORE_DRAFT_16 : version;
    words[tx * Tx.Words + Tx.Parser + Word.Version + direction] = said;
    const random = start + 2;
    if (end - random < RANDOM_BYTES) return -1;
    heap[side + Side.RandomAt] = random;
    const id = random + RANDOM_BYTES;
    // Drafts of TLS 1.3 until 21 have neither session id nor compression here.
    if (direction === 1 && isDraft(version)) return id;
    if (end - id < 1) return -1;
    const length = bytes[id];
    if (length > 32 || length > end - id - 1) return -1;
    heap[side + Side.SessionIdAt] = id + 1;
    heap[side + Side.SessionIdLen] = length;
    return id + 1 + length;
  }

  private ciphers(at: number, end: number): boolean {
    const { ja } = this;
    const { bytes } = this.store;
    if (end - at < 2) return false;
    const length = (bytes[at] << 8) | bytes[at + 1];
    const fits = length <= end - at - 2;
    ja.ciphersAt = at + 2;
    ja.ciphersLen = fits ? length : end - at - 2;
    return fits;
  }

  private extensions(tx: number, direction: number, side: number, start: number, end: number): boolean {
    const { ja } = this;
    const { bytes, heap } = this.store;
    // None: what an earlier hello named stands no longer.
    heap[side + Side.AlpnAt] = 0;
    if (start === end) return true;
    if (end - start < 2) return false;
    const length = (bytes[start] << 8) | bytes[start + 1];
    const last = length > end - start - 2 ? end : start + 2 + length;
    ja.extensionsAt = start + 2;
    let named = false;
    let at = start + 2;
    let good = last === start + 2 + length;
    while (at < last) {
      const size = last - at < 4 ? -1 : (bytes[at + 2] << 8) | bytes[at + 3];
      if (size < 0 || size > last - at - 4) {
        good = false;
        break;
      }
      const from = at + 4;
      const to = from + size;
      const type = (bytes[at] << 8) | bytes[at + 1];
      if (type === Ext.ServerName && direction === 0) {
        if (named) this.store.event(tx, 0, TlsEvent.MultipleSniExtensions);
        else this.serverName(tx, side, from, to);
        named = true;
      } else if (type === Ext.Alpn) this.alpn(side, from, to);
      else if (type === Ext.SupportedVersions) this.versions(tx, direction, from, to);
      else if (direction === 0) ja.clientExtension(type, from, to);
      at = to;
    }
    ja.extensionsLen = at - ja.extensionsAt;
    return good;
  }

  /** RFC 6066, 3: a list of names, of which one is a host's. */
  private serverName(tx: number, side: number, from: number, to: number): void {
    const { store } = this;
    const { bytes, heap } = store;
    if (to - from < 2) {
      if (to > from) store.event(tx, 0, TlsEvent.InvalidSniLength);
      return;
    }
    const length = (bytes[from] << 8) | bytes[from + 1];
    if (length > to - from - 2) store.event(tx, 0, TlsEvent.InvalidSniLength);
    for (let at = from + 2; at < to; ) {
      if (to - at < 3) {
        store.event(tx, 0, TlsEvent.InvalidSniLength);
        return;
      }
      const size = (bytes[at + 1] << 8) | bytes[at + 2];
      if (size > to - at - 3) {
        store.event(tx, 0, TlsEvent.InvalidSniLength);
        return;
      }
      if (bytes[at] === 0) {
        heap[side + Side.SniAt] = at + 3;
        heap[side + Side.SniLen] = size;
        return;
      }
      store.event(tx, 0, TlsEvent.InvalidSniType);
      at += 3 + size;
    }
  }

  /** RFC 7301, 3.1. */
  private alpn(side: number, from: number, to: number): void {
    const { bytes, heap } = this.store;
    if (to - from < 2) return;
    const length = (bytes[from] << 8) | bytes[from + 1];
    heap[side + Side.AlpnAt] = from + 2;
    heap[side + Side.AlpnLen] = length < to - from - 2 ? length : to - from - 2;
  }

  /** RFC 8446, 4.2.1: the client's list, or the server's choice. */
  private versions(tx: number, direction: number, from: number, to: number): void {
    const { bytes, words } = this.store;
    if (direction === 1) {
      if (to - from >= 2) words[tx * Tx.Words + Tx.Parser + Word.Version + 1] = (bytes[from] << 8) | bytes[from + 1];
    } else if (to > from) {
      this.ja.versionsAt = from + 1;
      this.ja.versionsLen = bytes[from] < to - from - 1 ? bytes[from] : to - from - 1;
    }
  }

  private isRetry(at: number): boolean {
    for (let i = 0; i < RANDOM_BYTES; i++) if (this.store.bytes[at + i] !== RETRY[i]) return false;
    return true;
  }

  private sameSession(tx: number): boolean {
    const { bytes, heap } = this.store;
    const client = this.store.side(tx, 0);
    const server = this.store.side(tx, 1);
    const length = heap[client + Side.SessionIdLen];
    if (length === 0 || heap[server + Side.SessionIdLen] !== length) return false;
    const a = heap[client + Side.SessionIdAt];
    const b = heap[server + Side.SessionIdAt];
    for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
    return true;
  }
}

/** A ServerHello that says TLS 1.3, or a draft of it, where it no longer may. */
function isDraft(version: number): boolean {
  return version === 0x0304 || version >> 8 === 0x7f || version >> 8 === 0x7e;
}
