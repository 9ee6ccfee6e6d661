/** Most bytes of an address in X-Forwarded-For: IPv6 in brackets, with a port. */
const MOST_ADDRESS = 64;
const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const COMMA = 44;
const COLON = 58;

/**
 * The client that proxies name in a header of their own. Its lists may be long, and the header may be there several times: only who stands first in
 * all of them and who stands last are of use.
 */
export class Forwarded {
  /** `first,last` as they stand there, `length` bytes. */
  readonly bytes = new Uint8Array(2 * MOST_ADDRESS + 1);
  length = 0;
  private readonly name: Uint8Array;

  /** `header`: its name. */
  constructor(header: string) {
    this.name = Uint8Array.from(header.toLowerCase(), (c) => c.charCodeAt(0) & 0xff);
  }

  /** Reads lines of headers, mem[at, end). False: the header is not among them. */
  read(mem: Uint8Array, at: number, end: number): boolean {
    this.length = 0;
    let lastFrom = -1;
    let lastTo = 0;
    for (let line = at; line < end; ) {
      let stop = line;
      while (stop < end && mem[stop] !== LF) stop++;
      if (this.isNamed(mem, line, stop)) {
        const from = line + this.name.length + 1;
        const to = stop > from && mem[stop - 1] === CR ? stop - 1 : stop;
        if (lastFrom < 0) {
          let comma = from;
          while (comma < to && mem[comma] !== COMMA) comma++;
          this.put(mem, from, comma);
        }
        lastFrom = to;
        while (lastFrom > from && mem[lastFrom - 1] !== COMMA) lastFrom--;
        lastTo = to;
      }
      line = stop + 1;
    }
    if (lastFrom < 0) return false;
    this.bytes[this.length++] = COMMA;
    this.put(mem, lastFrom, lastTo);
    return true;
  }

  private isNamed(mem: Uint8Array, at: number, end: number): boolean {
    const { name } = this;
    if (end - at <= name.length || mem[at + name.length] !== COLON) return false;
    for (let i = 0; i < name.length; i++) {
      const byte = mem[at + i];
      if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== name[i]) return false;
    }
    return true;
  }

  /** Without the blanks at its ends; what is too long is no address. */
  private put(mem: Uint8Array, from: number, to: number): void {
    while (from < to && (mem[from] === SPACE || mem[from] === TAB)) from++;
    while (to > from && (mem[to - 1] === SPACE || mem[to - 1] === TAB)) to--;
    if (to - from > MOST_ADDRESS) return;
    for (let i = from; i < to; i++) this.bytes[this.length++] = mem[i];
  }
}
