import type { RecordNames, RecordWriter } from '../record.js';
import { Tx } from '../transactions.js';
import { FINGERPRINT_DIGITS, JA4_DIGITS, MD5_DIGITS, Side, TlsFlag, Word } from './layout.js';
import type { Printer } from './printer.js';
import { SSLV2 } from './sslv2.js';
import type { TlsStore } from './store.js';
import { printTime } from './time.js';

const enum Field {
  Subject = 0,
  IssuerDn = 1,
  SessionResumed = 2,
  Serial = 3,
  Fingerprint = 4,
  Sni = 5,
  Version = 6,
  NotBefore = 7,
  NotAfter = 8,
  Ja3 = 9,
  Ja3s = 10,
  Ja4 = 11,
  Hash = 12,
  String = 13,
  SubjectAltName = 14,
  ClientAlpns = 15,
  ServerAlpns = 16,
  Client = 17,
  Certificate = 18,
  Chain = 19,
}

/** What records say only where `custom` names it: certificates in base64, the first one and all. */
export interface TlsEveOptions {
  certificate: boolean;
  chain: boolean;
  clientCertificate: boolean;
  clientChain: boolean;
}

const NO_CERTIFICATES: TlsEveOptions = { certificate: false, chain: false, clientCertificate: false, clientChain: false };

/** Words of `version`: the final ones, then drafts 16 to 28 of TLS 1.3. */
const enum VersionWord {
  Undetermined = 0,
  Sslv2 = 1,
  Sslv3 = 2,
  BeforeDraft16 = 7,
  Facebook23 = 8,
  Facebook26 = 9,
  Draft16 = 10,
}
const LAST_DRAFT = 28;

export const TLS_NAMES: RecordNames = {
  type: 'tls',
  fields: [
    'subject',
    'issuerdn',
    'session_resumed',
    'serial',
    'fingerprint',
    'sni',
    'version',
    'notbefore',
    'notafter',
    'ja3',
    'ja3s',
    'ja4',
    'hash',
    'string',
    'subjectaltname',
    'client_alpns',
    'server_alpns',
    'client',
    'certificate',
    'chain',
  ],
  words: [
    'UNDETERMINED',
    'SSLv2',
    'SSLv3',
    'TLSv1',
    'TLS 1.1',
    'TLS 1.2',
    'TLS 1.3',
    'TLS 1.3 draft-<16',
    'TLS 1.3 draft-23-fb',
    'TLS 1.3 draft-26-fb',
    ...Array.from({ length: LAST_DRAFT - 15 }, (_, i) => `TLS 1.3 draft-${i + 16}`),
  ],
};

/** Writes EVE's tls object. */
export class TlsRecord {
  constructor(
    private readonly store: TlsStore,
    private readonly out: Printer,
    private readonly options: TlsEveOptions = NO_CERTIFICATES,
  ) {}

  write(tx: number, w: RecordWriter): void {
    const { words, heap } = this.store;
    const client = this.store.side(tx, 0);
    const server = this.store.side(tx, 1);
    const flags = words[tx * Tx.Words + Tx.Parser + Word.Flags];
    this.text(w, Field.Subject, server + Side.SubjectAt);
    this.text(w, Field.IssuerDn, server + Side.IssuerAt);
    const met = (flags & (TlsFlag.Agreed | TlsFlag.Tls13)) === TlsFlag.Agreed;
    if (met && heap[server + Side.Certificates] === 0 && (flags & (TlsFlag.SameSession | (TlsFlag.Encrypted << 1))) !== 0)
      w.flag(Field.SessionResumed, true);
    this.text(w, Field.Serial, server + Side.SerialAt);
    this.digits(w, Field.Fingerprint, server + Side.FingerprintAt, FINGERPRINT_DIGITS);
    this.text(w, Field.Sni, client + Side.SniAt);
    this.version(w, words[tx * Tx.Words + Tx.Parser + Word.Version + 1] || words[tx * Tx.Words + Tx.Parser + Word.Version]);
    this.validity(w, tx, 1);
    this.ja(w, Field.Ja3, client);
    this.ja(w, Field.Ja3s, server);
    this.digits(w, Field.Ja4, client + Side.Ja4At, JA4_DIGITS);
    this.list(w, Field.SubjectAltName, server + Side.SanAt, 2);
    this.list(w, Field.ClientAlpns, client + Side.AlpnAt, 1);
    this.list(w, Field.ServerAlpns, server + Side.AlpnAt, 1);
    if (this.options.certificate) this.certificate(w, server);
    if (this.options.chain) this.chain(w, server);
    if (heap[client + Side.FingerprintAt] === 0) return;
    w.object(Field.Client);
    this.text(w, Field.Subject, client + Side.SubjectAt);
    this.text(w, Field.IssuerDn, client + Side.IssuerAt);
    this.digits(w, Field.Fingerprint, client + Side.FingerprintAt, FINGERPRINT_DIGITS);
    this.text(w, Field.Serial, client + Side.SerialAt);
    this.validity(w, tx, 0);
    if (this.options.clientCertificate) this.certificate(w, client);
    if (this.options.clientChain) this.chain(w, client);
    w.end();
  }

  private certificate(w: RecordWriter, side: number): void {
    const { heap } = this.store;
    if (heap[side + Side.CertsAt] > 0)
      this.encoded(w, Field.Certificate, heap[side + Side.CertsAt], heap[side + Side.CertsAt] + heap[side + Side.CertsLen]);
  }

  private chain(w: RecordWriter, side: number): void {
    const { heap } = this.store;
    if (heap[side + Side.CertsAt] === 0) return;
    const end = heap[side + Side.CertsAt] + heap[side + Side.CertsLen];
    w.array(Field.Chain);
    for (let at = heap[side + Side.CertsAt]; at + 3 <= end; ) at = this.encoded(w, -1, at, end);
    w.end();
  }

  /** The certificate whose length of three bytes is at `at`; where the next one is. */
  private encoded(w: RecordWriter, field: Field | -1, at: number, end: number): number {
    const { out } = this;
    const { bytes } = this.store;
    if (at + 3 > end) return end;
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    const from = at + 3;
    const next = length < end - from ? from + length : end;
    out.clear();
    out.base64(bytes, from, next - from);
    w.text(field, out.bytes, 0, out.at);
    return next;
  }

  private text(w: RecordWriter, field: Field | -1, index: number): void {
    const { heap, bytes } = this.store;
    if (heap[index] > 0) w.text(field, bytes, heap[index], heap[index + 1]);
  }

  private digits(w: RecordWriter, field: Field, index: number, len: number): void {
    const { heap, bytes } = this.store;
    if (heap[index] > 0) w.text(field, bytes, heap[index], len);
  }

  private ja(w: RecordWriter, field: Field, side: number): void {
    if (this.store.heap[side + Side.JaAt] === 0) return;
    w.object(field);
    this.digits(w, Field.Hash, side + Side.JaHashAt, MD5_DIGITS);
    this.text(w, Field.String, side + Side.JaAt);
    w.end();
  }

  private validity(w: RecordWriter, tx: number, direction: number): void {
    const { words } = this.store;
    if ((words[tx * Tx.Words + Tx.Parser + Word.Flags] & (TlsFlag.Certificate << direction)) === 0) return;
    const at = tx * Tx.Words + Tx.Parser + Word.Validity + 4 * direction;
    this.time(w, Field.NotBefore, words[at], words[at + 1]);
    this.time(w, Field.NotAfter, words[at + 2], words[at + 3]);
  }

  private time(w: RecordWriter, field: Field, days: number, seconds: number): void {
    const { out } = this;
    out.clear();
    printTime(days, seconds, out);
    w.text(field, out.bytes, 0, out.at);
  }

  private list(w: RecordWriter, field: Field, index: number, width: number): void {
    const { heap, bytes } = this.store;
    if (heap[index] === 0) return;
    const end = heap[index] + heap[index + 1];
    w.array(field);
    for (let at = heap[index]; at + width <= end; ) {
      let length = 0;
      for (let i = 0; i < width; i++) length = (length << 8) | bytes[at + i];
      at += width;
      if (length > end - at) length = end - at;
      w.text(-1, bytes, at, length);
      at += length;
    }
    w.end();
  }

  private version(w: RecordWriter, version: number): void {
    const word = versionWord(version);
    if (word >= 0) {
      w.word(Field.Version, word);
      return;
    }
    const { out } = this;
    out.clear();
    out.byte(0x30);
    out.byte(0x78);
    out.hex16(version);
    w.text(Field.Version, out.bytes, 0, out.at);
  }
}

function versionWord(version: number): number {
  if (version === 0) return VersionWord.Undetermined;
  if (version === SSLV2) return VersionWord.Sslv2;
  if (version >= 0x0300 && version <= 0x0304) return VersionWord.Sslv3 + version - 0x0300;
  if (version === 0xfb17) return VersionWord.Facebook23;
  if (version === 0xfb1a) return VersionWord.Facebook26;
  if (version >> 8 !== 0x7f) return -1;
  const draft = version & 255;
  if (draft < 16) return VersionWord.BeforeDraft16;
  return draft <= LAST_DRAFT ? VersionWord.Draft16 + draft - 16 : -1;
}
