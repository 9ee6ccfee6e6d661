/**
 * The numbers of the two capture file formats.
 *
 * pcap (draft-ietf-opsawg-pcap): one file header, then records.
 *
 *   0        4     6     8         16       20        24
 *   | magic  | maj | min | zone .. | snaplen | linktype | record | record | ...
 *
 *   record:  | sec u32 | fraction u32 | captured u32 | on wire u32 | bytes ... |
 *            the "modified" format has 8 bytes more (interface, protocol, type) before the bytes
 *
 * pcapng (draft-ietf-opsawg-pcapng): blocks, each padded to 4 bytes, in sections of one byte order.
 *
 *   block:   | type u32 | total length u32 | body ... | total length u32 |
 *   SHB:     byte-order magic u32, major u16, minor u16, section length i64, options
 *   IDB:     link type u16, reserved u16, snaplen u32, options
 *   EPB:     interface u32, time high u32, time low u32, captured u32, on wire u32, bytes, options
 *   SPB:     on wire u32, bytes
 *   OPB:     interface u16, drops u16, time high u32, time low u32, captured u32, on wire u32, bytes, options
 */
export const enum Magic {
  Micro = 0xa1b2c3d4,
  Nano = 0xa1b23c4d,
  /** Written by a patched libpcap of the 1990s: longer record headers. */
  Modified = 0xa1b2cd34,
  ByteOrder = 0x1a2b3c4d,
}

export const enum Block {
  Section = 0x0a0d0d0a,
  Interface = 1,
  ObsoletePacket = 2,
  SimplePacket = 3,
  EnhancedPacket = 6,
}

/** Bytes of a pcap file's parts. */
export const enum Size {
  FileHeader = 24,
  Record = 16,
  /** Further bytes of a record header in the modified format. */
  ModifiedExtra = 8,
}

/** Least bytes of a pcapng block of each kind, without options and packet bytes. */
export const enum BlockSize {
  Any = 12,
  Simple = 16,
  Interface = 20,
  Section = 28,
  Packet = 32,
}

export const enum InterfaceOption {
  End = 0,
  TsResol = 9,
  TsOffset = 14,
}

/** The longest packet a capture file may hold: libpcap's own bound (MAXIMUM_SNAPLEN). */
export const MAX_CAPTURED = 262144;
/** The longest pcapng block, of whatever type: lengths stay int32. */
export const MAX_BLOCK = 0x7ffffff0;
/** Interfaces per pcapng section; a file that names more is damaged. */
export const MAX_INTERFACES = 65536;
/** Options of one interface block that are looked at. */
export const MAX_OPTION_BYTES = 65536;
