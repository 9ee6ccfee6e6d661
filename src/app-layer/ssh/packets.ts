import { createHash } from 'node:crypto';
import { STATE_DONE } from '../transactions.js';
import { SshEvent } from './events.js';
import { MD5_DIGITS, Side, SshState, Stage } from './layout.js';
import type { SshStore } from './store.js';

/** Length (4), padding length (1), message (1): RFC 4253, 6 and 12. */
const HEADER_BYTES = 6;
const KEXINIT = 20;
const NEWKEYS = 21;
/** Far beyond what anybody takes (RFC 4253, 6.1: 35,000). */
const MOST_PACKET = 1 << 20;
/** Of a KEXINIT that much is read. OpenSSH's has 1,500 bytes. */
const MOST_KEXINIT = 65000;
const FIRST_ROOM = 2040;
const COOKIE_BYTES = 16;
const SEMICOLON = 0x3b;
const DIGITS = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));

/** Binary packets until NEWKEYS: hassh out of KEXINIT (RFC 4253, 7.1). */
export class Packets {
  /** Else a KEXINIT is passed over. */
  wantsHassh = true;

  constructor(private readonly store: SshStore) {}

  /** False: these are no packets. */
  data(tx: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    if (heap[side + Side.Stage] === Stage.Packets && (heap[side + Side.Old] | heap[this.store.side(tx, direction ^ 1) + Side.Old]) !== 0) {
      heap[side + Side.Stage] = Stage.End;
      this.store.state(tx, direction, STATE_DONE);
    }
    const end = off + len;
    for (let at = off; at < end && heap[side + Side.Stage] === Stage.Packets; ) {
      const head = heap[side + Side.Head];
      if (head < HEADER_BYTES) {
        const byte = mem[at++];
        heap[side + Side.Head] = head + 1;
        if (head === 0) heap[side + Side.Length] = byte;
        else if (head < 4) heap[side + Side.Length] = (heap[side + Side.Length] << 8) | byte;
        else if (head === 5) heap[side + Side.Message] = byte;
        if (head < HEADER_BYTES - 1) continue;
        const length = heap[side + Side.Length];
        if (length < 2 || length > MOST_PACKET) {
          this.store.event(tx, direction, SshEvent.InvalidRecord);
          return false;
        }
        heap[side + Side.Left] = length - 2;
        heap[side + Side.KexAt] = heap[side + Side.KexRoom] = heap[side + Side.KexSeen] = 0;
      } else {
        const left = heap[side + Side.Left];
        const n = left < end - at ? left : end - at;
        if (this.isRead(side)) this.keep(tx, side, mem, at, n);
        heap[side + Side.Left] = left - n;
        at += n;
      }
      if (heap[side + Side.Left] === 0) this.packet(tx, direction, side);
    }
    return true;
  }

  /** Missing bytes: inside a packet it is known how it goes on. */
  gap(tx: number, direction: number, length: number): void {
    const { heap } = this.store;
    const side = this.store.side(tx, direction);
    const within = heap[side + Side.Stage] === Stage.Packets && heap[side + Side.Head] === HEADER_BYTES;
    if (!within || length === 0 || length > heap[side + Side.Left]) {
      this.end(tx, direction);
      return;
    }
    heap[side + Side.Left] -= length;
    // No KEXINIT with a hole in it, but perhaps another.
    if (heap[side + Side.Message] === KEXINIT) heap[side + Side.Message] = 0;
    if (heap[side + Side.Left] === 0) this.packet(tx, direction, side);
  }

  /** Nothing more of a direction is read. */
  end(tx: number, direction: number): void {
    const at = this.store.side(tx, direction) + Side.Stage;
    if (this.store.heap[at] < Stage.End) this.store.heap[at] = Stage.End;
  }

  private isRead(side: number): boolean {
    const { heap } = this.store;
    return this.wantsHassh && heap[side + Side.Message] === KEXINIT && heap[side + Side.HasshAt] === 0;
  }

  /** The KEXINIT that has ended is there as far as it is read. */
  private isKept(side: number): boolean {
    const { heap } = this.store;
    const whole = heap[side + Side.Length] - 2;
    return whole > 0 && heap[side + Side.KexSeen] === (whole < MOST_KEXINIT ? whole : MOST_KEXINIT);
  }

  private keep(tx: number, side: number, mem: Uint8Array, off: number, len: number): void {
    const { store } = this;
    const { heap, bytes } = store;
    const seen = heap[side + Side.KexSeen];
    const whole = heap[side + Side.Length] - 2;
    const most = whole < MOST_KEXINIT ? whole : MOST_KEXINIT;
    // Its beginning was passed over: nobody asked then, or there was no room.
    if (seen !== whole - heap[side + Side.Left]) return;
    let room = heap[side + Side.KexRoom];
    if (seen + len > room && room < most) {
      // With its head a piece of the heap is a power of two.
      let next = room > 0 ? 2 * room + 8 : FIRST_ROOM;
      if (next < seen + len) next = seen + len;
      if (next > most) next = most;
      const at = store.reserve(tx, next);
      if (at >= 0) {
        bytes.copyWithin(at, heap[side + Side.KexAt], heap[side + Side.KexAt] + seen);
        heap[side + Side.KexAt] = at;
        heap[side + Side.KexRoom] = room = next;
      }
    }
    const n = len < room - seen ? len : room - seen;
    const to = heap[side + Side.KexAt] + seen;
    for (let i = 0; i < n; i++) bytes[to + i] = mem[off + i];
    heap[side + Side.KexSeen] = seen + n;
  }

  /** A packet has ended. */
  private packet(tx: number, direction: number, side: number): void {
    const { store } = this;
    const { heap } = store;
    heap[side + Side.Head] = 0;
    if (heap[side + Side.Message] === NEWKEYS) {
      heap[side + Side.Stage] = Stage.Keys;
      store.state(tx, direction, STATE_DONE);
    } else if (this.isRead(side) && this.isKept(side)) {
      if (this.hassh(tx, direction, side)) store.state(tx, direction, SshState.KeyExchange);
      else store.event(tx, direction, SshEvent.InvalidRecord);
    }
  }

  /**
   * Key exchange, encryption, mac and compression algorithms of the direction, `;` between them, and their MD5
   * (https://github.com/salesforce/hassh). Lists 1 to 8: key exchange, host key, encryption to server and to client, mac, compression.
   */
  private hassh(tx: number, direction: number, side: number): boolean {
    const { store } = this;
    const { heap, bytes } = store;
    const end = heap[side + Side.KexAt] + heap[side + Side.KexSeen];
    const first = heap[side + Side.KexAt] + COOKIE_BYTES;
    let length = 0;
    let text = 0;
    // First how long it is, then where it goes.
    for (let pass = 0; pass < 2; pass++) {
      let to = 0;
      let at = first;
      for (let list = 0; list < 8; list++) {
        if (end - at < 4) return false;
        const size = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
        if (size > end - at - 4) return false;
        if (list === 0 || (list > 1 && (list & 1) === direction)) {
          if (list > 0) {
            if (pass === 1) bytes[text + to] = SEMICOLON;
            to++;
          }
          if (pass === 1) bytes.copyWithin(text + to, at + 4, at + 4 + size);
          to += size;
        }
        at += 4 + size;
      }
      if (pass === 1) break;
      length = to;
      text = store.reserve(tx, length + MD5_DIGITS);
      if (text < 0) return true;
    }
    heap[side + Side.HasshStringAt] = text;
    heap[side + Side.HasshStringLen] = length;
    const digest = createHash('md5')
      .update(bytes.subarray(text, text + length))
      .digest();
    const hex = text + length;
    for (let i = 0; i < 16; i++) {
      bytes[hex + 2 * i] = DIGITS[digest[i] >> 4];
      bytes[hex + 2 * i + 1] = DIGITS[digest[i] & 15];
    }
    heap[side + Side.HasshAt] = hex;
    return true;
  }
}
