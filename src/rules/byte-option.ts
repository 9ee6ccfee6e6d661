/**
 * Tests on bytes: what content, pcre and their like become. They stand in lists, one per buffer (the packet's payload or
 * a sticky buffer), in the order written. Source: user guide, "Payload Keywords", "Base64 keywords".
 *
 * All but `bsize`, `absent` and `rpc` may look from where the positive test before them ended ("relative"); content,
 * pcre, byte_jump, byte_extract and byte_math move that place.
 */
import type { NumberTest } from './packet-option.js';

/** A number, or the name of the byte_extract or byte_math variable (letters first) that holds it. */
export type Operand = number | string;

export interface ContentOption {
  kind: 'content';
  /** Raw bytes, |hex| and escapes decoded. Lower-cased when nocase. */
  pattern: Uint8Array;
  negated: boolean;
  nocase: boolean;
  offset?: Operand;
  depth?: Operand;
  distance?: Operand;
  within?: Operand;
  startswith: boolean;
  endswith: boolean;
  /** fast_pattern; `only` and `chop` as given. */
  fastPattern: boolean;
  fastPatternOnly: boolean;
  fastPatternChop?: { offset: number; length: number };
  rawbytes: boolean;
  /** `replace`: as many bytes as the pattern, written over its match when the packet is forwarded inline. */
  replace?: Uint8Array;
}

export interface PcreOption {
  kind: 'pcre';
  /** Without delimiters. */
  pattern: string;
  negated: boolean;
  /** PCRE2 flags: a subset of i, s, m, x, A, E, G. */
  flags: string;
  /** R: relative to the last match. */
  relative: boolean;
  /** Variables that take the captures, in order: `flow:name`, `pkt:name`, `alert:name`. Nothing reads them yet. */
  captures?: string[];
}

/** How a number is read out of the bytes. The value is an unsigned integer of 64 bits. */
export interface NumberField {
  /** How many bytes; 0 reads 0. */
  bytes: Operand;
  offset: Operand;
  relative: boolean;
  /** `dce`: as the header of the DCERPC message says. */
  endian: 'big' | 'little' | 'dce';
  /** The number is written as text in this base; 0 takes 0x for hex and a leading 0 for octal. Absent: binary. */
  base?: 0 | 8 | 10 | 16;
  /** Of 32 bits, not 0. The result is shifted down by its trailing zeros. */
  bitmask?: number;
}

export interface IsDataAtOption {
  kind: 'isdataat';
  negated: boolean;
  at: Operand;
  relative: boolean;
  rawbytes: boolean;
}

export interface ByteTestOption {
  kind: 'byte_test';
  negated: boolean;
  /** `^` holds when the two differ (the user guide calls it "bitwise OR"). */
  op: '<' | '>' | '=' | '<=' | '>=' | '&' | '^';
  /** A number above 2^53 - 1 is a string of its decimal digits. */
  value: Operand;
  field: NumberField;
}

export interface ByteJumpOption {
  kind: 'byte_jump';
  field: NumberField;
  multiplier: number;
  /** Up to a multiple of 4. */
  align: boolean;
  from: 'here' | 'beginning' | 'end';
  postOffset: number;
}

export interface ByteExtractOption {
  kind: 'byte_extract';
  name: string;
  field: NumberField;
  multiplier: number;
  /** Up to a multiple of 2 or 4; 0: as it is. */
  align: 0 | 2 | 4;
}

export interface ByteMathOption {
  kind: 'byte_math';
  name: string;
  /** Its bitmask applies to the result. */
  field: NumberField;
  op: '+' | '-' | '*' | '/' | '<<' | '>>';
  value: Operand;
}

export interface BsizeOption {
  kind: 'bsize';
  test: NumberTest;
}

export interface AbsentOption {
  kind: 'absent';
  /** The tests behind it may hold instead. */
  orElse: boolean;
}

export interface Base64Option {
  kind: 'base64_decode';
  /** Most bytes taken, 0: all. */
  bytes: number;
  offset: number;
  relative: boolean;
  /** base64_data: tests on what comes out. Never empty in a rule. */
  tests: ByteOption[];
}

export interface Asn1Option {
  kind: 'asn1';
  /** Where the data begins. */
  offset: number;
  relative: boolean;
  oversize?: number;
  bitstringOverflow: boolean;
  doubleOverflow: boolean;
}

export interface EntropyOption {
  kind: 'entropy';
  /** 0: up to the end. */
  bytes: number;
  offset: number;
  op: '=' | '!=' | '<' | '<=' | '>' | '>=' | '<>' | '!<>';
  /** Bits per byte, 0 to 8; `b` is the end of a range, which is exclusive. */
  a: number;
  b: number;
}

/** A SUNRPC call. */
export interface RpcOption {
  kind: 'rpc';
  program: number;
  /** Undefined: any. */
  version?: number;
  procedure?: number;
}

/** An FTP command PORT that names another address than the client's. */
export interface FtpBounceOption {
  kind: 'ftpbounce';
}

/** What a rule says of a dataset besides its name; paths as written. The set itself is the load's (datasets.ts). */
export interface DatasetUse {
  name: string;
  /** Absent: the set is defined elsewhere. */
  type?: 'string' | 'md5' | 'sha256' | 'ipv4' | 'ip';
  load?: string;
  save?: string;
  state?: string;
  /** Bytes. */
  memcap?: number;
  hashsize?: number;
}

/** The whole buffer is in a set, or not; `set` and `unset` change it and hold when that changed something. */
export interface DatasetOption extends DatasetUse {
  kind: 'dataset';
  op: 'set' | 'unset' | 'isset' | 'isnotset';
}

/** The whole buffer is in a set, with such a reputation. */
export interface DatarepOption extends DatasetUse {
  kind: 'datarep';
  op: '>' | '<' | '==';
  /** 0 to 65535. */
  value: number;
}

export type ByteOption =
  | ContentOption
  | PcreOption
  | IsDataAtOption
  | ByteTestOption
  | ByteJumpOption
  | ByteExtractOption
  | ByteMathOption
  | BsizeOption
  | AbsentOption
  | Base64Option
  | Asn1Option
  | EntropyOption
  | RpcOption
  | FtpBounceOption
  | DatasetOption
  | DatarepOption;
