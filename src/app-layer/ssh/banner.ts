import { SshEvent } from './events.js';
import { MOST_BANNER, Side, SshState, Stage } from './layout.js';
import type { SshStore } from './store.js';

const LF = 10;
const CR = 13;
const SPACE = 0x20;
const DASH = 0x2d;
const DOT = 0x2e;
const ONE = 0x31;
const NINE = 0x39;
const PREFIX = Uint8Array.from('SSH-', (c) => c.charCodeAt(0));
/** Lines that a server may send before its banner (RFC 4253, 4.2), and that are waited for. */
const MOST_LINES = 1024;

/** Reads `SSH-2.0-OpenSSH_9.9 comments`, a side's first line that begins so. */
export class Banner {
  constructor(private readonly store: SshStore) {}

  /** How many of the bytes belong to lines until the banner's end, or -1: this is no SSH. */
  data(tx: number, direction: number, mem: Uint8Array, off: number, len: number): number {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    const end = off + len;
    let at = off;
    while (at < end && heap[side + Side.Stage] < Stage.Packets) {
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      if (heap[side + Side.Stage] === Stage.Banner && !this.keep(tx, side, mem, at, lf)) return -1;
      at = lf < end ? lf + 1 : end;
      if (heap[side + Side.Stage] === Stage.BannerEnd) {
        if (lf < end) heap[side + Side.Stage] = Stage.Packets;
        continue;
      }
      const length = heap[side + Side.LineLen];
      const begins = this.begins(side, length);
      if (begins && (lf < end || length === MOST_BANNER)) {
        if (length === MOST_BANNER) this.store.event(tx, direction, SshEvent.LongBanner);
        heap[side + Side.Stage] = lf < end ? Stage.Packets : Stage.BannerEnd;
        if (!this.read(tx, direction, side)) return -1;
      } else if (lf < end) {
        heap[side + Side.LineLen] = 0;
        // A client's first line is its banner.
        if (direction === 0 || ++heap[side + Side.Lines] > MOST_LINES) {
          this.store.event(tx, direction, SshEvent.InvalidBanner);
          return -1;
        }
      }
    }
    return at - off;
  }

  /** What a line begun and never ended says. */
  finish(tx: number, direction: number): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    if (heap[side + Side.Stage] !== Stage.Banner || !this.begins(side, heap[side + Side.LineLen])) return;
    this.read(tx, direction, side);
    heap[side + Side.Stage] = Stage.BannerEnd;
  }

  /** Keeps the line's first MOST_BANNER bytes. */
  private keep(tx: number, side: number, mem: Uint8Array, from: number, to: number): boolean {
    const { heap, bytes } = this.store;
    if (heap[side + Side.LineAt] === 0) {
      const at = this.store.reserve(tx, MOST_BANNER);
      if (at < 0) return false;
      heap[side + Side.LineAt] = at;
    }
    const kept = heap[side + Side.LineLen];
    const n = to - from < MOST_BANNER - kept ? to - from : MOST_BANNER - kept;
    const at = heap[side + Side.LineAt] + kept;
    for (let i = 0; i < n; i++) bytes[at + i] = mem[from + i];
    heap[side + Side.LineLen] = kept + n;
    return true;
  }

  private begins(side: number, length: number): boolean {
    const { heap, bytes } = this.store;
    if (length < PREFIX.length) return false;
    const at = heap[side + Side.LineAt];
    for (let i = 0; i < PREFIX.length; i++) if (bytes[at + i] !== PREFIX[i]) return false;
    return true;
  }

  private read(tx: number, direction: number, side: number): boolean {
    const { heap, bytes } = this.store;
    const at = heap[side + Side.LineAt];
    let end = at + heap[side + Side.LineLen];
    if (end > at && bytes[end - 1] === CR) end--;
    const proto = at + PREFIX.length;
    let dash = proto;
    while (dash < end && bytes[dash] !== DASH) dash++;
    if (dash === end || dash === proto) {
      this.store.event(tx, direction, SshEvent.InvalidBanner);
      return false;
    }
    let software = dash + 1;
    while (software < end && bytes[software] !== SPACE && bytes[software] !== CR) software++;
    heap[side + Side.ProtoAt] = proto;
    heap[side + Side.ProtoLen] = dash - proto;
    if (software > dash + 1) {
      heap[side + Side.SoftwareAt] = dash + 1;
      heap[side + Side.SoftwareLen] = software - dash - 1;
    }
    // 1.99: SSH 2, and 1 for who wants it (RFC 4253, 5.1).
    const both = dash - proto === 4 && bytes[proto + 2] === NINE && bytes[proto + 3] === NINE;
    if (bytes[proto] === ONE && bytes[proto + 1] === DOT && !both) heap[side + Side.Old] = 1;
    this.store.state(tx, direction, SshState.Banner);
    return true;
  }
}
