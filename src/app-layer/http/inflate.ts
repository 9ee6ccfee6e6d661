import { DISTANCE_BASE, DISTANCE_EXTRA, LENGTH_BASE, LENGTH_EXTRA } from '../deflate-tables.js';
import { FAST_DISTANCES, FAST_LITERALS, slow } from './huffman.js';
import { BitInput } from './inflate-bits.js';
import { BlockHeads } from './inflate-blocks.js';
import { BEGIN_AT, BEGIN_BYTES, CARRY_AT, CARRY_BYTES, Inflated, Phase, setWord, W, WINDOW, WORDS_AT, word } from './inflate-layout.js';

/**
 * Inflate (RFC 1951, wrapped as in RFC 1950 or 1952) of streams that come in pieces. All state of one lies in a place of STREAM_BYTES
 * (inflate-layout.ts), so that any number can be under way with nothing allocated.
 *
 * A symbol is read whole or not at all: what is left of the input is carried to the next piece.
 */
export class InflateStream {
  private readonly bits = new BitInput();
  private readonly w = this.bits.w;
  private readonly blocks = new BlockHeads(this.bits);
  private readonly joined = new Uint8Array(CARRY_BYTES + 65536);
  private place: Uint8Array = this.joined;
  private base = 0;
  private piece: Uint8Array = this.joined;
  private pieceOff = 0;
  private pieceLen = 0;
  private total = 0;
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
      this.bits.input = mem;
      this.bits.at = off;
      this.bits.end = off + len;
    } else {
      const { joined } = this;
      for (let i = 0; i < carry; i++) joined[i] = place[base + CARRY_AT + i];
      for (let i = 0; i < len; i++) joined[carry + i] = mem[off + i];
      this.bits.input = joined;
      this.bits.at = 0;
      this.bits.end = carry + len;
    }
    this.total = w[W.Written];
    if (w[W.Phase] === Phase.Codes) this.blocks.resume(place, base);
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
    return this.bits.input;
  }

  get restOff(): number {
    return this.bits.at;
  }

  get restLen(): number {
    return this.bits.end - this.bits.at;
  }

  save(): void {
    const { w, place, base } = this;
    w[W.Carry] = 0;
    if (w[W.Phase] < Phase.End) {
      this.bits.giveBack();
      const left = this.bits.end - this.bits.at;
      if (left > CARRY_BYTES) w[W.Phase] = Phase.Bad;
      else {
        for (let i = 0; i < left; i++) place[base + CARRY_AT + i] = this.bits.input[this.bits.at + i];
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

  /** What `pull` did beside writing bytes, in their number. */
  get work(): number {
    return this.blocks.work;
  }

  /** Writes at most `room` bytes to out[to ..); how many. It stops when its work is more than `mostWork`, too. */
  pull(out: Uint8Array, to: number, room: number, mostWork: number): number {
    const { w, blocks } = this;
    blocks.work = 0;
    const limit = to + room;
    let at = to;
    while (at < limit && w[W.Phase] < Phase.End && blocks.work <= mostWork) {
      const phase = w[W.Phase];
      if (phase === Phase.Codes) {
        const next = this.codes(out, at, limit);
        if (next < 0) {
          if (w[W.Phase] === Phase.Bad) this.bad();
          return ~next - to;
        }
        at = next;
      } else if (phase === Phase.Stored) {
        const n = Math.min(w[W.Left], this.bits.end - this.bits.at, limit - at);
        for (let i = 0; i < n; i++) this.write(out, at++, this.bits.input[this.bits.at++]);
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
    this.bits.giveBack();
    this.result = this.total === 0 ? Inflated.NotCompressed : Inflated.Damaged;
  }

  private write(out: Uint8Array, at: number, c: number): void {
    out[at] = c;
    this.place[this.base + (this.total & (WINDOW - 1))] = c;
    this.total++;
    if (this.total >= 2 * WINDOW) this.total -= WINDOW;
  }

  /** Everything but the blocks' insides; false: more input is needed, or it has ended. */
  private headStep(): boolean {
    const { bits, w } = this;
    const { input } = bits;
    switch (w[W.Phase]) {
      case Phase.Start:
        return this.start();
      case Phase.Extra:
        if (bits.end - bits.at < 2) return false;
        w[W.Skip] = input[bits.at] | (input[bits.at + 1] << 8);
        bits.at += 2;
        w[W.Phase] = Phase.SkipExtra;
        return true;
      case Phase.SkipExtra: {
        const n = Math.min(w[W.Skip], bits.end - bits.at);
        bits.at += n;
        w[W.Skip] -= n;
        if (w[W.Skip] > 0) return false;
        return this.nextField(Phase.SkipExtra);
      }
      case Phase.Name:
      case Phase.Comment:
        while (bits.at < bits.end) if (input[bits.at++] === 0) return this.nextField(w[W.Phase]);
        return false;
      case Phase.HeadCrc:
        if (bits.end - bits.at < 2) return false;
        bits.at += 2;
        w[W.Phase] = Phase.Block;
        return true;
      case Phase.Trailer:
        // A further member may follow the checksum and the length.
        if ((w[W.Flags] & 256) === 0) {
          w[W.Phase] = Phase.End;
          return false;
        }
        if (bits.end - bits.at < 10) return false;
        w[W.Bits] = 0;
        w[W.BitCount] = 0;
        if (input[bits.at + 8] === 0x1f && input[bits.at + 9] === 0x8b) {
          bits.at += 8;
          w[W.Phase] = Phase.Start;
          return true;
        }
        w[W.Phase] = Phase.End;
        return false;
      default:
        return this.blocks.read(this.place, this.base);
    }
  }

  private start(): boolean {
    const { bits, w } = this;
    const { input, at } = bits;
    const n = bits.end - at;
    if (n < 2) return false;
    if (input[at] === 0x1f && input[at + 1] === 0x8b) {
      if (n < 10) return false;
      w[W.Flags] = 256 | input[at + 3];
      bits.at += 10;
      return this.nextField(Phase.Start);
    }
    if (w[W.Wrapper] === 1) {
      w[W.Phase] = Phase.Bad;
      return false;
    }
    const head = (input[at] << 8) | input[at + 1];
    if ((head & 0x0f00) === 0x0800 && head >> 12 < 8 && head % 31 === 0) bits.at += 2;
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

  /** Literals and copies up to `limit`. ~at: more input is needed, or the end. */
  private codes(out: Uint8Array, to: number, limit: number): number {
    const { w, place, base } = this;
    const { input, end } = this.bits;
    const { literals, distances } = this.blocks;
    let bits = w[W.Bits];
    let count = w[W.BitCount];
    let at = this.bits.at;
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
    this.bits.at = at;
    this.total = total;
    if (w[W.Phase] !== Phase.Codes) this.bits.giveBack();
    if (stop === 2) w[W.Phase] = Phase.Bad;
    return stop !== 0 ? ~to : to;
  }
}
