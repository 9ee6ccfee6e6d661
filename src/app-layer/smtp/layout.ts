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
  /** The one whose mail is coming. */
  MailTx,
  MailId,
  /** Commands that wait for their reply (queue.ts): piece of the heap + 1, first run, runs. */
  Queue,
  QueueHead,
  QueueCount,
  Mode,
  /** BDAT: bytes to come. DATA: Dot. */
  Left,
  /** What HELO said: piece of the heap + 1, bytes. */
  Helo,
  HeloLen,
  /** + direction: bytes of the line so far. */
  LineLen,
  LineLenTc,
  /** Code of the reply whose last line is still to come; 0: none. */
  Reply,
}

export const enum SessionBit {
  /** The server has spoken. */
  Greeted = 1,
  /** Its answer to EHLO offers PIPELINING. */
  Pipelining = 2,
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
  /** List of recipients: | next + 1 | length | bytes |, first and last + 1, how many. */
  Rcpt,
  RcptTail,
  RcptCount,
  /** The message's words (mime/layout.ts): index; 0: none. */
  Mime,
  /** The file of the whole message (raw-extraction) + 1. */
  Raw,
  /** What came behind STARTTLS (HeldBytes). */
  Held,
}

export const enum TxBit {
  /** DATA or BDAT was asked for. */
  Data = 1,
  /** All of the mail was seen. */
  Ended = 2,
}

export const enum TxSeen {
  Helo = 1,
  MailFrom = 2,
  Rcpt = 4,
}

/** Recipients of a mail that are kept, and bytes that its transaction keeps before there are no more: the message needs the rest. */
export const MOST_RCPT = 2048;
export const MOST_RCPT_BYTES = 256 << 10;
/** RFC 5321, 4.5.3.1.5: a line of a reply. */
export const LONGEST_REPLY = 512;
