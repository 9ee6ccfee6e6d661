/**
 * Objects to bytes that several threads can read in place, and back.
 *
 *   0        4         8                16
 *   | magic  | version | skeleton bytes | skeleton (v8.serialize), padded to 8 | arena of typed arrays, each on 8 |
 *
 * The skeleton is the objects with every typed array replaced by its place in the arena, and every instance of a
 * known class by its number and fields. Unpacked typed arrays are views of the given memory: with a
 * SharedArrayBuffer all threads see one copy, which nobody may write to.
 *
 * For our own bytes only: from a cache file that was checked, or from the supervisor. v8.deserialize is not made for others.
 */
import { deserialize, serialize } from 'node:v8';

/** A class whose instances may be packed. */
export interface PackedClass {
  // biome-ignore lint/suspicious/noExplicitAny: any constructor
  make: { prototype: any; name: string };
  /** Fields that are not packed. */
  own: readonly string[];
}

const MAGIC = 0x4b504c53;
const VERSION = 1;
const HEADER = 16;

const VIEWS = [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float64Array] as const;
type View = InstanceType<(typeof VIEWS)[number]>;

/** Stand-ins in the skeleton, told from ordinary objects by a key no packed object may have. */
const ARRAY = '\0array';
const CLASS = '\0class';

const aligned = (n: number): number => (n + 7) & ~7;

/** Plain objects, arrays, Maps of plain data, typed arrays and instances of `classes`; equal references stay equal. */
export function pack(value: unknown, classes: readonly PackedClass[]): Uint8Array<ArrayBuffer> {
  const known = new Map<unknown, unknown>();
  const arrays: { view: View; at: number }[] = [];
  let length = 0;
  const encode = (v: unknown): unknown => {
    if (typeof v !== 'object' || v === null) return v;
    const before = known.get(v);
    if (before !== undefined) return before;
    if (ArrayBuffer.isView(v)) {
      const kind = VIEWS.findIndex((C) => v instanceof C);
      if (kind < 0) throw new TypeError(`cannot pack a ${v.constructor.name}`);
      const view = v as View;
      const place = { [ARRAY]: [kind, length, view.length] };
      arrays.push({ view, at: length });
      length = aligned(length + view.byteLength);
      known.set(v, place);
      return place;
    }
    if (Array.isArray(v)) {
      const out: unknown[] = new Array(v.length);
      known.set(v, out);
      for (let i = 0; i < v.length; i++) out[i] = encode(v[i]);
      return out;
    }
    if (v instanceof Map) return v;
    const prototype = Object.getPrototypeOf(v);
    const number = prototype === Object.prototype || prototype === null ? -1 : classes.findIndex((c) => c.make.prototype === prototype);
    if (number < 0 && prototype !== Object.prototype && prototype !== null)
      throw new TypeError(`cannot pack a ${v.constructor.name}: enter it among the classes`);
    const fields: Record<string, unknown> = {};
    const out = number < 0 ? fields : { [CLASS]: number, fields };
    known.set(v, out);
    for (const [key, field] of Object.entries(v)) if (number < 0 || !classes[number].own.includes(key)) fields[key] = encode(field);
    return out;
  };
  const skeleton = serialize(encode(value));
  const arena = aligned(HEADER + skeleton.length);
  const bytes = new Uint8Array(arena + length);
  new Uint32Array(bytes.buffer, 0, 3).set([MAGIC, VERSION, skeleton.length]);
  bytes.set(skeleton, HEADER);
  for (const { view, at } of arrays) bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), arena + at);
  return bytes;
}

/** The reverse; `bytes` lie at a multiple of 8. Throws when they are not ours. */
export function unpack<T>(bytes: Uint8Array, classes: readonly PackedClass[]): T {
  const { buffer, byteOffset } = bytes;
  const head = bytes.length >= HEADER ? new Uint32Array(buffer, byteOffset, 3) : new Uint32Array(3);
  if (head[0] !== MAGIC || head[1] !== VERSION || head[2] > bytes.length - HEADER) throw new Error('not a packed rule set of this version');
  const arena = byteOffset + aligned(HEADER + head[2]);
  const end = byteOffset + bytes.length;
  const known = new Map<object, unknown>();
  const decode = (v: unknown): unknown => {
    if (typeof v !== 'object' || v === null || v instanceof Map) return v;
    const before = known.get(v);
    if (before !== undefined) return before;
    if (Array.isArray(v)) {
      known.set(v, v);
      for (let i = 0; i < v.length; i++) {
        const item = v[i];
        if (typeof item === 'object' && item !== null) v[i] = decode(item);
      }
      return v;
    }
    const object = v as Record<string, unknown>;
    const place = object[ARRAY] as [number, number, number] | undefined;
    if (place !== undefined) {
      const [kind, at, length] = place;
      const C = VIEWS[kind];
      if (C === undefined || !(at >= 0 && length >= 0 && arena + at + length * C.BYTES_PER_ELEMENT <= end))
        throw new Error('a packed rule set names bytes beyond its end');
      const view = new C(buffer as ArrayBuffer, arena + at, length);
      known.set(v, view);
      return view;
    }
    const number = object[CLASS] as number | undefined;
    if (number === undefined) {
      known.set(v, object);
      for (const key of Object.keys(object)) object[key] = decode(object[key]);
      return object;
    }
    const instance = Object.create(classes[number].make.prototype) as Record<string, unknown>;
    known.set(v, instance);
    const fields = object.fields as Record<string, unknown>;
    for (const key of Object.keys(fields)) instance[key] = decode(fields[key]);
    return instance;
  };
  // v8 reads no shared memory: the skeleton is copied, the arena is not.
  return decode(deserialize(Buffer.from(bytes.slice(HEADER, HEADER + head[2])))) as T;
}
