import { native } from '../../native.js';

/** What is wrong with a name. */
export const enum NameFlag {
  /** Longer than MOST_NAME: cut. */
  TooLong = 1,
  /** A pointer leads back into the name itself. Where that is not to the pointer, Labels stands, too: Suricata finds no more than that. */
  Loop = 2,
  /** More than MOST_STEPS labels and pointers: cut. */
  Labels = 4,
  /** A pointer beyond the message, or a label of no known kind: it ends there. */
  Bad = 8,
  /** The bytes end within a label or pointer. (A name may end with them: Suricata takes that for its end.) */
  Cut = 16,
}

/** Most characters of a name (Suricata's limit; RFC 1035 allows 253). */
export const MOST_NAME = 1025;
/** Most labels and pointers of a name. */
const MOST_STEPS = 255;
/** Offsets that a pointer can name (14 bits). */
const TARGETS = 1 << 14;
/** What a name may have by RFC 1035: characters; labels and pointers. */
const PROPER_NAME = 255;
const PROPER_STEPS = 127;
/** Names that are not proper which a message may have. From there on another one is left empty. */
const MOST_SPOILT = 64;
/** Names of one message, put together: as many proper ones as 64 KiB can hold (questions of eight bytes), and the spoilt ones. */
const SCRATCH_BYTES = 8192 * PROPER_NAME + (MOST_SPOILT + 2) * (MOST_NAME + 1);
/** From here on a copy by the engine beats a loop. */
const COPY_BYTES = 32;
const DOT = 0x2e;

/**
 * Names of one message (RFC 1035, 3.1, 4.1.4) as text: labels with dots between them, bytes as they are, no dot at the end.
 * A pointer may lead anywhere in the message, forward too. Whatever a label begins with its text is remembered by offset, so
 * that the whole message costs linear time however its names refer to each other:
 *
 *   message   | 3 www 7 example 3 org 0 ... 4 mail ─► 16 |         memo[16], memo[20] .. ─► where in the scratch, how long
 *   scratch   | www.example.org | mail.example.org |               a name that is only a pointer is not copied
 */
export class Names {
  readonly bytes: Uint8Array;
  readonly region: number;
  /** The name that was read last: its text in `bytes`, NameFlags, and where in the message what follows begins. */
  off = 0;
  len = 0;
  flags = 0;
  next = 0;

  private mem: Uint8Array = EMPTY;
  private start = 0;
  private end = 0;
  private used = 0;
  private spoilt = 0;
  /** Of the message: memo entries of others do not count. */
  private stamp = 0;
  private readonly memoStamp = new Int32Array(TARGETS);
  private readonly memoOff = new Int32Array(TARGETS);
  /** -1: in the name that is being read. */
  private readonly memoLen = new Int32Array(TARGETS);
  private readonly memoFlags = new Uint8Array(TARGETS);
  /** Pairs: offset of a label or pointer passed, and where in the scratch its text begins (before the dot). */
  private readonly passed = new Int32Array(2 * (MOST_STEPS + 1));

  constructor() {
    const buffer = new ArrayBuffer(SCRATCH_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
  }

  /** A new message in mem[start, end): names of the one before are no longer valid. */
  begin(mem: Uint8Array, start: number, end: number): void {
    this.mem = mem;
    this.start = start;
    this.end = end;
    this.used = 0;
    this.spoilt = 0;
    this.stamp = (this.stamp + 1) | 0;
    if (this.stamp === 0) {
      this.memoStamp.fill(0);
      this.stamp = 1;
    }
  }

  /** Reads the name at `from`, whose own bytes end before `limit`; what it points at ends with the message. */
  read(from: number, limit: number): void {
    const { mem, bytes, start, memoStamp, memoLen, passed, stamp } = this;
    const first = this.used;
    const patient = this.spoilt < MOST_SPOILT;
    const most = first + MOST_NAME;
    const room = patient ? most : first + PROPER_NAME;
    let out = first;
    let pos = from;
    let next = -1;
    let flags = 0;
    let steps = 0;
    let hopeless = false;
    this.off = first;
    for (;;) {
      if (pos >= limit) break;
      const head = mem[pos];
      if (head === 0) {
        pos++;
        break;
      }
      const offset = pos - start;
      if (next >= 0 && offset < TARGETS && memoStamp[offset] === stamp) {
        const length = memoLen[offset];
        if (length < 0) {
          flags |= NameFlag.Loop | NameFlag.Labels;
          break;
        }
        flags |= this.memoFlags[offset];
        hopeless = length === 0;
        if (out === first) {
          this.off = this.memoOff[offset];
          out += length;
        } else if (length > 0) {
          out = this.append(bytes, this.memoOff[offset], length, out, first, room);
          if (out > most) {
            out = most;
            flags |= NameFlag.TooLong;
          }
        }
        break;
      }
      if (++steps > MOST_STEPS) {
        flags |= NameFlag.Labels;
        if (next >= 0) break;
      } else if (offset < TARGETS) {
        memoStamp[offset] = stamp;
        memoLen[offset] = -1;
        passed[2 * steps] = offset;
        passed[2 * steps + 1] = out;
      } else passed[2 * steps] = -1;
      if (head < 0x40) {
        let stop = pos + 1 + head;
        if (stop > limit) {
          flags |= NameFlag.Cut;
          stop = limit;
        }
        if (steps <= MOST_STEPS) {
          if (out + stop - pos < room) {
            if (out > first) bytes[out++] = DOT;
            for (let at = pos + 1; at < stop; at++) bytes[out++] = mem[at];
          } else out = this.append(mem, pos + 1, stop - pos - 1, out, first, room);
          if (out > most) {
            out = most;
            flags |= NameFlag.TooLong;
            if (next >= 0) break;
          }
        }
        pos = stop;
        continue;
      }
      if (head < 0xc0 || pos + 1 >= limit) {
        flags |= head < 0xc0 ? NameFlag.Bad : NameFlag.Cut;
        pos = limit;
        break;
      }
      const to = start + (((head & 0x3f) << 8) | mem[pos + 1]);
      if (next < 0) next = pos + 2;
      if (to >= this.end || to === pos) {
        flags |= to === pos ? NameFlag.Loop : NameFlag.Bad;
        break;
      }
      pos = to;
      limit = this.end;
    }
    if (out > room) flags |= NameFlag.TooLong;
    this.len = out - first;
    this.flags = flags;
    this.next = next >= 0 ? next : pos;
    if (steps > MOST_STEPS) steps = MOST_STEPS;
    if ((flags & NameFlag.TooLong) !== 0 || (flags & (NameFlag.Labels | NameFlag.Loop)) === NameFlag.Labels) {
      this.spoil(out, steps, hopeless);
      if (!patient && (out > room || steps > PROPER_STEPS)) this.len = 0;
    } else {
      this.remember(first, out, steps);
      if (this.off === first && this.len > PROPER_NAME) this.spoilt++;
    }
    if (this.off === first) this.used = first + this.len;
  }

  close(): void {
    native.regionRelease(this.region);
  }

  /** Adds a label or more, after a dot where there is something before; writes nothing from `room` on. The new end of the text. */
  private append(mem: Uint8Array, from: number, length: number, to: number, first: number, room: number): number {
    const { bytes } = this;
    let out = to;
    if (out > first) {
      if (out < room) bytes[out] = DOT;
      out++;
    }
    const n = out + length <= room ? length : room - out;
    if (n >= COPY_BYTES && mem === bytes) bytes.copyWithin(out, from, from + n);
    else for (let i = 0; i < n; i++) bytes[out + i] = mem[from + i];
    return out + length;
  }

  /** Every suffix of the name that was read, so that nobody has to read it again. */
  private remember(first: number, out: number, steps: number): void {
    const { memoOff, memoLen, memoFlags, passed } = this;
    const shift = this.off - first;
    for (let i = 1; i <= steps; i++) {
      const offset = passed[2 * i];
      if (offset < 0) continue;
      let at = passed[2 * i + 1];
      if (at > first && at < out) at++;
      memoOff[offset] = at + shift;
      memoLen[offset] = out - at;
      memoFlags[offset] = this.flags;
    }
  }

  /**
   * The name was cut: its suffixes are not known whole. Those that are not proper are remembered as empty once there were too many
   * of such names (`hopeless`: it ended with one of those); as a name is read to four times that length, the whole message still
   * costs linear time.
   */
  private spoil(out: number, steps: number, hopeless: boolean): void {
    const { memoLen, memoFlags, memoStamp, passed } = this;
    const patient = this.spoilt < MOST_SPOILT;
    if (patient) this.spoilt++;
    for (let i = 1; i <= steps; i++) {
      const offset = passed[2 * i];
      if (offset < 0) continue;
      if (!patient && (hopeless || out - passed[2 * i + 1] > PROPER_NAME || steps - i >= PROPER_STEPS)) {
        memoLen[offset] = 0;
        memoFlags[offset] = this.flags;
      } else memoStamp[offset] = 0;
    }
  }
}

const EMPTY = new Uint8Array(0);
