import { native } from '../../native.js';
import { FileState, type Files } from '../files/files.js';

/** Longest file that is put together; bytes that all pieces take, what does not fit pushes the oldest out. */
const LONGEST = 4 << 20;
const MOST_BYTES = 32 << 20;
/** Files, pieces of one, and pieces under way. */
const MOST_WHOLES = 4096;
const MOST_PIECES = 256;
const MOST_PARTS = 4096;
/** What a piece costs beside its bytes; the memory that one of unknown reach begins with. */
const PIECE_COST = 256;
const FIRST_BYTES = 4096;

interface Piece {
  readonly from: number;
  readonly to: number;
  /** Grows as bytes come, at last to - from of them. */
  bytes: Uint8Array;
}

interface Whole {
  readonly key: number;
  readonly size: number;
  /** In order, none over another. */
  readonly pieces: Piece[];
  /** Bytes in them, and what they cost. */
  there: number;
  cost: number;
}

interface RangePart {
  readonly whole: Whole;
  readonly tx: number;
  readonly piece: Piece;
  length: number;
}

/**
 * Responses that bring a file in pieces (Content-Range), put together: once all of it is there it is a file of the transaction that brought
 * the last piece, beside the piece itself, for rules and records alike. By a number that stands for host, name and size, whatever flow
 * brings them; one object per detecting thread.
 *
 *   piece: begin ── data* ── end        wholes: key ─► [0, 10000) [30000, 40000)        all there: a file
 */
export class Ranges {
  private readonly wholes = new Map<number, Whole>();
  /** By the number of the piece's own file. */
  private readonly parts = new Map<number, RangePart>();
  /** What all pieces cost. */
  private bytes = 0;
  /** Shown in the packet at hand: the addon knows them until the next one. */
  private readonly regions: number[] = [];

  constructor(private readonly files: Files) {}

  /** A new packet. */
  packet(): void {
    while (this.regions.length > 0) native.regionRelease(this.regions.pop()!);
  }

  /** The bytes [from, to] of the file `key`, of `size` bytes, are the file with that number. False: they are not looked at. */
  begin(file: number, tx: number, key: number, from: number, to: number, size: number): boolean {
    if (file < 0 || size > LONGEST || to >= size || to + 1 - from === size || this.parts.size >= MOST_PARTS) return false;
    let whole = this.wholes.get(key);
    if (whole === undefined) {
      if (this.wholes.size >= MOST_WHOLES) this.forgetOldest();
      whole = { key, size, pieces: [], there: 0, cost: 0 };
      this.wholes.set(key, whole);
    }
    const piece = { from, to: to + 1, bytes: new Uint8Array(Math.min(to + 1 - from, FIRST_BYTES)) };
    this.bytes += costOf(piece);
    this.parts.set(file, { whole, tx, piece, length: 0 });
    return true;
  }

  data(file: number, mem: Uint8Array, off: number, len: number): void {
    const part = this.parts.get(file);
    if (part === undefined) return;
    const { piece } = part;
    const n = Math.min(len, piece.to - piece.from - part.length);
    if (n <= 0) return;
    if (part.length + n > piece.bytes.length && !this.grow(part, part.length + n)) {
      this.drop(file, part);
      return;
    }
    for (let i = 0, to = part.length; i < n; i++) piece.bytes[to + i] = mem[off + i];
    part.length += n;
  }

  /** Makes room for `length` bytes. False: all that is kept is of pieces under way. */
  private grow({ piece }: RangePart, length: number): boolean {
    const had = piece.bytes;
    const size = Math.min(Math.max(2 * had.length, length), piece.to - piece.from);
    while (this.bytes + size - had.length > MOST_BYTES && this.wholes.size > 0) this.forgetOldest();
    if (this.bytes + size - had.length > MOST_BYTES) return false;
    piece.bytes = new Uint8Array(size);
    piece.bytes.set(had);
    this.bytes += size - had.length;
    return true;
  }

  /** The piece has ended, or is given up. `name`: of the whole file. */
  end(file: number, isWhole: boolean, mem: Uint8Array, nameOff: number, nameLen: number): void {
    const part = this.parts.get(file);
    if (part === undefined) return;
    const { whole, piece } = part;
    if (!isWhole || part.length !== piece.to - piece.from || this.wholes.get(whole.key) !== whole || !insert(whole, piece)) {
      this.drop(file, part);
      return;
    }
    this.parts.delete(file);
    whole.there += part.length;
    whole.cost += costOf(piece);
    if (whole.pieces.length > MOST_PIECES) this.forget(whole);
    else if (whole.there === whole.size) {
      this.forget(whole);
      this.show(part.tx, whole, mem, nameOff, nameLen);
    }
  }

  private show(tx: number, whole: Whole, mem: Uint8Array, nameOff: number, nameLen: number): void {
    const buffer = new ArrayBuffer(whole.size);
    const memory = new Uint8Array(buffer);
    for (const { from, bytes } of whole.pieces) memory.set(bytes, from);
    const region = native.region(buffer);
    this.regions.push(region);
    const file = this.files.open(tx, 1, mem, nameOff, nameLen);
    this.files.data(file, memory, region, 0, memory.length);
    this.files.close(file, FileState.Closed);
  }

  private drop(file: number, part: RangePart): void {
    this.parts.delete(file);
    this.bytes -= costOf(part.piece);
  }

  private forgetOldest(): void {
    this.forget(this.wholes.values().next().value!);
  }

  private forget(whole: Whole): void {
    if (this.wholes.delete(whole.key)) this.bytes -= whole.cost;
  }
}

function costOf(piece: Piece): number {
  return piece.bytes.length + PIECE_COST;
}

/** False: it lies over another. */
function insert({ pieces }: Whole, piece: Piece): boolean {
  let at = pieces.length;
  while (at > 0 && pieces[at - 1].from > piece.from) at--;
  if ((at > 0 && pieces[at - 1].to > piece.from) || (at < pieces.length && pieces[at].from < piece.to)) return false;
  pieces.splice(at, 0, piece);
  return true;
}
