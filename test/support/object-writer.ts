import type { RecordNames, RecordWriter } from '../../src/app-layer/record.js';

// biome-ignore lint/suspicious/noExplicitAny: JSON of no fixed form
export type Json = Record<string, any>;

export function latin1(mem: Uint8Array, off: number, len: number): string {
  return Buffer.from(mem.buffer, mem.byteOffset + off, len).toString('latin1');
}

/** Text as Suricata escapes it. */
export function escaped(mem: Uint8Array, off: number, len: number): string {
  const part = mem.subarray(off, off + len);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(part);
  } catch {
    return [...part].map((b) => (b < 0x80 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, '0')}`)).join('');
  }
}

/** Builds a plain object out of a record; refuses a field that comes twice, or that nobody named. */
export class ObjectWriter implements RecordWriter {
  readonly root: Json = {};
  private readonly stack: Json[] = [this.root];

  constructor(
    private readonly names: RecordNames,
    private readonly show: (mem: Uint8Array, off: number, len: number) => string = latin1,
  ) {}

  text(field: number, mem: Uint8Array, off: number, len: number): void {
    this.put(field, this.show(mem, off, len));
  }
  hex(field: number, mem: Uint8Array, off: number, len: number, colons: boolean): void {
    this.put(field, [...mem.subarray(off, off + len)].map((b) => b.toString(16).padStart(2, '0')).join(colons ? ':' : ''));
  }
  word(field: number, word: number): void {
    this.put(field, this.names.words[word]);
  }
  number(field: number, value: number): void {
    this.put(field, value);
  }
  flag(field: number, value: boolean): void {
    this.put(field, value);
  }
  address(field: number, mem: Uint8Array, off: number, len: number): void {
    const part = [...mem.subarray(off, off + len)];
    if (len === 4) this.put(field, part.join('.'));
    else this.put(field, part.map((b, i) => (i % 2 === 0 && i > 0 ? ':' : '') + b.toString(16).padStart(2, '0')).join(''));
  }
  object(field: number): void {
    this.open(field, {});
  }
  array(field: number): void {
    this.open(field, []);
  }
  end(): void {
    if (this.stack.length === 1) throw new Error('end without a beginning');
    this.stack.pop();
  }
  done(): Json {
    if (this.stack.length !== 1) throw new Error('something is not ended');
    return this.root;
  }

  private open(field: number, value: object): void {
    this.put(field, value);
    this.stack.push(value);
  }
  private put(field: number, value: unknown): void {
    const top = this.stack[this.stack.length - 1];
    if (Array.isArray(top)) {
      if (field !== -1) throw new Error('a field in an array');
      top.push(value);
      return;
    }
    const name = this.names.fields[field];
    if (name === undefined || name in top) throw new Error(`field ${field} (${name}) twice or unknown`);
    if (value === undefined) throw new Error(`${name} has no value`);
    top[name] = value;
  }
}
