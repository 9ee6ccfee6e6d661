import { type Delivery, data, finish, gap, type Random, type Talk } from './delivery.js';

/** The longest payload of a packet. */
export const MOST_PACKET = 65_495;
/** Who fills a hole brings so much at once (src/app-layer, stream.reassembly.depth). */
export const MOST_HOLE = 1 << 20;

const BYTES = [0, 1, 2, 9, 10, 13, 32, 34, 37, 45, 46, 47, 48, 57, 58, 61, 63, 64, 65, 127, 128, 192, 254, 255];
const NUMBERS = [
  '0',
  '1',
  '-1',
  '9',
  '00000000000000000000',
  '65536',
  '4294967295',
  '4294967296',
  '18446744073709551616',
  'ffffffff',
  'x',
  '',
];

type Change = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const part = (random: Random, bytes: Uint8Array) => {
  const from = random.below(bytes.length);
  return bytes.subarray(from, from + random.size(bytes.length - from));
};
const with_ = (random: Random, bytes: Uint8Array, inserted: Uint8Array) => {
  const at = random.below(bytes.length + 1);
  return joined(bytes.subarray(0, at), inserted, bytes.subarray(at));
};

const flipBits: Change = (random, bytes) => {
  const copy = bytes.slice();
  for (let n = random.size(16); n > 0; n--) copy[random.below(copy.length)] ^= 1 << random.below(8);
  return copy;
};
const setBytes: Change = (random, bytes) => {
  const copy = bytes.slice();
  for (let n = random.size(8); n > 0; n--) copy[random.below(copy.length)] = random.chance(80) ? random.pick(BYTES) : random.below(256);
  return copy;
};
const insert: Change = (random, bytes) => {
  const value = random.pick(BYTES);
  const same = random.chance(50);
  return with_(
    random,
    bytes,
    Uint8Array.from({ length: random.size(600) }, () => (same ? value : random.below(256))),
  );
};
const remove: Change = (random, bytes) => {
  const from = random.below(bytes.length);
  return joined(bytes.subarray(0, from), bytes.subarray(from + random.size(bytes.length - from)));
};
const again: Change = (random, bytes) => with_(random, bytes, part(random, bytes));
const splice: Change = (random, bytes, other) => joined(bytes.subarray(0, random.below(bytes.length + 1)), part(random, other));
const concatenate: Change = (_random, bytes, other) => joined(bytes, other);
const truncate: Change = (random, bytes) => bytes.subarray(0, random.below(bytes.length) + 1);
const into: Change = (random, bytes, other) => with_(random, bytes, part(random, other));

/** A part of it, over and over: the cheapest way to ask for much work. */
const repeat: Change = (random, bytes) => {
  const from = random.below(bytes.length);
  const unit = random.chance(30) ? bytes : bytes.subarray(from, from + random.size(Math.min(bytes.length - from, 4096)));
  const most = random.chance(60) ? MOST_PACKET : random.size(MOST_PACKET);
  const room = Math.max(0, most - bytes.length);
  const filled = new Uint8Array(Math.max(unit.length, Math.floor(room / unit.length) * unit.length));
  for (let at = 0; at < filled.length; at += unit.length) filled.set(unit, at);
  return random.chance(50) ? joined(bytes.subarray(0, from), filled, bytes.subarray(from)) : filled;
};

/** A field of one to four bytes says something else about what follows it. */
const lengthField: Change = (random, bytes) => {
  const copy = bytes.slice();
  const width = Math.min(1 + random.below(4), copy.length);
  const at = random.below(copy.length - width + 1);
  let old = 0;
  for (let i = 0; i < width; i++) old = old * 256 + copy[at + i];
  const full = 256 ** width - 1;
  const rest = copy.length - at - width;
  const value = random.pick([
    0,
    1,
    old + 1,
    old - 1,
    old * 2,
    rest,
    rest + 1,
    rest - 1,
    full,
    full - 1,
    (full + 1) / 2,
    random.below(full + 1),
  ]);
  for (let i = 0; i < width; i++) copy[at + i] = Math.floor(Math.max(0, value) / 256 ** (width - 1 - i)) & 255;
  return copy;
};
/** The same in text. */
const numberField: Change = (random, bytes) => {
  const isDigit = (c: number) => c >= 48 && c <= 57;
  let from = random.below(bytes.length);
  while (from < bytes.length && !isDigit(bytes[from])) from++;
  let to = from;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  const number = random.chance(70) ? random.pick(NUMBERS) : String(random.below(2 ** random.below(40)));
  return joined(bytes.subarray(0, from), Buffer.from(number), bytes.subarray(to));
};

const CHANGES: readonly Change[] = [
  flipBits,
  setBytes,
  insert,
  remove,
  again,
  splice,
  concatenate,
  truncate,
  into,
  repeat,
  lengthField,
  lengthField,
  numberField,
];

/** The bytes after one to four changes; `other`: what else may be taken from. At least one byte, at most `most`. */
export function mutated(random: Random, bytes: Uint8Array, other: Uint8Array, most = MOST_PACKET): Uint8Array {
  let now = bytes;
  for (let n = random.size(4); n > 0; n--) {
    if (now.length === 0) now = Uint8Array.of(random.below(256));
    now = random
      .pick(CHANGES)(random, now, other.length > 0 ? other : now)
      .subarray(0, most);
  }
  return now;
}

/** A talk's pieces changed, cut anew, in another order, with gaps and ends: what a parser is given. */
export function deliveriesOf(random: Random, talk: Talk, talks: readonly Talk[]): Delivery[] {
  const pieces = changedPieces(random, talk, talks);
  if (talk.datagrams) return pieces;
  const list = cutAnew(random, pieces);
  if (list.length === 0) return list;
  if (random.chance(30)) exchange(random, list);
  if (random.chance(25)) breakUp(random, list);
  return list;
}

/** Some of them come in one packet. */
export function inFewerPackets(random: Random, list: Delivery[]): Delivery[] {
  const rate = random.pick([0, 0, 0, 10, 50, 95]);
  return rate === 0 ? list : list.map((delivery) => ({ ...delivery, more: random.chance(rate) }));
}

function changedPieces(random: Random, talk: Talk, talks: readonly Talk[]): Delivery[] {
  const list: Delivery[] = [];
  const other = () => random.pick(random.pick(talks).pieces).bytes;
  // Rarely as it was, to get deep; else some of its pieces.
  const rate = random.pick([0, 10, 30, 60, 100]);
  const from = random.chance(80) ? 0 : random.below(talk.pieces.length);
  for (let i = from; i < talk.pieces.length && list.length < 64; i++) {
    const { direction, bytes } = talk.pieces[i];
    list.push(data(direction, random.chance(rate) ? mutated(random, bytes, other()) : bytes));
    if (random.chance(3)) list.push(data(direction, other()));
    if (random.chance(3)) i = random.below(talk.pieces.length);
  }
  if (random.below(300) === 0) list.push(hole(random, list));
  return list;
}

/** 1 MiB at once. */
function hole(random: Random, list: readonly Delivery[]): Delivery {
  const { direction, bytes } = random.pick(list);
  const unit = bytes.length > 0 ? bytes.subarray(0, random.size(bytes.length)) : Uint8Array.of(65, 10);
  const all = new Uint8Array(Math.max(1, Math.floor(MOST_HOLE / unit.length)) * unit.length);
  for (let at = 0; at < all.length; at += unit.length) all.set(unit, at);
  return data(direction, all);
}

/** The same streams in other segments: as they came, joined, in random parts, or in single bytes. */
function cutAnew(random: Random, pieces: readonly Delivery[]): Delivery[] {
  const way = random.below(5);
  if (way === 0) return [...pieces];
  const list: Delivery[] = [];
  for (const { direction, bytes } of pieces) {
    const last = list.at(-1);
    if (way === 1 && last !== undefined && last.direction === direction && last.length + bytes.length <= MOST_PACKET) {
      list[list.length - 1] = data(direction, joined(last.bytes, bytes));
      continue;
    }
    if (way <= 2 || bytes.length > MOST_PACKET) {
      list.push(data(direction, bytes));
      continue;
    }
    const most = way === 3 ? 1460 : 8;
    for (let at = 0; at < bytes.length; ) {
      // A thousand segments are enough.
      const n = list.length > 1000 ? bytes.length - at : Math.min(random.size(most), bytes.length - at);
      list.push(data(direction, bytes.subarray(at, at + n)));
      at += n;
    }
  }
  return list;
}

/** Directions overtake each other. */
function exchange(random: Random, list: Delivery[]): void {
  for (let n = random.size(list.length); n > 0; n--) {
    const i = random.below(list.length);
    const j = Math.min(list.length - 1, i + random.size(3));
    if (list[i].direction !== list[j].direction) [list[i], list[j]] = [list[j], list[i]];
  }
}

function breakUp(random: Random, list: Delivery[]): void {
  for (let n = random.size(4); n > 0; n--) {
    const i = random.below(list.length);
    const { direction, length } = list[i];
    if (random.chance(70)) list[i] = gap(direction, random.chance(60) ? length : random.chance(50) ? 0 : random.size(1 << 20));
    else list.splice(i, 0, finish(random.below(2)));
  }
}
