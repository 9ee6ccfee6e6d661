/** Most bytes printed at once: what 64 KiB of a message can become. */
const CAPACITY = 512 * 1024;
const DIGITS = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));
const UPPER = Uint8Array.from('0123456789ABCDEF', (c) => c.charCodeAt(0));
const BASE64 = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) => c.charCodeAt(0));
const COLON = 0x3a;
const PAD = 0x3d;

/** Text under construction, reused for each. What does not fit is left out. */
export class Printer {
  readonly bytes = new Uint8Array(CAPACITY);
  at = 0;

  clear(): void {
    this.at = 0;
  }

  byte(value: number): void {
    if (this.at < CAPACITY) this.bytes[this.at++] = value;
  }

  copy(mem: Uint8Array, off: number, len: number): void {
    const n = len < CAPACITY - this.at ? len : CAPACITY - this.at;
    for (let i = 0; i < n; i++) this.bytes[this.at + i] = mem[off + i];
    this.at += n;
  }

  /** RFC 4648, 4. */
  base64(mem: Uint8Array, off: number, len: number): void {
    for (let i = 0; i < len; i += 3) {
      const at = off + i;
      const left = len - i;
      const three = (mem[at] << 16) | (left > 1 ? mem[at + 1] << 8 : 0) | (left > 2 ? mem[at + 2] : 0);
      this.byte(BASE64[three >>> 18]);
      this.byte(BASE64[(three >>> 12) & 63]);
      this.byte(left > 1 ? BASE64[(three >>> 6) & 63] : PAD);
      this.byte(left > 2 ? BASE64[three & 63] : PAD);
    }
  }

  /** 0 to 2^53, exclusive. */
  decimal(value: number): void {
    let unit = 1;
    while (value / unit >= 10) unit *= 10;
    let rest = value;
    for (; unit >= 1; unit /= 10) {
      const digit = Math.floor(rest / unit);
      this.byte(0x30 + digit);
      rest -= digit * unit;
    }
  }

  /** `width` digits at least. */
  padded(value: number, width: number): void {
    for (let unit = 10, digits = 1; digits < width; unit *= 10, digits++) if (value < unit) this.zeros(1);
    this.decimal(value);
  }

  private zeros(n: number): void {
    for (let i = 0; i < n; i++) this.byte(0x30);
  }

  hex16(value: number): void {
    for (let shift = 12; shift >= 0; shift -= 4) this.byte(DIGITS[(value >> shift) & 15]);
  }

  hex(mem: Uint8Array, off: number, len: number): void {
    for (let i = 0; i < len; i++) {
      this.byte(DIGITS[mem[off + i] >> 4]);
      this.byte(DIGITS[mem[off + i] & 15]);
    }
  }

  /** `0a:1b`, or in upper case. */
  colons(mem: Uint8Array, off: number, len: number, upper: boolean): void {
    const digits = upper ? UPPER : DIGITS;
    for (let i = 0; i < len; i++) {
      if (i > 0) this.byte(COLON);
      this.byte(digits[mem[off + i] >> 4]);
      this.byte(digits[mem[off + i] & 15]);
    }
  }

  utf8(code: number): void {
    if (code < 0x80) this.byte(code);
    else if (code < 0x800) {
      this.byte(0xc0 | (code >> 6));
      this.byte(0x80 | (code & 0x3f));
    } else {
      if (code >= 0x10000) {
        this.byte(0xf0 | ((code >> 18) & 7));
        this.byte(0x80 | ((code >> 12) & 0x3f));
      } else this.byte(0xe0 | (code >> 12));
      this.byte(0x80 | ((code >> 6) & 0x3f));
      this.byte(0x80 | (code & 0x3f));
    }
  }
}
