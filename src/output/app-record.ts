import { FILE_NAMES } from '../app-layer/files/record.js';
import { PROTOCOL_SPECS } from '../app-layer/protocols.js';
import type { RecordNames, RecordWriter } from '../app-layer/record.js';
import { addressText } from './text.js';

/**
 * What a parser says of a transaction, on its way from the detecting thread to the writer of the logs: items one after the other.
 *
 *   | kind (u8) | field (u8, 255: none) | value                                        |
 *     Text, Hex, HexColons, Address       length (u16), bytes
 *     Word                                index (u16)
 *     Number                              f64
 *     False, True, Object, Array, End     nothing
 */
const enum Item {
  Text = 1,
  Hex,
  HexColons,
  Word,
  Number,
  False,
  True,
  Address,
  Object,
  Array,
  End,
}
const NO_FIELD = 255;
const DEPTH = 8;

/** Most bytes of a record. What does not fit is left out, item by item. */
export const MOST_APP_BYTES = 32768;

/** Fills one record after the other: reset, a parser's record(), then bytes[0, length). */
export class AppRecordWriter implements RecordWriter {
  readonly bytes = new Uint8Array(MOST_APP_BYTES);
  length = 0;
  /** Something was left out. */
  cut = false;
  private readonly view = new DataView(this.bytes.buffer);
  /** Objects and arrays that are open; those inside one that was left out. */
  private depth = 0;
  private skipped = 0;

  reset(): void {
    this.length = 0;
    this.cut = false;
    this.depth = 0;
    this.skipped = 0;
  }

  text(field: number, mem: Uint8Array, off: number, len: number): void {
    this.put(Item.Text, field, mem, off, len);
  }
  hex(field: number, mem: Uint8Array, off: number, len: number, colons: boolean): void {
    this.put(colons ? Item.HexColons : Item.Hex, field, mem, off, len);
  }
  address(field: number, mem: Uint8Array, off: number, len: number): void {
    this.put(Item.Address, field, mem, off, len);
  }
  word(field: number, word: number): void {
    const at = this.item(Item.Word, field, 2);
    if (at >= 0) this.view.setUint16(at, word, true);
  }
  number(field: number, value: number): void {
    const at = this.item(Item.Number, field, 8);
    if (at >= 0) this.view.setFloat64(at, value, true);
  }
  flag(field: number, value: boolean): void {
    this.item(value ? Item.True : Item.False, field, 0);
  }
  object(field: number): void {
    this.open(Item.Object, field);
  }
  array(field: number): void {
    this.open(Item.Array, field);
  }
  end(): void {
    if (this.skipped > 0) this.skipped--;
    else if (this.depth > 0) {
      // Room for it was kept.
      this.depth--;
      this.bytes[this.length++] = Item.End;
      this.bytes[this.length++] = NO_FIELD;
    }
  }

  private open(kind: Item, field: number): void {
    if (this.depth < DEPTH && this.item(kind, field, 2) >= 0) {
      this.length -= 2;
      this.depth++;
    } else {
      this.skipped++;
      this.cut = true;
    }
  }

  private put(kind: Item, field: number, mem: Uint8Array, off: number, len: number): void {
    const at = this.item(kind, field, 2 + len);
    if (at < 0) return;
    this.view.setUint16(at, len, true);
    const { bytes } = this;
    for (let i = 0; i < len; i++) bytes[at + 2 + i] = mem[off + i];
  }

  /** Offset of the item's value; -1: left out. */
  private item(kind: Item, field: number, value: number): number {
    const at = this.length;
    if (this.skipped > 0 || at + 2 + value + 2 * this.depth > MOST_APP_BYTES) {
      this.cut = true;
      return -1;
    }
    this.bytes[at] = kind;
    this.bytes[at + 1] = field < 0 ? NO_FIELD : field;
    this.length = at + 2 + value;
    return at + 2;
  }
}

/** EVE's event_type and name of the object, '' for a protocol without records. */
export function appRecordType(proto: number): string {
  return PROTOCOL_SPECS[proto]?.names.type ?? '';
}

/**
 * `{...}` of a record, with the fields of `only` if it is given; '' when the bytes are none. They come from a process that parses hostile traffic: every number is checked.
 * Bytes that are not UTF-8 are shown as Suricata does: `\xNN`.
 */
export function appRecordJson(proto: number, bytes: Buffer, only?: ReadonlySet<string>): string {
  const names = PROTOCOL_SPECS[proto]?.names;
  return names === undefined ? '' : new RecordReader(names, bytes, only).read();
}

/** What stands beside the object: `,"email":{...}`; '' when there is nothing. */
export function appRecordBeside(proto: number, bytes: Buffer): string {
  const names = PROTOCOL_SPECS[proto]?.names;
  if (names?.beside === undefined) return '';
  const reader = new RecordReader(names, bytes);
  return reader.read() === '' ? '' : reader.beside;
}

/** The text that RecordNames.hidden keeps out of the object; '' when there is none. */
export function appRecordHidden(proto: number, bytes: Buffer): string {
  const names = PROTOCOL_SPECS[proto]?.names;
  if (names?.hidden === undefined) return '';
  const reader = new RecordReader(names, bytes);
  return reader.read() === '' || reader.hidden === '' ? '' : String(JSON.parse(reader.hidden));
}

/** `{...}` of the record of a file. */
export function fileRecordJson(bytes: Buffer): string {
  return new RecordReader(FILE_NAMES, bytes).read();
}

/** Digest and number of a file that is stored; null: it is not. */
export function storedFile(bytes: Buffer): { digest: string; id: number } | null {
  const json = fileRecordJson(bytes);
  if (json === '') return null;
  const { stored, sha256, file_id: id } = JSON.parse(json) as { stored?: unknown; sha256?: unknown; file_id?: unknown };
  return stored === true && typeof sha256 === 'string' && Number.isInteger(id) ? { digest: sha256, id: id as number } : null;
}

/** `[{...}]`: the files of an alert; '' for bytes that are none. */
export function alertFilesJson(bytes: Buffer): string {
  return bytes.length === 0 ? '' : new RecordReader(FILE_NAMES, bytes).readArray();
}

class RecordReader {
  /** The field of RecordNames.beside, once the record was read. */
  beside = '';
  /** Of RecordNames.hidden, as JSON. */
  hidden = '';
  private at = 0;

  constructor(
    private readonly names: RecordNames,
    private readonly bytes: Buffer,
    private readonly only?: ReadonlySet<string>,
  ) {}

  read(): string {
    const inside = this.items(false, 0);
    return inside === null || this.at !== this.bytes.length ? '' : `{${inside}}`;
  }

  readArray(): string {
    const inside = this.items(true, 0);
    return inside === null || this.at !== this.bytes.length ? '' : `[${inside}]`;
  }

  /** The items up to the End of this object or array, or the end of the bytes at the top. null: damaged. */
  private items(inArray: boolean, depth: number): string | null {
    let s = '';
    for (;;) {
      if (this.at === this.bytes.length) return depth === 0 ? s : null;
      if (this.at + 2 > this.bytes.length) return null;
      const kind: Item = this.bytes[this.at];
      const field = this.bytes[this.at + 1];
      this.at += 2;
      if (kind === Item.End) return depth === 0 ? null : s;
      const value = this.value(kind, depth);
      if (value === null) return null;
      if (!inArray) {
        if (field >= this.names.fields.length) return null;
        const name = this.names.fields[field];
        if (depth === 0 && field === this.names.beside) {
          this.beside = `,"${name}":${value}`;
          continue;
        }
        if (depth === 0 && field === this.names.hidden) {
          this.hidden = value;
          continue;
        }
        if (depth === 0 && this.only?.has(name) === false) continue;
        s += `${s === '' ? '' : ','}"${name}":${value}`;
      } else s += s === '' ? value : `,${value}`;
    }
  }

  private value(kind: Item, depth: number): string | null {
    switch (kind) {
      case Item.False:
        return 'false';
      case Item.True:
        return 'true';
      case Item.Number: {
        const at = this.take(8);
        const n = at < 0 ? Number.NaN : this.bytes.readDoubleLE(at);
        return Number.isFinite(n) ? String(n) : null;
      }
      case Item.Word: {
        const at = this.take(2);
        const word = at < 0 ? -1 : this.bytes.readUInt16LE(at);
        return word >= 0 && word < this.names.words.length ? JSON.stringify(this.names.words[word]) : null;
      }
      case Item.Object:
      case Item.Array: {
        if (depth >= DEPTH) return null;
        const inside = this.items(kind === Item.Array, depth + 1);
        if (inside === null) return null;
        return kind === Item.Array ? `[${inside}]` : `{${inside}}`;
      }
      case Item.Text:
      case Item.Hex:
      case Item.HexColons:
      case Item.Address:
        return this.bytesValue(kind);
      default:
        return null;
    }
  }

  private bytesValue(kind: Item): string | null {
    const head = this.take(2);
    if (head < 0) return null;
    const length = this.bytes.readUInt16LE(head);
    const at = this.take(length);
    if (at < 0) return null;
    const part = this.bytes.subarray(at, at + length);
    if (kind === Item.Text) return JSON.stringify(shown(part));
    if (kind === Item.Address) {
      if (length !== 4 && length !== 16) return null;
      const words = new Uint32Array(4);
      for (let i = 0; i < length / 4; i++) words[i] = part.readUInt32BE(4 * i);
      return `"${addressText(length === 4 ? 4 : 6, words)}"`;
    }
    const hex = part.toString('hex');
    return `"${kind === Item.Hex ? hex : (hex.match(/../g) ?? []).join(':')}"`;
  }

  private take(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) return -1;
    this.at = at + length;
    return at;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function shown(bytes: Buffer): string {
  let plain = true;
  for (let i = 0; i < bytes.length && plain; i++) plain = bytes[i] < 0x80;
  if (plain) return bytes.toString('latin1');
  try {
    return utf8.decode(bytes);
  } catch {
    let s = '';
    for (const b of bytes) s += b < 0x80 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, '0')}`;
    return s;
  }
}
