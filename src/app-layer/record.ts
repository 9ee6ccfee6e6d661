/**
 * What a parser says of a transaction for EVE: a tree of fields, written per record by the parsing thread (no strings, no
 * allocation) and made JSON by whoever writes the logs. `field` is an index into the protocol's own list of names.
 */
export interface RecordWriter {
  /** Bytes, shown as text (what is not UTF-8 is escaped as Suricata does). */
  text(field: number, mem: Uint8Array, off: number, len: number): void;
  /** The same as lower-case hex, with `separator` between bytes ('' or ':'). */
  hex(field: number, mem: Uint8Array, off: number, len: number, colons: boolean): void;
  /** A constant of the protocol: index into its list of words. */
  word(field: number, word: number): void;
  number(field: number, value: number): void;
  flag(field: number, value: boolean): void;
  /** An IP address, printed: 4 or 16 bytes. */
  address(field: number, mem: Uint8Array, off: number, len: number): void;
  /** What follows until end() is an object, an array. Inside an array `field` is -1. */
  object(field: number): void;
  array(field: number): void;
  end(): void;
}

/** Names and words of a protocol's records. */
export interface RecordNames {
  /** EVE's event_type and the name of the object: `dns`. */
  type: string;
  fields: readonly string[];
  words: readonly string[];
  /** The field whose value stands beside the object, under its own name, not within (`email`). */
  beside?: number;
  /** A text that is not printed: for the writer of the logs (`xff`). */
  hidden?: number;
}
