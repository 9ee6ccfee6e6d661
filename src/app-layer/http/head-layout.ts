/** Longest head that is read. One piece of the heap holds it, its plain form and its names. */
export const LONGEST_HEAD = 24576;
/**
 * What is kept of a request's or response's head, in one piece of the heap:
 *
 *   word  0       1        2      3      4 ..
 *       | stamp | status | port | flags | parts: offset in the heap, length (-1: absent) | line CRLF | headers | CRLF | names |
 *                                                                                        └ Start ──────────────┘
 * Stamp: the packet that completed it.
 */
export const enum Head {
  Stamp = 0,
  Status = 1,
  Port = 2,
  Flags = 3,
  Parts = 4,
  Words = 4 + 2 * 33,
  /** Of a head with HeadFlag.Few: parts from Part.Few on are absent. */
  FewWords = 4 + 2 * 17,
}

export const enum HeadFlag {
  /** HTTP/0.9. */
  Old = 1,
  /** It has no header that is a part: only parts before Part.Few stand there. */
  Few = 2,
}

export const enum Part {
  Line = 0,
  Method,
  UriRaw,
  Uri,
  Path,
  Protocol,
  Status,
  Message,
  Start,
  All,
  Header,
  Raw,
  Names,
  /** Without the port: as it stands, and in lower case. */
  HostName,
  HostPlain,
  FileName,
  /** From here on: values of headers, but the host may be the target's, too. */
  Host,
  Cookie,
  UserAgent,
  Accept,
  AcceptEnc,
  AcceptLang,
  Referer,
  Connection,
  ContentLen,
  ContentType,
  Location,
  Server,
  Disposition,
  ContentRange,
  Encoding,
  Transfer,
  Upgrade,
  Count,
  Few = Cookie,
}
