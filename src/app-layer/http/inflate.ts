import { DISTANCE_BASE, DISTANCE_EXTRA, LENGTH_BASE, LENGTH_EXTRA, ORDER } from '../deflate-tables.js';

/**
 * Inflate (RFC 1951, wrapped as in RFC 1950 or 1952) of a stream that comes in pieces. All state of one stream lies in a place of
 * STREAM_BYTES, so that any number can be under way with nothing allocated:
 *
 *   byte 0              32768      + 128          + 320                             + 2048
 *   | last 32 K written | words    | code lengths | bytes that could not be used yet | the beginning, until something comes out |
 *
 * A symbol is read whole or not at all: what is left of the input is carried to the next piece.
 */
export const STREAM_BYTES = 65536 - 8;
const WINDOW = 32768;
const WORDS_AT = WINDOW;
const LENGTHS_AT = WORDS_AT + 128;
const CARRY_AT = LENGTHS_AT + 320;
const CARRY_BYTES = 2048;
const BEGIN_AT = CARRY_AT + CARRY_BYTES;
/** So many bytes are kept as long as nothing came out of them. */
const BEGIN_BYTES = 1024;

const enum W {
  Phase = 0,
  Bits,
  BitCount,
  /** Bytes written so far, mod 2^31: the window's place; whether a window was ever filled. */
  Written,
  Last,
  Left,
  Literals,
  Distances,
  Carry,
  Flags,
  Wrapper,
  Skip,
  /** Number of the tables built for the block, to see whether they are still there. */
  Tables,
  /** Bytes of the beginning; more than BEGIN_BYTES: not all were kept. */
  Begin,
}

const enum Phase {
  Start = 0,
  Extra,
  SkipExtra,
  Name,
  Comment,
  HeadCrc,
  Block,
  Stored,
  Codes,
  Trailer,
  /** Nothing more is to be had: the end, or damage. */
  End,
  Bad,
}

/** What a piece was. */
export const enum Inflated {
  Ok = 0,
  /** Not compressed as announced, from the first byte on. */
  NotCompressed = 1,
  /** Damaged: what came before stays. */
  Damaged = 2,
}

/** Bits of a code that are looked up at once, by alphabet. */
const FAST_LITERALS = 10;
const FAST_DISTANCES = 8;
const FAST_LENGTHS = 7;
/** By the next bits as they come: the same with the first one highest. */
const REVERSED = new Uint16Array(1 << FAST_LITERALS);
for (let i = 0; i < REVERSED.length; i++) for (let b = 0; b < FAST_LITERALS; b++) REVERSED[i] |= ((i >> b) & 1) << (FAST_LITERALS - 1 - b);
/** What a block with codes of its own costs beside its bytes, in bytes written. */
const BLOCK_WORK = 768;

/** Codes of one alphabet. fast: by the next `bits` bits, symbol << 4 | bits; 0: longer than that. */
class Codes {
  readonly fast: Uint16Array;
  readonly mask: number;
  readonly count = new Uint16Array(16);
  readonly symbols = new Uint16Array(320);
  /** Of the codes longer than `bits`: the first one, and its place in `symbols`. */
  first = 0;
  index = 0;
  private readonly next = new Uint16Array(17);
  private readonly code = new Uint16Array(17);

  constructor(readonly bits: number) {
    this.fast = new Uint16Array(1 << bits);
    this.mask = (1 << bits) - 1;
  }

  /** False when the lengths ask for more codes than there are. */
  build(lengths: Uint8Array, from: number, n: number): boolean {
    const { count, next, code, symbols, fast } = this;
    const most = this.bits;
    count.fill(0);
    for (let i = 0; i < n; i++) count[lengths[from + i]]++;
    count[0] = 0;
    let left = 1;
    for (let bits = 1; bits < 16; bits++) {
      left = (left << 1) - count[bits];
      if (left < 0) return false;
    }
    next[1] = 0;
    code[1] = 0;
    for (let bits = 1; bits < 16; bits++) {
      next[bits + 1] = next[bits] + count[bits];
      code[bits + 1] = (code[bits] + count[bits]) << 1;
    }
    this.first = code[most + 1];
    this.index = next[most + 1];
    fast.fill(0);
    for (let i = 0; i < n; i++) {
      const bits = lengths[from + i];
      if (bits === 0) continue;
      symbols[next[bits]++] = i;
      const value = code[bits]++;
      if (bits > most) continue;
      const entry = (i << 4) | bits;
      const step = 1 << bits;
      for (let at = REVERSED[value] >> (FAST_LITERALS - bits); at <= this.mask; at += step) fast[at] = entry;
    }
    return true;
  }
}

/** The codes of blocks that bring none (RFC 1951, 3.2.6). */
const FIXED_LENGTHS = new Uint8Array(320).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288, 318);
const FIXED_LITERALS = new Codes(FAST_LITERALS);
const FIXED_DISTANCES = new Codes(FAST_DISTANCES);
FIXED_LITERALS.build(FIXED_LENGTHS, 0, 288);
FIXED_DISTANCES.build(FIXED_LENGTHS, 288, 30);
/** W.Tables of such a block. */
const FIXED = -1;

export class InflateStream {
  private readonly ownLiterals = new Codes(FAST_LITERALS);
  private readonly ownDistances = new Codes(FAST_DISTANCES);
  private readonly lengthCodes = new Codes(FAST_LENGTHS);
  private literals = this.ownLiterals;
  private distances = this.ownDistances;
  private readonly lengths = new Uint8Array(320);
  /** Whose tables are built. */
  private tables = 0;
  private built = 0;
  private readonly joined = new Uint8Array(CARRY_BYTES + 65536);
  private place: Uint8Array = this.joined;
  private base = 0;
  private readonly w = new Int32Array(16);
  private input: Uint8Array = this.joined;
  private at = 0;
  private end = 0;
  private piece: Uint8Array = this.joined;
  private pieceOff = 0;
  private pieceLen = 0;
  private total = 0;
  /** Work beside the bytes written, in their number, since this was set to 0; `pull` stops when it is more than `mostWork`. */
  work = 0;
  mostWork = 0;
  /** What was found, once `pull` has returned less than there was room for. */
  result: Inflated = Inflated.Ok;

  /** Makes place[base, base + STREAM_BYTES) a stream's beginning. gzip: only gzip is expected there. */
  reset(place: Uint8Array, base: number, gzip: boolean): void {
    for (let i = 0; i < 128; i++) place[base + WORDS_AT + i] = 0;
    place[base + WORDS_AT + 4 * W.Wrapper] = gzip ? 1 : 0;
  }

  /** The next piece (at most 64 KiB) of a stream. Then pull until it returns less than its room, then `save`. */
  load(place: Uint8Array, base: number, mem: Uint8Array, off: number, len: number): void {
    this.place = place;
    this.base = base;
    this.piece = mem;
    this.pieceOff = off;
    this.pieceLen = len;
    const { w } = this;
    for (let i = 0; i < 16; i++) w[i] = word(place, base + WORDS_AT + 4 * i);
    this.result = Inflated.Ok;
    const carry = w[W.Carry];
    if (carry === 0) {
      this.input = mem;
      this.at = off;
      this.end = off + len;
    } else {
      const { joined } = this;
      for (let i = 0; i < carry; i++) joined[i] = place[base + CARRY_AT + i];
      for (let i = 0; i < len; i++) joined[carry + i] = mem[off + i];
      this.input = joined;
      this.at = 0;
      this.end = carry + len;
    }
    this.total = w[W.Written];
    if (w[W.Phase] !== Phase.Codes) return;
    if (w[W.Tables] === FIXED) this.useFixed();
    else if (this.tables !== w[W.Tables]) this.rebuild();
    else this.useOwn();
  }

  /** After NotCompressed: bytes of the pieces before this one, at `beginOff(base)`; -1: too many, they are not there any more. */
  get beginLen(): number {
    return this.w[W.Begin] > BEGIN_BYTES ? -1 : this.w[W.Begin];
  }

  beginOff(base: number): number {
    return base + BEGIN_AT;
  }

  /** Where unused input lies after Damaged. */
  get rest(): Uint8Array {
    return this.input;
  }

  get restOff(): number {
    return this.at;
  }

  get restLen(): number {
    return this.end - this.at;
  }

  save(): void {
    const { w, place, base } = this;
    w[W.Carry] = 0;
    if (w[W.Phase] < Phase.End) {
      this.giveBack();
      const left = this.end - this.at;
      if (left > CARRY_BYTES) w[W.Phase] = Phase.Bad;
      else {
        for (let i = 0; i < left; i++) place[base + CARRY_AT + i] = this.input[this.at + i];
        w[W.Carry] = left;
      }
    }
    w[W.Written] = this.total;
    if (this.total === 0 && w[W.Begin] <= BEGIN_BYTES) {
      const n = w[W.Begin] + this.pieceLen <= BEGIN_BYTES ? this.pieceLen : 0;
      for (let i = 0; i < n; i++) place[base + BEGIN_AT + w[W.Begin] + i] = this.piece[this.pieceOff + i];
      w[W.Begin] += this.pieceLen;
    }
    for (let i = 0; i < 16; i++) setWord(place, base + WORDS_AT + 4 * i, w[i]);
  }

  /** Writes at most `room` bytes to out[to ..); how many. */
  pull(out: Uint8Array, to: number, room: number): number {
    const { w } = this;
    const limit = to + room;
    let at = to;
    while (at < limit && w[W.Phase] < Phase.End && this.work <= this.mostWork) {
      const phase = w[W.Phase];
      if (phase === Phase.Codes) {
        const next = this.codes(out, at, limit);
        if (next < 0) {
          if (w[W.Phase] === Phase.Bad) this.bad();
          return ~next - to;
        }
        at = next;
      } else if (phase === Phase.Stored) {
        const n = Math.min(w[W.Left], this.end - this.at, limit - at);
        for (let i = 0; i < n; i++) this.write(out, at++, this.input[this.at++]);
        w[W.Left] -= n;
        if (w[W.Left] > 0) {
          if (at < limit) return at - to;
        } else w[W.Phase] = w[W.Last] === 1 ? Phase.Trailer : Phase.Block;
      } else if (!this.headStep()) {
        if (w[W.Phase] === Phase.Bad) this.bad();
        return at - to;
      }
    }
    return at - to;
  }

  private bad(): void {
    this.giveBack();
    this.result = this.total === 0 ? Inflated.NotCompressed : Inflated.Damaged;
  }

  /** Whole bytes among the bits go back to the input, where they came from. */
  private giveBack(): void {
    const { w } = this;
    this.at -= w[W.BitCount] >> 3;
    w[W.BitCount] &= 7;
    w[W.Bits] &= (1 << w[W.BitCount]) - 1;
  }

  private write(out: Uint8Array, at: number, c: number): void {
    out[at] = c;
    this.place[this.base + (this.total & (WINDOW - 1))] = c;
    this.total++;
    if (this.total >= 2 * WINDOW) this.total -= WINDOW;
  }

  /** Everything but the blocks' insides; false: more input is needed, or it has ended. */
  private headStep(): boolean {
    const { w, input } = this;
    switch (w[W.Phase]) {
      case Phase.Start:
        return this.start();
      case Phase.Extra:
        if (this.end - this.at < 2) return false;
        w[W.Skip] = input[this.at] | (input[this.at + 1] << 8);
        this.at += 2;
        w[W.Phase] = Phase.SkipExtra;
        return true;
      case Phase.SkipExtra: {
        const n = Math.min(w[W.Skip], this.end - this.at);
        this.at += n;
        w[W.Skip] -= n;
        if (w[W.Skip] > 0) return false;
        return this.nextField(Phase.SkipExtra);
      }
      case Phase.Name:
      case Phase.Comment:
        while (this.at < this.end) if (input[this.at++] === 0) return this.nextField(w[W.Phase]);
        return false;
      case Phase.HeadCrc:
        if (this.end - this.at < 2) return false;
        this.at += 2;
        w[W.Phase] = Phase.Block;
        return true;
      case Phase.Trailer:
        // A further member may follow the checksum and the length.
        if ((w[W.Flags] & 256) === 0) {
          w[W.Phase] = Phase.End;
          return false;
        }
        if (this.end - this.at < 10) return false;
        w[W.Bits] = 0;
        w[W.BitCount] = 0;
        if (input[this.at + 8] === 0x1f && input[this.at + 9] === 0x8b) {
          this.at += 8;
          w[W.Phase] = Phase.Start;
          return true;
        }
        w[W.Phase] = Phase.End;
        return false;
      default:
        return this.block();
    }
  }

  private start(): boolean {
    const { w, input, at } = this;
    const n = this.end - at;
    if (n < 2) return false;
    if (input[at] === 0x1f && input[at + 1] === 0x8b) {
      if (n < 10) return false;
      w[W.Flags] = 256 | input[at + 3];
      this.at += 10;
      return this.nextField(Phase.Start);
    }
    if (w[W.Wrapper] === 1) {
      w[W.Phase] = Phase.Bad;
      return false;
    }
    const head = (input[at] << 8) | input[at + 1];
    if ((head & 0x0f00) === 0x0800 && head >> 12 < 8 && head % 31 === 0) this.at += 2;
    w[W.Phase] = Phase.Block;
    return true;
  }

  /** The gzip head's next part behind `phase`. */
  private nextField(phase: number): boolean {
    const { w } = this;
    const flags = w[W.Flags];
    if (phase < Phase.Extra && (flags & 4) !== 0) w[W.Phase] = Phase.Extra;
    else if (phase < Phase.Name && (flags & 8) !== 0) w[W.Phase] = Phase.Name;
    else if (phase < Phase.Comment && (flags & 16) !== 0) w[W.Phase] = Phase.Comment;
    else w[W.Phase] = (flags & 2) !== 0 ? Phase.HeadCrc : Phase.Block;
    return true;
  }

  /** A block's head. Without enough input nothing is used up. */
  private block(): boolean {
    const { w } = this;
    const at = this.at;
    const bits = w[W.Bits];
    const bitCount = w[W.BitCount];
    const last = this.take(1);
    const type = this.take(2);
    let done = false;
    let bad = type === 3;
    if (type === 0) {
      w[W.Bits] >>>= w[W.BitCount] & 7;
      w[W.BitCount] &= ~7;
      const n = this.take(16);
      const check = this.take(16);
      done = check >= 0;
      bad = done && (n ^ check) !== 0xffff;
      w[W.Left] = n;
      if (done) this.giveBack();
    } else if (type === 1) {
      done = true;
    } else if (type === 2) {
      const read = this.dynamic();
      done = read > 0;
      bad = read < 0;
    }
    if (bad) {
      this.at = at;
      w[W.Bits] = bits;
      w[W.BitCount] = bitCount;
      w[W.Phase] = Phase.Bad;
      return false;
    }
    if (!done) {
      this.at = at;
      w[W.Bits] = bits;
      w[W.BitCount] = bitCount;
      return false;
    }
    w[W.Last] = last;
    w[W.Phase] = type === 0 ? Phase.Stored : Phase.Codes;
    if (type === 1) {
      w[W.Tables] = FIXED;
      this.useFixed();
    } else if (type === 2) {
      const { place, lengths } = this;
      const to = this.base + LENGTHS_AT;
      const n = w[W.Literals] + w[W.Distances];
      for (let i = 0; i < n; i++) place[to + i] = lengths[i];
      if (!this.build()) w[W.Phase] = Phase.Bad;
    }
    return w[W.Phase] !== Phase.Bad;
  }

  private useFixed(): void {
    this.literals = FIXED_LITERALS;
    this.distances = FIXED_DISTANCES;
  }

  private useOwn(): void {
    this.literals = this.ownLiterals;
    this.distances = this.ownDistances;
  }

  private build(): boolean {
    const { w } = this;
    this.built = (this.built + 1) & 0x7fffffff;
    this.tables = this.built;
    w[W.Tables] = this.built;
    this.useOwn();
    const literals = w[W.Literals];
    return this.literals.build(this.lengths, 0, literals) && this.distances.build(this.lengths, literals, w[W.Distances]);
  }

  private rebuild(): void {
    const { lengths, place, w } = this;
    const from = this.base + LENGTHS_AT;
    const n = w[W.Literals] + w[W.Distances];
    for (let i = 0; i < n; i++) lengths[i] = place[from + i];
    this.build();
  }

  /** 1: read; 0: more input is needed; -1: damaged. */
  private dynamic(): number {
    const { w, lengths } = this;
    const literals = this.take(5) + 257;
    const distances = this.take(5) + 1;
    const n = this.take(4) + 4;
    if (n < 4) return 0;
    if (literals > 286 || distances > 30) return -1;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < n; i++) {
      const length = this.take(3);
      if (length < 0) return 0;
      lengths[ORDER[i]] = length;
    }
    this.work += BLOCK_WORK;
    if (!this.lengthCodes.build(lengths, 0, 19)) return -1;
    let i = 0;
    while (i < literals + distances) {
      const symbol = this.symbol(this.lengthCodes);
      if (symbol < 0) return symbol === -1 ? 0 : -1;
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol > 18 || (symbol === 16 && i === 0)) return -1;
      const extra = this.take(symbol === 16 ? 2 : symbol === 17 ? 3 : 7);
      if (extra < 0) return 0;
      const repeat = extra + (symbol === 18 ? 11 : 3);
      if (i + repeat > literals + distances) return -1;
      const value = symbol === 16 ? lengths[i - 1] : 0;
      for (let k = 0; k < repeat; k++) lengths[i++] = value;
    }
    if (lengths[256] === 0) return -1;
    w[W.Literals] = literals;
    w[W.Distances] = distances;
    return 1;
  }

  /** n bits, at most 16; -1: not there. */
  private take(n: number): number {
    const { w } = this;
    let bits = w[W.Bits];
    let count = w[W.BitCount];
    while (count < n) {
      if (this.at >= this.end) return -1;
      bits |= this.input[this.at++] << count;
      count += 8;
    }
    w[W.Bits] = bits >>> n;
    w[W.BitCount] = count - n;
    return bits & ((1 << n) - 1);
  }

  /** -1: more input is needed; -2: no such code. */
  private symbol(codes: Codes): number {
    const { w } = this;
    while (w[W.BitCount] < 15 && this.at < this.end) {
      w[W.Bits] |= this.input[this.at++] << w[W.BitCount];
      w[W.BitCount] += 8;
    }
    const entry = codes.fast[w[W.Bits] & codes.mask];
    const found = entry !== 0 ? entry : slow(codes, w[W.Bits]);
    if (found === 0) return w[W.BitCount] < 15 ? -1 : -2;
    const n = found & 15;
    if (n > w[W.BitCount]) return -1;
    w[W.Bits] >>>= n;
    w[W.BitCount] -= n;
    return found >> 4;
  }

  /** Literals and copies up to `limit`. ~at: more input is needed, or the end. */
  private codes(out: Uint8Array, to: number, limit: number): number {
    const { w, input, end, literals, distances, place, base } = this;
    let bits = w[W.Bits];
    let count = w[W.BitCount];
    let at = this.at;
    let total = this.total;
    let left = w[W.Left];
    let distance = w[W.Skip];
    let stop = 0;
    for (;;) {
      // A copy that did not fit goes on.
      while (left > 0 && to < limit) {
        const c = place[base + ((total - distance) & (WINDOW - 1))];
        out[to++] = c;
        place[base + (total & (WINDOW - 1))] = c;
        if (++total >= 2 * WINDOW) total -= WINDOW;
        left--;
      }
      if (to >= limit) break;
      const keptBits = bits;
      const keptCount = count;
      const keptAt = at;
      while (count < 20 && at < end) {
        bits |= input[at++] << count;
        count += 8;
      }
      let found: number = literals.fast[bits & ((1 << FAST_LITERALS) - 1)];
      if (found === 0) found = slow(literals, bits);
      let n = found & 15;
      if (found === 0 || n > count) {
        stop = found === 0 && count >= 15 ? 2 : 1;
      } else {
        const symbol = found >> 4;
        bits >>>= n;
        count -= n;
        if (symbol < 256) {
          out[to++] = symbol;
          place[base + (total & (WINDOW - 1))] = symbol;
          if (++total >= 2 * WINDOW) total -= WINDOW;
          continue;
        }
        if (symbol === 256) {
          w[W.Phase] = w[W.Last] === 1 ? Phase.Trailer : Phase.Block;
          break;
        }
        if (symbol > 285) stop = 2;
        else {
          n = LENGTH_EXTRA[symbol - 257];
          let length = -1;
          if (count >= n) {
            length = LENGTH_BASE[symbol - 257] + (bits & ((1 << n) - 1));
            bits >>>= n;
            count -= n;
            while (count < 15 && at < end) {
              bits |= input[at++] << count;
              count += 8;
            }
            found = distances.fast[bits & ((1 << FAST_DISTANCES) - 1)];
            if (found === 0) found = slow(distances, bits);
            n = found & 15;
            if (found === 0 && count >= 15) stop = 2;
            else if (found === 0 || n > count) length = -1;
            else {
              bits >>>= n;
              count -= n;
              const code = found >> 4;
              if (code > 29) stop = 2;
              else {
                n = DISTANCE_EXTRA[code];
                while (count < n && at < end) {
                  bits |= input[at++] << count;
                  count += 8;
                }
                if (count < n) length = -1;
                else {
                  distance = DISTANCE_BASE[code] + (bits & ((1 << n) - 1));
                  bits >>>= n;
                  count -= n;
                  if (distance > total) stop = 2;
                }
              }
            }
          }
          if (stop === 0) {
            if (length >= 0) {
              left = length;
              continue;
            }
            stop = 1;
          }
        }
      }
      // Not whole, or damaged: as if not begun.
      bits = keptBits;
      count = keptCount;
      at = keptAt;
      break;
    }
    w[W.Bits] = bits;
    w[W.BitCount] = count;
    w[W.Left] = left;
    w[W.Skip] = distance;
    this.at = at;
    this.total = total;
    if (w[W.Phase] !== Phase.Codes) this.giveBack();
    if (stop === 2) w[W.Phase] = Phase.Bad;
    return stop !== 0 ? ~to : to;
  }
}

/** symbol << 4 | bits of a code that is too long for `fast`, 0: none. */
function slow(codes: Codes, bits: number): number {
  let code = (REVERSED[bits & codes.mask] >> (FAST_LITERALS - codes.bits)) << 1;
  let { first, index } = codes;
  for (let n = codes.bits + 1; n < 16; n++) {
    code |= (bits >>> (n - 1)) & 1;
    const count = codes.count[n];
    if (code - count < first) return (codes.symbols[index + (code - first)] << 4) | n;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return 0;
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}
