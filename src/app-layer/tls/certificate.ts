import { createHash } from 'node:crypto';
import { Tx } from '../transactions.js';
import { Der, oidBytes, sameBytes, Tag } from './der.js';
import { TlsEvent } from './events.js';
import { Side, TlsFlag, Word } from './layout.js';
import { printName } from './name.js';
import type { Printer } from './printer.js';
import type { TlsStore } from './store.js';
import { CertificateTime } from './time.js';

const SUBJECT_ALT_NAME = oidBytes('2.5.29.17');
/** Alternative names that are kept of one certificate. */
const MOST_NAMES = 4096;

/** Context tags of GeneralName (RFC 5280, 4.2.1.6) that are text, and the one that is an address. */
const RFC822_NAME = 0x81;
const DNS_NAME = 0x82;
const URI = 0x86;
const IP_ADDRESS = 0x87;

/**
 * Reads the certificates of a Certificate message (RFC 5246, 7.4.2). Of the first one: subject, issuer, serial number, validity,
 * alternative names and fingerprint. What is wrong becomes an event; what was read before it stands.
 */
export class CertificateReader {
  private readonly der = new Der();
  private readonly time = new CertificateTime();

  constructor(
    private readonly store: TlsStore,
    private readonly out: Printer,
  ) {}

  /** The message's body lies in the heap's bytes [at, end). `cut`: it goes on, but no more of it is there. */
  read(tx: number, direction: number, at: number, end: number, cut: boolean): void {
    const { bytes, heap, words } = this.store;
    const side = this.store.side(tx, direction);
    if (end - at < 3) {
      this.store.event(tx, direction, TlsEvent.CertificateInvalidLength);
      return;
    }
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    let listEnd = at + 3 + length;
    if (listEnd > end) {
      if (!cut) this.store.event(tx, direction, TlsEvent.CertificateInvalidLength);
      listEnd = end;
    }
    if (length === 0) return;
    let count = 0;
    let next = at + 3;
    while (listEnd - next >= 3) {
      const certificate = next + 3;
      next = certificate + ((bytes[next] << 16) | (bytes[next + 1] << 8) | bytes[next + 2]);
      const whole = next <= listEnd;
      if (!whole && !cut) this.store.event(tx, direction, TlsEvent.CertificateInvalidLength);
      if (count++ === 0) this.first(tx, direction, side, certificate, whole ? next : listEnd, !whole);
      if (!whole) break;
    }
    heap[side + Side.CertsAt] = at + 3;
    heap[side + Side.CertsLen] = listEnd - at - 3;
    words[tx * Tx.Words + Tx.Parser + Word.Chain + direction] = count;
  }

  private first(tx: number, direction: number, side: number, at: number, end: number, cut: boolean): void {
    const { store, out } = this;
    const { bytes, heap } = store;
    // Of an earlier certificate of the same side.
    for (let i = Side.SubjectAt; i <= Side.SanLen; i++) heap[side + i] = 0;
    store.words[tx * Tx.Words + Tx.Parser + Word.Flags] &= ~(TlsFlag.Certificate << direction);
    if (!cut) {
      const digest = createHash('sha1').update(bytes.subarray(at, end)).digest();
      out.clear();
      out.colons(digest, 0, digest.length, false);
      store.keepDigits(tx, side + Side.FingerprintAt, out, 0);
    }
    this.der.cut = cut;
    const fault = this.fields(tx, direction, side, at, end);
    if (fault >= 0 && !cut) store.event(tx, direction, fault);
  }

  /** Certificate and TBSCertificate (RFC 5280, 4.1). The event that tells what is wrong, or -1. */
  private fields(tx: number, direction: number, side: number, start: number, end: number): number {
    const { der, store, out } = this;
    const { bytes } = store;
    if (!der.expect(Tag.Sequence, bytes, start, end)) return TlsEvent.CertificateInvalidDer;
    if (!der.expect(Tag.Sequence, bytes, der.from, der.to)) return TlsEvent.CertificateInvalidDer;
    const last = der.to;
    if (!der.read(bytes, der.from, last)) return TlsEvent.CertificateInvalidDer;
    if (der.tag === Tag.Context0) {
      const behind = der.to;
      if (!der.expect(Tag.Integer, bytes, der.from, der.to)) return TlsEvent.CertificateInvalidVersion;
      if (!der.read(bytes, behind, last)) return TlsEvent.CertificateInvalidDer;
    }
    if (der.tag !== Tag.Integer) return TlsEvent.CertificateInvalidSerial;
    out.clear();
    out.colons(bytes, der.from, der.to - der.from, true);
    store.keepText(tx, side + Side.SerialAt, out, 0);

    if (!der.expect(Tag.Sequence, bytes, der.to, last)) return TlsEvent.CertificateInvalidAlgorithm;
    let at = der.to;
    if (!der.expect(Tag.Sequence, bytes, at, last)) return TlsEvent.CertificateInvalidIssuer;
    at = der.to;
    if (!this.name(tx, side + Side.IssuerAt)) return TlsEvent.CertificateInvalidName;

    if (!der.expect(Tag.Sequence, bytes, at, last)) return TlsEvent.CertificateInvalidValidity;
    at = der.to;
    if (!this.validity(tx, direction)) return TlsEvent.CertificateInvalidDate;

    if (!der.expect(Tag.Sequence, bytes, at, last)) return TlsEvent.CertificateInvalidSubject;
    at = der.to;
    if (!this.name(tx, side + Side.SubjectAt)) return TlsEvent.CertificateInvalidName;

    while (at < last) {
      if (!der.read(bytes, at, last)) return TlsEvent.CertificateInvalidDer;
      at = der.to;
      const tag: number = der.tag;
      if (tag === Tag.Context3 && !this.extensions(tx, side)) return TlsEvent.CertificateInvalidExtensions;
    }
    return -1;
  }

  /** The name whose SEQUENCE was read last. */
  private name(tx: number, index: number): boolean {
    const { der, out, store } = this;
    out.clear();
    const good = printName(der, store.bytes, der.from, der.to, out);
    store.keepText(tx, index, out, 0);
    return good;
  }

  private validity(tx: number, direction: number): boolean {
    const { der, time } = this;
    const { bytes, words } = this.store;
    const word = tx * Tx.Words + Tx.Parser + Word.Validity + 4 * direction;
    const end = der.to;
    if (!der.read(bytes, der.from, end) || !time.read(der.tag, bytes, der.from, der.to)) return false;
    words[word] = time.days;
    words[word + 1] = time.seconds;
    if (!der.read(bytes, der.to, end) || !time.read(der.tag, bytes, der.from, der.to)) return false;
    words[word + 2] = time.days;
    words[word + 3] = time.seconds;
    words[tx * Tx.Words + Tx.Parser + Word.Flags] |= TlsFlag.Certificate << direction;
    return true;
  }

  /** [3], read last: SEQUENCE of SEQUENCE { OID, critical, OCTET STRING }. */
  private extensions(tx: number, side: number): boolean {
    const { der } = this;
    const { bytes } = this.store;
    if (!der.expect(Tag.Sequence, bytes, der.from, der.to)) return false;
    const last = der.to;
    for (let at = der.from; at < last; ) {
      if (!der.expect(Tag.Sequence, bytes, at, last)) return false;
      at = der.to;
      if (!der.expect(Tag.Oid, bytes, der.from, at)) return false;
      if (!sameBytes(bytes, der.from, der.to - der.from, SUBJECT_ALT_NAME)) continue;
      if (!der.read(bytes, der.to, at)) return false;
      if (der.tag !== Tag.OctetString && !der.expect(Tag.OctetString, bytes, der.to, at)) return false;
      if (!der.expect(Tag.Sequence, bytes, der.from, der.to) || !this.alternatives(tx, side)) return false;
    }
    return true;
  }

  /** GeneralNames, whose SEQUENCE was read last: each kept behind its length in two bytes. */
  private alternatives(tx: number, side: number): boolean {
    const { der, out } = this;
    const { bytes, heap } = this.store;
    const last = der.to;
    out.clear();
    let count = 0;
    let good = true;
    for (let at = der.from; at < last && count < MOST_NAMES; at = der.to) {
      good = der.read(bytes, at, last);
      if (!good) break;
      const { tag, from, to } = der;
      if (tag !== RFC822_NAME && tag !== DNS_NAME && tag !== URI && tag !== IP_ADDRESS) continue;
      const start = out.at;
      // 32 KiB of names are kept, and one of them whole or not at all.
      if (start + 2 + to - from > 32768) break;
      out.byte(0);
      out.byte(0);
      if (tag === IP_ADDRESS) address(bytes, from, to - from, out);
      else out.copy(bytes, from, to - from);
      const length = out.at - start - 2;
      out.bytes[start] = length >> 8;
      out.bytes[start + 1] = length & 255;
      count++;
    }
    heap[side + Side.SanAt] = 0;
    if (out.at > 0) this.store.keepText(tx, side + Side.SanAt, out, 0);
    return good;
  }
}

/** As EVE prints addresses; of another length in hex. */
function address(mem: Uint8Array, off: number, len: number, out: Printer): void {
  if (len === 4) {
    for (let i = 0; i < 4; i++) {
      if (i > 0) out.byte(0x2e);
      out.decimal(mem[off + i]);
    }
  } else if (len === 16) {
    for (let i = 0; i < 16; i += 2) {
      if (i > 0) out.byte(0x3a);
      out.hex16((mem[off + i] << 8) | mem[off + i + 1]);
    }
  } else out.colons(mem, off, len, false);
}
