import { createHash } from 'node:crypto';
import { Side } from './layout.js';
import type { Printer } from './printer.js';
import type { TlsStore } from './store.js';

const COMMA = 0x2c;
const DASH = 0x2d;
const UNDERSCORE = 0x5f;
const ZERO = 0x30;
const NINE = 0x39;
/** JA4 counts no further. */
const MOST_COUNTED = 99;
/** Digits of a hash that JA4 takes. */
const JA4_HASH_BYTES = 6;
/** Extensions with their own place in JA4. */
const SERVER_NAME = 0;
const ALPN = 16;
const GROUPS = 10;
const POINT_FORMATS = 11;
const SIGNATURE_ALGORITHMS = 13;

/** RFC 8701: 0x0a0a, 0x1a1a, ... */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 255);
}

/**
 * Fingerprints of hellos: JA3 and JA3S (Salesforce), JA4 (FoxIO). The reader of the hello notes where the lists lie in the heap,
 * `at` 0: none; then client() or server() prints and hashes.
 */
export class Ja {
  version = 0;
  ciphersAt = 0;
  ciphersLen = 0;
  extensionsAt = 0;
  extensionsLen = 0;
  versionsAt = 0;
  versionsLen = 0;
  private groupsAt = 0;
  private groupsLen = 0;
  private pointsAt = 0;
  private pointsLen = 0;
  private signaturesAt = 0;
  private signaturesLen = 0;
  private readonly sorted = new Uint16Array(32768);
  private readonly counts = new Uint16Array(65536);

  constructor(
    private readonly store: TlsStore,
    private readonly out: Printer,
  ) {}

  clear(): void {
    this.version = this.ciphersAt = this.ciphersLen = this.extensionsAt = this.extensionsLen = 0;
    this.versionsAt = this.versionsLen = this.groupsAt = this.groupsLen = 0;
    this.pointsAt = this.pointsLen = this.signaturesAt = this.signaturesLen = 0;
  }

  clientExtension(type: number, from: number, to: number): void {
    const { bytes } = this.store;
    if (type === POINT_FORMATS) {
      if (to === from) return;
      this.pointsAt = from + 1;
      this.pointsLen = atMost(bytes[from], to - from - 1);
    } else if (to - from < 2) return;
    else if (type === GROUPS) {
      this.groupsAt = from + 2;
      this.groupsLen = atMost((bytes[from] << 8) | bytes[from + 1], to - from - 2);
    } else if (type === SIGNATURE_ALGORITHMS) {
      this.signaturesAt = from + 2;
      this.signaturesLen = atMost((bytes[from] << 8) | bytes[from + 1], to - from - 2);
    }
  }

  client(tx: number, side: number): void {
    const { out } = this;
    const { bytes } = this.store;
    out.clear();
    out.decimal(this.version);
    out.byte(COMMA);
    this.values(this.ciphersAt, this.ciphersLen);
    out.byte(COMMA);
    this.types();
    out.byte(COMMA);
    this.values(this.groupsAt, this.groupsLen);
    out.byte(COMMA);
    for (let i = 0; i < this.pointsLen; i++) {
      if (i > 0) out.byte(DASH);
      out.decimal(bytes[this.pointsAt + i]);
    }
    if (this.store.hasJa3) this.keepJa3(tx, side);
    if (!this.store.hasJa4) return;
    this.ja4(side);
    this.store.keepDigits(tx, side + Side.Ja4At, out, 0);
  }

  server(tx: number, side: number): void {
    const { out } = this;
    out.clear();
    out.decimal(this.version);
    out.byte(COMMA);
    this.values(this.ciphersAt, this.ciphersLen);
    out.byte(COMMA);
    this.types();
    if (this.store.hasJa3) this.keepJa3(tx, side);
  }

  private keepJa3(tx: number, side: number): void {
    const { out, store } = this;
    store.keepText(tx, side + Side.JaAt, out, 0);
    const digest = createHash('md5').update(out.bytes.subarray(0, out.at)).digest();
    out.clear();
    out.hex(digest, 0, digest.length);
    store.keepDigits(tx, side + Side.JaHashAt, out, 0);
  }

  /** Numbers of two bytes, `-` between them. */
  private values(at: number, len: number): void {
    const { out } = this;
    const { bytes } = this.store;
    let first = true;
    for (let i = at; i + 1 < at + len; i += 2) {
      const value = (bytes[i] << 8) | bytes[i + 1];
      if (isGrease(value)) continue;
      if (!first) out.byte(DASH);
      out.decimal(value);
      first = false;
    }
  }

  /** The extensions' types, in the same form. */
  private types(): void {
    const { out } = this;
    const { bytes } = this.store;
    const end = this.extensionsAt + this.extensionsLen;
    let first = true;
    for (let at = this.extensionsAt; at < end; at += 4 + ((bytes[at + 2] << 8) | bytes[at + 3])) {
      const type = (bytes[at] << 8) | bytes[at + 1];
      if (isGrease(type)) continue;
      if (!first) out.byte(DASH);
      out.decimal(type);
      first = false;
    }
  }

  /** Prints `t13d1516h2_8daaf6152771_e5627efa2ab1`: https://github.com/FoxIO-LLC/ja4, technical details of JA4. */
  private ja4(side: number): void {
    const { out } = this;
    const { bytes, heap } = this.store;
    const { sorted } = this;
    const end = this.extensionsAt + this.extensionsLen;
    let all = 0;
    let n = 0;
    let named = false;
    for (let at = this.extensionsAt; at < end; at += 4 + ((bytes[at + 2] << 8) | bytes[at + 3])) {
      const type = (bytes[at] << 8) | bytes[at + 1];
      if (isGrease(type)) continue;
      all++;
      if (type === SERVER_NAME) named = true;
      else if (type !== ALPN) sorted[n++] = type;
    }
    out.clear();
    this.sort(n);
    this.list(n);
    // FoxIO has no underscore where no signature algorithms follow. Suricata has, and so have the rules written for it.
    out.byte(UNDERSCORE);
    let m = 0;
    for (let i = 0; i + 1 < this.signaturesLen; i += 2) {
      const value = (bytes[this.signaturesAt + i] << 8) | bytes[this.signaturesAt + i + 1];
      if (isGrease(value)) continue;
      if (m++ > 0) out.byte(COMMA);
      out.hex16(value);
    }
    const extensions = n === 0 && m === 0 ? null : this.digest();
    n = 0;
    for (let i = 0; i + 1 < this.ciphersLen; i += 2) {
      const value = (bytes[this.ciphersAt + i] << 8) | bytes[this.ciphersAt + i + 1];
      if (!isGrease(value)) sorted[n++] = value;
    }
    out.clear();
    this.sort(n);
    this.list(n);
    const ciphers = n === 0 ? null : this.digest();

    out.clear();
    out.byte(0x74);
    this.ja4Version();
    out.byte(named ? 0x64 : 0x69);
    out.padded(atMost(n, MOST_COUNTED), 2);
    out.padded(atMost(all, MOST_COUNTED), 2);
    this.ja4Alpn(heap[side + Side.AlpnAt], heap[side + Side.AlpnLen]);
    this.ja4Hash(ciphers);
    this.ja4Hash(extensions);
  }

  private ja4Hash(digest: Uint8Array | null): void {
    const { out } = this;
    out.byte(UNDERSCORE);
    if (digest !== null) out.hex(digest, 0, JA4_HASH_BYTES);
    else for (let i = 0; i < 2 * JA4_HASH_BYTES; i++) out.byte(ZERO);
  }

  private digest(): Uint8Array {
    return createHash('sha256').update(this.out.bytes.subarray(0, this.out.at)).digest();
  }

  private list(n: number): void {
    for (let i = 0; i < n; i++) {
      if (i > 0) this.out.byte(COMMA);
      this.out.hex16(this.sorted[i]);
    }
  }

  /** Hellos of this world have twenty values; those of another are counted. */
  private sort(n: number): void {
    const { sorted, counts } = this;
    if (n <= 64) {
      for (let i = 1; i < n; i++) {
        const value = sorted[i];
        let at = i;
        for (; at > 0 && sorted[at - 1] > value; at--) sorted[at] = sorted[at - 1];
        sorted[at] = value;
      }
      return;
    }
    counts.fill(0);
    for (let i = 0; i < n; i++) counts[sorted[i]]++;
    for (let value = 0, at = 0; at < n; value++) for (let k = counts[value]; k > 0; k--) sorted[at++] = value;
  }

  /** The highest one offered. */
  private ja4Version(): void {
    const { out } = this;
    const { bytes } = this.store;
    let version = 0;
    for (let i = 0; i + 1 < this.versionsLen; i += 2) {
      const value = (bytes[this.versionsAt + i] << 8) | bytes[this.versionsAt + i + 1];
      if (!isGrease(value) && value > version) version = value;
    }
    if (version === 0) version = this.version;
    let a = ZERO;
    let b = ZERO;
    if (version >= 0x0301 && version <= 0x0304) {
      a = 0x31;
      b = ZERO + version - 0x0301;
    } else if (version === 0x0300 || version === 0x0002) {
      a = 0x73;
      b = version === 0x0300 ? 0x33 : 0x32;
    }
    out.byte(a);
    out.byte(b);
  }

  /** First and last character of the first protocol; its hex digits when one of the two is neither letter nor digit. */
  private ja4Alpn(at: number, len: number): void {
    const { out } = this;
    const { bytes } = this.store;
    const size = at > 0 && len > 0 ? atMost(bytes[at], len - 1) : 0;
    if (size === 0) {
      out.byte(ZERO);
      out.byte(ZERO);
      return;
    }
    const first = bytes[at + 1];
    const last = bytes[at + size];
    if (isAlphanumeric(first) && isAlphanumeric(last)) {
      out.byte(first);
      out.byte(last);
    } else {
      out.byte(hexDigit(first >> 4));
      out.byte(hexDigit(last & 15));
    }
  }
}

function atMost(value: number, limit: number): number {
  return value < limit ? value : limit;
}

function isAlphanumeric(byte: number): boolean {
  return (byte >= ZERO && byte <= NINE) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function hexDigit(value: number): number {
  return value < 10 ? ZERO + value : 0x57 + value;
}
