/**
 * What is remembered of an SSH session, which is one transaction: the parser's words of the transaction hold its events and
 * where its context lies, a block of the heap that holds, per direction, how far it is read and where its bytes lie.
 *
 *   tx words | context | events | events |       context | Side (to server) | Side (to client) |
 */
export const enum Word {
  /** Offset of the context in the heap. */
  Context = 0,
  /** Bits of SshEvent, in two words. */
  Events = 1,
}

/** Tx.State + direction; at the end STATE_DONE. */
export const enum SshState {
  Start = 0,
  Banner = 1,
  KeyExchange = 2,
}

/** Words of a direction in the context. XxxAt: offset in the heap, 0: there is none. */
export const enum Side {
  Stage = 0,
  /** Banner: bytes of the line that are kept, where, and lines before it. */
  LineLen = 1,
  LineAt = 2,
  Lines = 3,
  /** Packet: bytes of its header read (6: all), its length field, bytes of its payload still to come, message. */
  Head = 4,
  Length = 5,
  Left = 6,
  Message = 7,
  /** KEXINIT while it is put together: where, room there, bytes of it seen. */
  KexAt = 8,
  KexRoom = 9,
  KexSeen = 10,
  ProtoAt = 11,
  ProtoLen = 12,
  SoftwareAt = 13,
  SoftwareLen = 14,
  HasshStringAt = 15,
  HasshStringLen = 16,
  HasshAt = 17,
  /** What select has shown: 1 the banner, 2 the key exchange. */
  Shown = 18,
  /** 1: speaks SSH 1, whose packets are others. */
  Old = 19,
  Words = 20,
}

export const enum Stage {
  /** The line is being read, or one that comes before it. */
  Banner = 0,
  /** The banner was read as far as it counts; its line goes on. */
  BannerEnd = 1,
  Packets = 2,
  /** What follows cannot be told apart. */
  End = 3,
  /** NEWKEYS came: what follows is encrypted. */
  Keys = 4,
}

export const enum Shown {
  Banner = 1,
  Hassh = 2,
}

/** RFC 4253, 4.2: a longer banner is an event. */
export const MOST_BANNER = 256;
export const MD5_DIGITS = 32;
