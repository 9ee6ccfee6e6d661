/**
 * What is remembered of a TLS session, which is one transaction. The parser's words of the transaction hold what tests of rules
 * and records ask for; a block of the heap holds, per direction, how far the records are read and where the session's bytes lie.
 *
 *   tx words  | context | events | flags | version | chain | validity            |
 *             |         | 0   1  |       | ts  tc  | ts tc | ts 4 words, tc 4    |
 *                  │
 *                  └─► | Side (to server) | Side (to client) |     Side.XxxAt: offset in the heap, 0: there is none
 */
/** From Tx.Parser on. */
export const enum Word {
  /** Offset of the context in the heap. */
  Context = 0,
  /** Bits of TlsEvent: 0 to 31, 32 to 63. */
  Events = 1,
  Flags = 3,
  /** + direction: of the hello, until then of the records; 0: nothing seen. */
  Version = 4,
  /** + direction: certificates of the chain. */
  Chain = 6,
  /** + 4 x direction: notBefore as days since 1970 and seconds of that day, notAfter as the same. */
  Validity = 8,
}

/** Word.Flags. */
export const enum TlsFlag {
  /** Messages seen, in the order of ssl_state's words. */
  ClientHello = 1,
  ServerHello = 2,
  ClientKeyExchange = 4,
  ServerKeyExchange = 8,
  /** << direction: Word.Validity is set. */
  Certificate = 0x10,
  /** The server took the session id of the client. */
  SameSession = 0x40,
  /** TLS 1.3 or one of its drafts was agreed. */
  Tls13 = 0x80,
  /** << direction: what follows is encrypted. */
  Encrypted = 0x100,
  /** A ServerHello came that is no HelloRetryRequest. */
  Agreed = 0x400,
  /** The server asks for the client's certificate. */
  Asked = 0x800,
}

/** Tx.State + direction; at the end STATE_DONE. */
export const enum TlsState {
  Start = 0,
  Hello = 1,
  Certificate = 2,
  KeyExchange = 3,
  /** The server's ServerHelloDone. */
  HelloDone = 4,
}

/** Words of a direction in the context. */
export const enum Side {
  /** Bytes of the record's header that were read (5: all), what it says, and how much of its content is to come. */
  Head = 0,
  Type = 1,
  RecordVersion = 2,
  Left = 3,
  /** Handshake message: bytes of its header read (4: all), type, length; bytes of its body seen; where it is put together, and room there. */
  HsHead = 4,
  HsType = 5,
  HsLen = 6,
  HsSeen = 7,
  HsAt = 8,
  HsRoom = 9,
  Flags = 10,
  /** Hellos and Certificate messages read. */
  Hellos = 11,
  Certificates = 12,
  RandomAt = 13,
  SessionIdAt = 14,
  SessionIdLen = 15,
  SniAt = 16,
  SniLen = 17,
  /** List of names, each behind its length in one byte. */
  AlpnAt = 18,
  AlpnLen = 19,
  /** JA3 or JA3S: text, and 32 digits. */
  JaAt = 20,
  JaLen = 21,
  JaHashAt = 22,
  Ja4At = 23,
  /** List of certificates, each behind its length in three bytes. */
  CertsAt = 24,
  CertsLen = 25,
  SubjectAt = 26,
  SubjectLen = 27,
  IssuerAt = 28,
  IssuerLen = 29,
  SerialAt = 30,
  SerialLen = 31,
  FingerprintAt = 32,
  /** Alternative names, each behind its length in two bytes. */
  SanAt = 33,
  SanLen = 34,
  /** Length of the last heartbeat's record (0: none), and what the one being read says of its payload's length. */
  Heartbeat = 35,
  HeartbeatSays = 36,
  /** Length of the record. */
  RecordLength = 37,
  /** Name of a hello that another one followed before it was shown. */
  EarlierSniAt = 38,
  EarlierSniLen = 39,
  /** JA3 and JA4 of the last hello, in the order of JaAt .. Ja4At; rules see these, records the first one's. */
  LastJaAt = 40,
  LastJaLen = 41,
  LastJaHashAt = 42,
  LastJa4At = 43,
  Words = 44,
}

/** Side.Flags. */
export const enum SideFlag {
  /** What select has shown. */
  HelloShown = 1,
  CertificateShown = 2,
  /** A ChangeCipherSpec came before there was anything to change to. */
  EarlyCipher = 4,
  /** Handshake messages can no longer be told apart; records can. */
  Opaque = 8,
  /** Records cannot be told apart any more. */
  Lost = 16,
  /** Put together further than there is room: the body is cut. */
  Cut = 32,
  /** The first record came. */
  Begun = 64,
}

export const RANDOM_BYTES = 32;
export const MD5_DIGITS = 32;
/** t13d1516h2_8daaf6152771_e5627efa2ab1 */
export const JA4_DIGITS = 36;
/** SHA-1 as text with colons. */
export const FINGERPRINT_DIGITS = 59;
