import { Session } from '../sessions.js';
import { Tx } from '../transactions.js';

/** Words of the session, from Session.Parser + 6: those before are of src/app-layer/lines.ts. */
export const enum S {
  /** SessionBit. */
  // biome-ignore lint/style/useLiteralEnumMembers: where the frame's words end is the frame's to say
  Bits = Session.Parser + 6,
  /** Transactions so far. */
  Count,
  /** The transaction that commands belong to: number + 1, id. It may have ended. */
  Tx,
  TxId,
  /** The one whose mail is coming; that of SessionBit.Merged. */
  MailTx,
  MailId,
  /** Commands that wait for their reply (queue.ts): piece of the heap + 1, first run, runs. */
  Queue,
  QueueHead,
  QueueCount,
  Mode,
  /** BDAT: bytes to come. DATA: Dot. Commands: 1, the rest of a line's end may come. */
  Left,
  /** What HELO said: piece of the heap + 1, bytes. */
  Helo,
  HeloLen,
  /** + direction: bytes of the line so far. */
  LineLen,
  LineLenTc,
  /** Of another reading (readings.ts): the session it is of + 1, << READING_BITS, and its number among them; 0: this is a flow's own. */
  Main,
  /** The next reading of the same session + 1. */
  Next,
  /** Packets that have waited for a reply, though one of the readings expects none. */
  Waits,
}

export const enum SessionBit {
  /** The server has spoken. */
  Greeted = 1,
  Welcome = 4,
  /** A reply made no sense: counted once. */
  Error = 8,
  /** The DATA line ended in CR LF: so does the mail. */
  Strict = 16,
  /** What would end the mail for some servers was seen: a dot between ends of lines that are not CR LF. */
  Perhaps = 32,
  /** The line before ended in CR LF. */
  LineCrlf = 64,
  /** The chunk is the last one. */
  LastChunk = 128,
  /** Within a line of the mail. */
  LongLine = 256,
  /** << direction: it has ended. */
  Finished = 512,
  /** A piece of a chunk ended in CR, which may be the end of a line. */
  HeldCr = 2048,
  /** The client goes on with TLS, and STARTTLS is not answered yet. */
  Holding = 4096,
  /** A mail went on to its end before the server refused its DATA: what it had read was commands, and a later 354 is about one of them. */
  Astray = 8192,
  /** The next byte has two readings: what the server makes of it is not known yet. */
  Parting = 16384,
  /** Readings have parted within the mail. */
  Parted = 32768,
  /** Of another reading: S.Tx is the one it parted from has, too; a command that changes it begins its own. */
  Borrowed = 65536,
  /** Of another reading: the mail it parted from has ended there. */
  Ended = 262144,
  /** The server offers CHUNKING. */
  Chunking = 131072,
  /** The mail's DATA is not answered: its lines count as commands, too, and the first that is one parts the readings. */
  Pending = 524288,
  /** The mail before has ended so (S.MailTx is its transaction): if DATA is refused, what comes next is about its envelope. */
  Merged = 1048576,
  /** Within a line that counts already. */
  Rest = 2097152,
}

export const enum Mode {
  Command = 0,
  Data,
  Bdat,
}

/** Within the lines of a mail. */
export const enum Dot {
  LineStart = 0,
  InLine,
  /** The line begins with a dot. */
  Dot,
  DotCr,
  /** CR that may be the end of the line. */
  Cr,
  /** Behind what only some servers take for the end of a line, or for nothing: CR alone, NUL. */
  OddStart,
  /** The same, and a dot; CR behind it. */
  OddDot,
  OddDotCr,
}

/** The parser's words of a transaction, from Tx.Parser: two of events, then these. */
export const enum T {
  // biome-ignore lint/style/useLiteralEnumMembers: as above
  Events = Tx.Parser,
  /** What is new (TxSeen), with the packet of that number. */
  // biome-ignore lint/style/useLiteralEnumMembers: as above
  Changed = Tx.Parser + 2,
  Stamp,
  /** TxBit. */
  Bits,
  /** Offsets in the heap + 1, bytes. */
  Helo,
  HeloLen,
  MailFrom,
  MailFromLen,
  /** List of recipients: | next + 1 | length | bytes |, first and last + 1. */
  Rcpt,
  RcptTail,
  /** Of both lists. */
  ListCount,
  /** The message's words (mime/layout.ts): index; 0: none. */
  Mime,
  /** The file of the whole message (raw-extraction) + 1. */
  Raw,
  /** What came behind STARTTLS (HeldBytes). */
  Held,
  /** Readings in which it was asked for, 1 << number of each; 0: it is certain. */
  Reading = T.Held + 3,
  /** List of senders, as of recipients: a later one is the mail's if the server has refused those before. */
  Senders,
  SenderTail,
}

export const enum TxBit {
  /** DATA or BDAT was asked for. */
  Data = 1,
  /** All of the mail was seen. */
  Ended = 2,
  /** What came was no mail: the server has refused it. */
  Refused = 4,
}

export const enum TxSeen {
  Helo = 1,
  MailFrom = 2,
  Rcpt = 4,
}

/** Readings of a session at once, of up to SMALL_REST bytes and of more. */
export const MOST_READINGS = 8;
export const READING_BITS = 3;
export const MOST_LARGE_READINGS = 3;
export const SMALL_REST = 2048;
/** Packets that wait although one of the readings expects no reply. */
export const MOST_WAITS = 3;
/** Recipients that another reading's transaction takes over. */
export const MOST_INHERITED = 16;
/** Senders and recipients of a mail that are kept, and bytes that its transaction keeps before there are no more: the message needs the rest. */
export const MOST_LISTED = 2048;
export const MOST_LISTED_BYTES = 256 << 10;
/** RFC 5321, 4.5.3.1.5: a line of a reply. */
export const LONGEST_REPLY = 512;
