import { Counter } from '../../metrics/counters.js';
import { AppProto } from '../buffers.js';
import { NODE_HEAD } from '../mime/urls.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { argument, readArgument } from './commands.js';
import { SmtpEvent } from './events.js';
import { MOST_INHERITED, MOST_LISTED, MOST_LISTED_BYTES, READING_BITS, S, SessionBit, T, TxBit, TxSeen } from './layout.js';
import { Command } from './queue.js';

/**
 * Transactions of SMTP: a mail each, from the first command that is about it to the reply to its last byte, or to the command that gives
 * it up. Here: their life, the envelope (HELO, MAIL FROM, RCPT TO), their events.
 */
export class Mails {
  private readonly heapWords: Int32Array;
  private packet = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  packetBegins(packet: number): void {
    this.packet = packet;
  }

  /** Gives another reading what HELO said. */
  copyHelo(from: number, to: number): void {
    const { words } = this.sessions;
    const t = to * Session.Words;
    const off = words[from * Session.Words + S.Helo] - 1;
    words[t + S.Helo] = 0;
    const piece = off < 0 ? -1 : this.txs.heap.take(words[t + S.HeloLen]);
    if (piece < 0) return;
    this.txs.heap.bytes.copyWithin(piece, off, off + words[t + S.HeloLen]);
    words[t + S.Helo] = piece + 1;
  }

  /** What HELO said is forgotten. */
  close(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (words[s + S.Helo] !== 0) this.txs.heap.give(words[s + S.Helo] - 1, words[s + S.HeloLen]);
    words[s + S.Helo] = 0;
  }

  /** What became known of the transaction with the packet at hand: TxSeen. */
  fresh(tx: number): number {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    return words[at + T.Stamp] === this.packet ? words[at + T.Changed] : 0;
  }

  /** The session of the flow whose reading this is. */
  owner(session: number): number {
    const main = this.sessions.words[session * Session.Words + S.Main];
    return main === 0 ? session : (main >> READING_BITS) - 1;
  }

  /** The bit of a reading in T.Reading. */
  bit(session: number): number {
    return 1 << (this.sessions.words[session * Session.Words + S.Main] & ((1 << READING_BITS) - 1));
  }

  /** The transaction that a command is about, a new one if need be; -1: none, or no room. */
  forCommand(session: number, code: Command): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const tx = this.current(session);
    if (words[s + S.Main] !== 0) return this.forReading(session, tx, code);
    if (tx >= 0) return tx;
    if ((code === Command.Quit || code === Command.Rset) && words[s + S.Count] > 0) return -1;
    return this.open(session);
  }

  /** The same for another reading: what is no command there needs none, and what is another's is not changed. */
  private forReading(session: number, tx: number, code: Command): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isBorrowed = tx >= 0 && (words[s + S.Bits] & SessionBit.Borrowed) !== 0;
    if (tx >= 0 && !isBorrowed) return tx;
    if (code === Command.Other || code === Command.Auth || code === Command.Quit) return -1;
    words[s + S.Bits] &= ~SessionBit.Borrowed;
    if (code === Command.Rset) {
      words[s + S.Tx] = 0;
      return -1;
    }
    const own = this.open(session);
    if (own >= 0 && isBorrowed && code !== Command.MailFrom && code !== Command.Helo) this.inherit(own, tx);
    return own;
  }

  /** A new one, which commands belong to from now on; -1: no room. */
  open(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const owner = this.owner(session);
    const count = owner * Session.Words + S.Count;
    const id = words[count];
    const tx = this.txs.open(owner, AppProto.Smtp, id);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    words[count]++;
    words[s + S.Tx] = tx + 1;
    words[s + S.TxId] = id;
    const at = tx * Tx.Words;
    this.txs.words[at + Tx.State] = 1;
    this.txs.words[at + Tx.State + 1] = 1;
    if (words[s + S.Helo] !== 0) this.setHelo(tx, this.txs.heap.bytes, words[s + S.Helo] - 1, words[s + S.HeloLen]);
    if (words[owner * Session.Words + S.Next] === 0) return tx;
    this.txs.words[at + T.Reading] = this.bit(session);
    if (owner === session) return tx;
    // No record of what may never have been said.
    this.txs.words[at + Tx.Flags] |= TxFlag.Logged;
    this.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
    return tx;
  }

  /** What `from` knows of its envelope. */
  private inherit(tx: number, from: number): void {
    const { words } = this.txs;
    const { heapWords } = this;
    const { bytes } = this.txs.heap;
    const at = from * Tx.Words;
    const sender = words[at + T.SenderTail] - 1;
    if (sender >= 0) this.setSender(tx, bytes, sender + NODE_HEAD, heapWords[(sender >> 2) + 1]);
    let node = words[at + T.Rcpt] - 1;
    for (let n = 0; node >= 0 && n < MOST_INHERITED; n++) {
      this.addRcpt(tx, bytes, node + NODE_HEAD, heapWords[(node >> 2) + 1]);
      node = heapWords[node >> 2] - 1;
    }
  }

  /** `tx` if it is still the session's transaction of that id, and not complete; else -1. */
  alive(session: number, tx: number, id: number): number {
    if (tx < 0 || !this.txs.isOpen(tx)) return -1;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    return words[at + Tx.Id] === id && words[at + Tx.Session] === this.owner(session) && !this.txs.isDone(tx) ? tx : -1;
  }

  /** The one that commands belong to; -1: none. */
  current(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    return this.alive(session, words[s + S.Tx] - 1, words[s + S.TxId]);
  }

  /** The one whose mail is coming; -1: none. */
  coming(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    return this.alive(session, words[s + S.MailTx] - 1, words[s + S.MailId]);
  }

  id(tx: number): number {
    return tx < 0 ? 0 : this.txs.words[tx * Tx.Words + Tx.Id];
  }

  // The envelope. Arguments begin behind the command's name, mem[off, end).

  /** What a first HELO says, kept for all mails of the session. */
  helo(session: number, tx: number, mem: Uint8Array, off: number, end: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    readArgument(mem, off, end);
    const len = argument.end - argument.off;
    const piece = this.txs.heap.take(len);
    if (piece < 0) this.counters[Counter.AppNoRoom]++;
    else {
      const { bytes } = this.txs.heap;
      for (let i = 0; i < len; i++) bytes[piece + i] = mem[argument.off + i];
      words[s + S.Helo] = piece + 1;
      words[s + S.HeloLen] = len;
    }
    if (tx >= 0) this.setHelo(tx, mem, argument.off, len);
  }

  private setHelo(tx: number, mem: Uint8Array, off: number, len: number): void {
    const kept = this.keep(tx, mem, off, len);
    if (kept < 0) return;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    words[at + T.Helo] = kept + 1;
    words[at + T.HeloLen] = len;
    this.changed(tx, TxSeen.Helo);
  }

  /** Of several the first is the record's, the last is inspected. */
  mailFrom(tx: number, mem: Uint8Array, off: number, end: number): void {
    readArgument(mem, off, end);
    this.setSender(tx, mem, argument.off, argument.end - argument.off);
  }

  private setSender(tx: number, mem: Uint8Array, off: number, len: number): void {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const last = words[at + T.SenderTail] - 1;
    if (last >= 0) this.event(tx, 0, SmtpEvent.DuplicateFields);
    if (last >= 0 && this.isSame(last, mem, off, len)) return;
    const sender = this.add(tx, T.Senders, mem, off, len);
    if (sender < 0) return;
    if (words[at + T.MailFrom] === 0) {
      words[at + T.MailFrom] = sender + 1;
      words[at + T.MailFromLen] = len;
    }
    this.changed(tx, TxSeen.MailFrom);
  }

  /** The node of a list holds these bytes. */
  private isSame(node: number, mem: Uint8Array, off: number, len: number): boolean {
    if (this.heapWords[(node >> 2) + 1] !== len) return false;
    const { bytes } = this.txs.heap;
    let same = 0;
    while (same < len && bytes[node + NODE_HEAD + same] === mem[off + same]) same++;
    return same === len;
  }

  rcpt(tx: number, mem: Uint8Array, off: number, end: number): void {
    readArgument(mem, off, end);
    this.addRcpt(tx, mem, argument.off, argument.end - argument.off);
  }

  private addRcpt(tx: number, mem: Uint8Array, off: number, len: number): void {
    if (this.add(tx, T.Rcpt, mem, off, len) >= 0) this.changed(tx, TxSeen.Rcpt);
  }

  /** Adds to a list whose first and last stand at `list` of the transaction. Offset of the bytes; -1: no room. */
  private add(tx: number, list: T.Rcpt | T.Senders, mem: Uint8Array, off: number, len: number): number {
    const { words } = this.txs;
    const { heapWords } = this;
    const at = tx * Tx.Words;
    const hasRoom = words[at + T.ListCount] < MOST_LISTED && words[at + Tx.Kept] < MOST_LISTED_BYTES;
    const node = hasRoom ? this.txs.reserve(tx, NODE_HEAD + len) : -1;
    if (node < 0) {
      this.counters[Counter.AppInstancesLost]++;
      return -1;
    }
    heapWords[node >> 2] = 0;
    heapWords[(node >> 2) + 1] = len;
    const { bytes } = this.txs.heap;
    for (let i = 0; i < len; i++) bytes[node + NODE_HEAD + i] = mem[off + i];
    if (words[at + list] === 0) words[at + list] = node + 1;
    else heapWords[(words[at + list + 1] - 1) >> 2] = node + 1;
    words[at + list + 1] = node + 1;
    words[at + T.ListCount]++;
    return node + NODE_HEAD;
  }

  /** A sender or a recipient was named. */
  hasSaid(tx: number): boolean {
    const at = tx * Tx.Words;
    return tx >= 0 && (this.txs.words[at + T.Senders] !== 0 || this.txs.words[at + T.Rcpt] !== 0);
  }

  /** A sender and a recipient were named. */
  hasEnvelope(tx: number): boolean {
    const at = tx * Tx.Words;
    return tx >= 0 && this.txs.words[at + T.Senders] !== 0 && this.txs.words[at + T.Rcpt] !== 0;
  }

  /** A mail was begun: more than HELO was said. */
  hasBegun(tx: number): boolean {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    return words[at + T.MailFrom] !== 0 || words[at + T.Rcpt] !== 0 || (words[at + T.Bits] & TxBit.Data) !== 0;
  }

  // The end.

  /** RSET, or a HELO that does the same: what was begun comes to nothing, and the next command begins another. False: nothing was. */
  giveUp(session: number, tx: number): boolean {
    const { words } = this.txs;
    if (!this.hasBegun(tx)) return false;
    words[tx * Tx.Words + Tx.State] = STATE_DONE;
    this.sessions.words[session * Session.Words + S.Tx] = 0;
    this.txs.moment(tx, 0);
    return true;
  }

  /** Nothing more of the transaction is to come. */
  complete(tx: number): void {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const isNew = words[at + Tx.State] !== STATE_DONE;
    words[at + Tx.State] = STATE_DONE;
    words[at + Tx.State + 1] = STATE_DONE;
    if (isNew) this.txs.moment(tx, 0);
    this.txs.moment(tx, 1);
  }

  event(tx: number, direction: number, event: SmtpEvent): void {
    const { words } = this.txs;
    const at = tx * Tx.Words + T.Events + (event >> 5);
    if ((words[at] & (1 << (event & 31))) !== 0) return;
    words[at] |= 1 << (event & 31);
    this.txs.moment(tx, direction);
  }

  private keep(tx: number, mem: Uint8Array, off: number, len: number): number {
    const kept = this.txs.keep(tx, mem, off, len);
    if (kept < 0) this.counters[Counter.AppNoRoom]++;
    return kept;
  }

  private changed(tx: number, what: TxSeen): void {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    if (words[at + T.Stamp] !== this.packet) words[at + T.Changed] = 0;
    words[at + T.Stamp] = this.packet;
    words[at + T.Changed] |= what;
  }
}
