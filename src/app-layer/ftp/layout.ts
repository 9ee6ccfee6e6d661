import { Tx } from '../transactions.js';

/** The parser's words of a session, after those of src/app-layer/lines.ts. */
export const enum FtpSession {
  /** Code of the reply whose last line is still to come; 0: none. RFC 959, 4.2. */
  Reply = 6,
  /** FtpTls: how far the change to TLS is. */
  Tls = 7,
  /** Transactions so far; the oldest that waits for its reply, + 1. */
  Count = 8,
  Oldest = 9,
  /** The transaction of the reply whose last line is still to come, + 1. */
  Current = 10,
  /** The transaction that the last line of this packet went to, + 1, and the number of that packet. */
  Last = 11,
  LastPacket = 12,
  /** Port of the data connection that was agreed on and not used yet, 0: none; 1: the server opens it. */
  Port = 13,
  Active = 14,
  /** 1: the server has said something. */
  Greeted = 15,
  /** Bytes that its transactions have kept so far for rules and records. */
  Kept = 16,
  /** 1: it has had too many transactions at once, and been told of. */
  Flooded = 17,
}

/** How far the change to TLS is (RFC 4217). */
export const enum FtpTls {
  No = 0,
  Asked = 1,
  /** 234: the next bytes of the client are its first record. */
  Granted = 2,
}

/** The parser's words of a transaction, from Tx.Parser. */
export const enum FtpTx {
  /** Bits of FTP_EVENTS. */
  Events = 12,
  /** The command and its data (length -1: none), and where they lie. */
  CommandOff = 14,
  CommandLen,
  DataOff,
  DataLen,
  /** Place */
  Place,
  /** Number of the packet that brought it: in later ones only what was kept is there. */
  Packet,
  /** Where the command and behind it its data are kept: + 1 in the heap; KEPT_HERE: in Own; 0: they are not. */
  Kept,
  /** + 1 in the heap: the first and the last line of replies; how many there were. */
  Replies,
  LastReply,
  ReplyCount,
  /** FtpCommand */
  Command,
  /** Port of the data connection, when the server has agreed; 0: none. */
  Port,
  /** FtpBit */
  Bits,
  /** Bytes of short ones. */
  Own,
}
/** Bytes that have room there, and FtpTx.Kept of those that do. */
export const OWN_BYTES = 4 * (Tx.Words - FtpTx.Own);
export const KEPT_HERE = -1;

export const enum Place {
  CommandOwn = 1,
  DataOwn = 2,
}

export const enum FtpBit {
  /** The server opens the data connection (PORT, EPRT). */
  Active = 1,
  CommandCut = 2,
  ReplyCut = 4,
}

export const enum FtpEvent {
  RequestCommandTooLong = 0,
  ResponseCommandTooLong,
  TooManyTransactions,
  FileBeforePort,
}
/** By FtpEvent (app-layer-event:ftp.NAME). */
export const FTP_EVENTS: readonly string[] = [
  'request_command_too_long',
  'response_command_too_long',
  'too_many_transactions',
  'file_before_port',
];
