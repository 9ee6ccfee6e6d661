/**
 * Connections that are expected: control connections of FTP announce where the next file will go. One table for the detecting
 * threads of a process (LockedSets), since the connection may be any thread's; the pair of addresses picks the set, so that two hosts
 * can only push out what they expect themselves (or what happens to share their set). Of the head, word 2: latest end of any entry.
 *
 *   0     1      2         3        4 .. 7              8 .. 11            12, 13          14, 15        16 .. 143
 *   end   port   command   length   address that opens  that is opened to  parent's flow   taken by      name
 *                          of name                                         id, high, low   flow (0: no)
 *
 * An entry ends when packet time passes `end` (seconds; 0: empty). One that a flow has taken stays, for that flow alone, until then or
 * until its place is wanted.
 */
import { type FlowTable, Key } from '../../flow/flow-table.js';
import { Counter } from '../../metrics/counters.js';
import { createSets, LockedSets, mix, type SetShape } from '../../ring/locked-sets.js';
import { FtpCommand } from '../ftp/commands.js';

/** Words of the head that LockedSets leaves to its tables. */
const enum Head {
  Until = 2,
}
const enum Entry {
  End = 0,
  Port,
  Command,
  NameLen,
  From,
  To = 8,
  Parent = 12,
  Taken = 14,
  Name = 16,
  Words = 144,
}
const WAYS = 16;
const SHAPE: SetShape = { ways: WAYS, entryWords: Entry.Words };
/** Longer names are kept this far. */
export const EXPECTED_NAME = 4 * (Entry.Words - Entry.Name);
/** Bytes of an entry, for reckoning. */
export const EXPECTED_BYTES = 4 * Entry.Words;
/** Seconds between a transfer's command and its first byte. */
export const EXPECTED_SECONDS = 30;

/** Entries for `ftp.memcap` (bytes; absent: as many as there are at most). */
export function expectedEntries(memcap?: number): number {
  const fitting = memcap === undefined ? MOST_ENTRIES : Math.floor(memcap / EXPECTED_BYTES);
  return fitting < MOST_ENTRIES ? fitting : MOST_ENTRIES;
}
const MOST_ENTRIES = 8192;

/** What is asked of the flow table. */
export type ExpectedFlows = Pick<FlowTable, 'key' | 'flowId' | 'dstPort'>;

/** What an expected flow is about; filled by take(). */
export interface Expected {
  command: number;
  name: Uint8Array;
  nameLen: number;
  /** Flow id of the control connection. */
  parent: number;
}

export class Expectations extends LockedSets {
  readonly taken: Expected = { command: 0, name: new Uint8Array(EXPECTED_NAME), nameLen: 0, parent: 0 };
  /** Of what isExpected found: the direction that the file goes. */
  side = 0;
  /** The flow at hand, and packet time, seconds. AppLayer keeps them. */
  slot = -1;
  now = 0;
  private readonly bytes: Uint8Array;

  /** Memory for about so many entries: see createSets. */
  static create(entries: number, shared: boolean): ArrayBuffer | SharedArrayBuffer {
    return createSets(SHAPE, entries, shared);
  }

  constructor(
    buffer: ArrayBuffer | SharedArrayBuffer,
    private readonly flows: ExpectedFlows,
    private readonly counters: Float64Array,
  ) {
    super(buffer, SHAPE);
    this.bytes = new Uint8Array(buffer);
  }

  /**
   * The flow at hand announces a connection to `port` of its server, or (`active`) of its client, from the other of the two. The name is
   * in mem[off, off + len). What was expected there before is not any more.
   */
  expect(active: boolean, port: number, command: number, mem: Uint8Array, off: number, len: number): void {
    const { words, bytes, slot } = this;
    if (slot < 0) return;
    const from = slot * Key.Words + (active ? Key.Server : Key.Client);
    const to = slot * Key.Words + (active ? Key.Client : Key.Server);
    const set = this.setOfPair(from, to);
    const first = this.lock(set);
    let best = first;
    let bestWorth = LAST;
    for (let e = first; e < first + WAYS * Entry.Words; e += Entry.Words) {
      const worth = this.is(e, from, to, port)
        ? -1
        : this.isOver(e)
          ? 0
          : this.isTaken(e)
            ? words[e + Entry.End] - this.now + 1
            : words[e + Entry.End];
      if (worth < bestWorth) {
        best = e;
        bestWorth = worth;
      }
    }
    if (!this.isOver(best) && !this.isTaken(best) && !this.is(best, from, to, port)) this.counters[Counter.AppExpectationsLost]++;
    const end = this.now + EXPECTED_SECONDS;
    words[best + Entry.End] = end;
    words[best + Entry.Port] = port;
    words[best + Entry.Command] = active ? command | ACTIVE : command;
    const id = this.flows.flowId(slot);
    words[best + Entry.Parent] = (id / 2 ** 32) | 0;
    words[best + Entry.Parent + 1] = id | 0;
    words[best + Entry.Taken] = 0;
    words[best + Entry.Taken + 1] = 0;
    for (let i = 0; i < 4; i++) {
      words[best + Entry.From + i] = this.flows.key[from + i];
      words[best + Entry.To + i] = this.flows.key[to + i];
    }
    const n = len < EXPECTED_NAME ? len : EXPECTED_NAME;
    words[best + Entry.NameLen] = n;
    const at = (best + Entry.Name) * 4;
    for (let i = 0; i < n; i++) bytes[at + i] = mem[off + i];
    if (Atomics.load(words, Head.Until) < end) Atomics.store(words, Head.Until, end);
    this.counters[Counter.AppExpectations]++;
    this.unlock(set);
  }

  /** A TCP flow is expected, and by no other flow before it. */
  isExpected(slot: number): boolean {
    // Most of the time nothing is.
    if (Atomics.load(this.words, Head.Until) < this.now) return false;
    return this.look(slot, false);
  }

  /** The flow at hand takes what is expected of it: `taken`. False: nothing is. */
  take(): boolean {
    return this.slot >= 0 && this.look(this.slot, true);
  }

  private look(slot: number, take: boolean): boolean {
    const { words, flows } = this;
    const from = slot * Key.Words + Key.Client;
    const to = slot * Key.Words + Key.Server;
    const port = flows.dstPort(slot);
    const set = this.setOfPair(from, to);
    const id = flows.flowId(slot);
    const high = (id / 2 ** 32) | 0;
    const low = id | 0;
    let found = false;
    const first = this.lock(set);
    for (let e = first; e < first + WAYS * Entry.Words && !found; e += Entry.Words) {
      if (!this.is(e, from, to, port)) continue;
      if (this.isTaken(e) && (words[e + Entry.Taken] !== high || words[e + Entry.Taken + 1] !== low)) continue;
      found = true;
      this.side = sideOf(words[e + Entry.Command] & ~ACTIVE, (words[e + Entry.Command] & ACTIVE) !== 0);
      if (!take) continue;
      words[e + Entry.Taken] = high;
      words[e + Entry.Taken + 1] = low;
      const { taken } = this;
      taken.command = words[e + Entry.Command] & ~ACTIVE;
      taken.nameLen = words[e + Entry.NameLen];
      taken.parent = words[e + Entry.Parent] * 2 ** 32 + (words[e + Entry.Parent + 1] >>> 0);
      const at = (e + Entry.Name) * 4;
      for (let i = 0; i < taken.nameLen; i++) taken.name[i] = this.bytes[at + i];
    }
    this.unlock(set);
    return found;
  }

  private isOver(e: number): boolean {
    const end = this.words[e + Entry.End];
    return end === 0 || end < this.now;
  }

  private isTaken(e: number): boolean {
    return (this.words[e + Entry.Taken] | this.words[e + Entry.Taken + 1]) !== 0;
  }

  /** The addresses at `from` and `to` in FlowTable.key, and the port. */
  private is(e: number, from: number, to: number, port: number): boolean {
    const { words } = this;
    const { key } = this.flows;
    if (words[e + Entry.Port] !== port || this.isOver(e)) return false;
    for (let i = 0; i < 4; i++) if (words[e + Entry.From + i] !== key[from + i] || words[e + Entry.To + i] !== key[to + i]) return false;
    return true;
  }

  private setOfPair(from: number, to: number): number {
    const { key } = this.flows;
    let hash = this.seed;
    for (let i = 0; i < 4; i++) hash = mix(hash, key[from + i]);
    for (let i = 0; i < 4; i++) hash = mix(hash, key[to + i]);
    return this.setOf(hash);
  }
}

/** A file that is fetched comes from the FTP server: from the flow's client when that server opened the connection. */
function sideOf(command: FtpCommand, active: boolean): number {
  return (command === FtpCommand.Retr ? 1 : 0) ^ (active ? 1 : 0);
}

/** Of Entry.Command. */
const ACTIVE = 0x100;
const LAST = 0x7fffffff;
