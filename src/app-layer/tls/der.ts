/** Tags of X.690 as X.509 uses them. */
export const enum Tag {
  Integer = 0x02,
  OctetString = 0x04,
  Oid = 0x06,
  Utf8String = 0x0c,
  UtcTime = 0x17,
  GeneralizedTime = 0x18,
  UniversalString = 0x1c,
  BmpString = 0x1e,
  Sequence = 0x30,
  Set = 0x31,
  Context0 = 0xa0,
  Context3 = 0xa3,
}

/**
 * One element of DER at a time: read() says where the content of the element at `at` lies, and the caller goes on inside it
 * or behind it. Nothing calls itself, so depth is what the caller's own code has. Indefinite lengths, tags of several bytes
 * and lengths beyond `end` are refused; lengths longer than need be are not, since not every reader refuses those.
 */
export class Der {
  tag = 0;
  /** Content: mem[from, to). The next element begins at `to`. */
  from = 0;
  to = 0;
  /** What is there ends early: an element that goes on beyond the end ends there. */
  cut = false;

  read(mem: Uint8Array, at: number, end: number): boolean {
    if (end - at < 2) return false;
    const tag = mem[at];
    if ((tag & 0x1f) === 0x1f) return false;
    let length = mem[at + 1];
    let from = at + 2;
    if (length >= 0x80) {
      const n = length & 0x7f;
      if (n === 0 || n > 4 || end - from < n) return false;
      length = 0;
      for (let i = 0; i < n; i++) length = length * 256 + mem[from + i];
      from += n;
    }
    if (length > end - from) {
      if (!this.cut) return false;
      length = end - from;
    }
    this.tag = tag;
    this.from = from;
    this.to = from + length;
    return true;
  }

  /** The same, and false unless it is of that kind. */
  expect(tag: Tag, mem: Uint8Array, at: number, end: number): boolean {
    return this.read(mem, at, end) && this.tag === tag;
  }
}

/** Object identifier in dotted form as its content bytes. */
export function oidBytes(dotted: string): Uint8Array {
  const [a, b, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [a * 40 + b, ...rest]) {
    const groups = [arc & 0x7f];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) groups.unshift((more & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return Uint8Array.from(bytes);
}

export function sameBytes(mem: Uint8Array, off: number, len: number, bytes: Uint8Array): boolean {
  if (len !== bytes.length) return false;
  for (let i = 0; i < len; i++) if (mem[off + i] !== bytes[i]) return false;
  return true;
}
