/** Longest head that is read. One piece of the heap holds it, its plain form and its names. */
export const LONGEST_HEAD = 24576;
/**
 * What is kept of a request's or response's head, in one piece of the heap:
 *
 *   word  0       1        2      3               4 ..
 *       | stamp | status | port | flags, parts n | n parts: offset in the heap, length (-1: absent) | line CRLF | headers | CRLF | names |
 *                                                                                                   └ Start ──────────────┘
 * Stamp: the packet that completed it. Parts from number n on are absent: a short head is kept short.
 */
export const enum Head {
  Stamp = 0,
  Status = 1,
  Port = 2,
  Flags = 3,
  Parts = 4,
}

export const enum HeadFlag {
  /** HTTP/0.9. */
  Old = 1,
  /** From this bit on: how many parts stand there. */
  CountShift = 8,
}

export const enum Part {
  Line = 0,
  Protocol,
  /** Of a request. */
  Method,
  UriRaw,
  Uri,
  Path,
  /** Of a response, in the same places. */
  Status = Method,
  Message = UriRaw,
  Start = Path + 1,
  Raw,
  /** From here on: what only a head with headers has, or one whose target names a host. */
  All,
  Header,
  Names,
  /** Without the port: as it stands, and in lower case. */
  HostName,
  HostPlain,
  FileName,
  /** From here on: values of headers, but the host may be the target's, too. */
  Host,
  /** Those first of which a flood can be made. */
  ContentLen,
  Transfer,
  ContentType,
  Encoding,
  ContentRange,
  Cookie,
  UserAgent,
  Accept,
  AcceptEnc,
  AcceptLang,
  Referer,
  Connection,
  Location,
  Server,
  Disposition,
  Upgrade,
  Count,
  Bare = All,
  Few = ContentLen,
}
