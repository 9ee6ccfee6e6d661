/**
 * What is remembered of a message that is being read: words of the heap, kept with its transaction (RFC 2045 to 2047, 5322).
 *
 *   | where it is | hold | part | decoders | lists: URLs, attachments, Received | boundaries | headers | MD5 |
 *       hold   bytes of a header, its folds taken out, or of a line that may be a boundary
 *       lists  ─► | next + 1 | length | bytes |
 */
export const enum M {
  /** MimeState. */
  State = 0,
  /** Boundaries that are open. */
  Depth,
  /** Offset of the hold in the heap, taken with the first byte; bytes in it. */
  Hold,
  HoldLen,
  /** Bytes of the line at hand so far, LineBit of it. */
  LineLen,
  LineBits,
  /** Of the part: Encoding, Kind, PartBit, its file + 1. */
  Encoding,
  Kind,
  Part,
  File,
  /** A line end that belongs to the body only if a boundary does not follow: 0, 1 LF, 2 CRLF. */
  Eol,
  /** Base64: bits not yet written, how many characters they came from. Quoted-printable: QP. */
  Bits,
  BitCount,
  Qp,
  /** Name of the part: offset in the heap, bytes. */
  Name,
  NameLen,
  /** What became known (Seen), with the packet `Stamp`. */
  Stamp,
  Changed,
  Urls,
  UrlCount,
  /** A word of the text that may go on in the next bytes: offset + 1, bytes. */
  Token,
  TokenLen,
  Attachments,
  AttachmentTail,
  AttachmentCount,
  Received,
  ReceivedTail,
  ReceivedCount,
  /** MOST_DEPTH pairs: offset, bytes (| ALSO: it divides the same multipart as the one before). */
  Boundaries,
  /** HEADERS.length pairs: offset + 1 (0: not there), bytes. */
  Headers = 62,
  /** Names that parts have beside the one that is their file's: first and last of the list. */
  Names = 100,
  NamesTail,
  /** State (4), bytes so far, block (16), digest offset + 1. */
  Md5 = 102,
  Words = 126,
}

/** M.Boundaries: beside the bytes. */
export const ALSO = 1 << 16;
/** Boundaries that are open at once. */
export const MOST_DEPTH = 17;
/** Longest boundary, file name, name of a header; lines (RFC 5322 2.1.1, RFC 2045 6.7 and 6.8). */
export const LONGEST_BOUNDARY = 254;
export const LONGEST_FILENAME = 255;
export const LONGEST_HEADER_NAME = 75;
export const LONGEST_LINE = 998;
export const LONGEST_ENCODED_LINE = 76;
export const LONGEST_URL = 2048;
/** Bytes that a transaction keeps before its lists of URLs and Received get no more: what says how bodies are read has room always. */
export const MOST_LISTED_BYTES = 512 << 10;
/** Of one message. */
export const MOST_URLS = 512;
export const MOST_ATTACHMENTS = 256;
export const MOST_RECEIVED = 64;
/** Names of one part that are looked at, of one header. */
export const MOST_NAMES = 3;

export const enum MimeState {
  /** Nothing of the message was seen. */
  Ready = 0,
  Header,
  Body,
  Done,
}

export const enum Encoding {
  None = 0,
  Base64,
  QuotedPrintable,
}

export const enum Kind {
  /** text/plain, and what says nothing. */
  Text = 0,
  Html,
  Multipart,
  Message,
  Other,
  /** Behind the last boundary: nobody reads it. */
  Epilogue,
}

export const enum PartBit {
  /** Its header is the message's. */
  Main = 1,
  Attachment = 2,
  /** Its name was given by Content-Disposition. */
  Named = 4,
  /** Its header has opened a boundary. */
  Divided = 8,
}

export const enum LineBit {
  /** The hold may be a boundary. */
  Held = 1,
  /** The hold was full. */
  Cut = 2,
}

/** M.Changed */
export const enum Seen {
  Headers = 1,
  Urls = 2,
  Received = 4,
  Md5 = 8,
  Names = 16,
}

/** A piece of a line. */
export const enum Piece {
  Begin = 1,
  End = 2,
  /** It ends in CR LF, not in LF alone. */
  Crlf = 4,
}

/** Headers of the message itself that are kept: indices into HEADERS. */
export const enum Header {
  From = 0,
  To,
  Cc,
  Subject,
  Date,
  MessageId,
  XMailer,
  Received,
  ReplyTo,
  Bcc,
  UserAgent,
  XOriginatingIp,
  InReplyTo,
  References,
  Importance,
  Priority,
  Sensitivity,
  Organization,
  ContentMd5,
  ContentType,
  ContentDisposition,
  ContentTransferEncoding,
  Count,
}
/** Those before this one are kept. */
export const KEPT_HEADERS = Header.ContentType;
export const HEADERS: readonly Uint8Array[] =
  `from to cc subject date message-id x-mailer received reply-to bcc user-agent x-originating-ip in-reply-to references
  importance priority sensitivity organization content-md5 content-type content-disposition content-transfer-encoding`
    .trim()
    .split(/\s+/)
    .map((name) => Uint8Array.from(name, (c) => c.charCodeAt(0)));

/** Events of a message: the bits stand where the protocol that carries it has them (smtp/events.ts). */
export const enum MimeEvent {
  ParseFailed = 0,
  MalformedMsg,
  InvalidBase64,
  InvalidQp,
  LongLine,
  LongEncLine,
  LongHeaderName,
  LongHeaderValue,
  BoundaryTooLong,
  LongFilename,
  Count,
}

/** What a configuration says of messages. Plain data. */
export interface MimeOptions {
  decode: boolean;
  base64: boolean;
  quotedPrintable: boolean;
  /** Most bytes of a header's value. */
  headerDepth: number;
  urls: boolean;
  /** Without `://`, in lower case. */
  urlSchemes: readonly string[];
  /** A URL is kept with its scheme. */
  urlScheme: boolean;
  bodyMd5: boolean;
  /** Rules see so many bytes of a file, from its beginning; 0: all. */
  inspect: number;
}
export const MIME_OPTIONS: MimeOptions = {
  decode: true,
  base64: true,
  quotedPrintable: true,
  headerDepth: 2000,
  urls: true,
  urlSchemes: ['http'],
  urlScheme: false,
  bodyMd5: false,
  inspect: 0,
};
