import { native } from '../../native.js';
import { FileState, type Files } from '../files/files.js';

/** Longest file that is put together; bytes of all pieces, what does not fit pushes the oldest out. */
const LONGEST = 4 << 20;
const MOST_BYTES = 32 << 20;
/** Files, pieces of one, and pieces under way. */
const MOST_WHOLES = 4096;
const MOST_PIECES = 256;
const MOST_PARTS = 4096;

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly chunks: Buffer[];
}

interface Whole {
  readonly key: string;
  readonly size: number;
  /** In order, none over another. */
  readonly pieces: Piece[];
  /** Bytes in them. */
  there: number;
}

interface RangePart {
  readonly whole: Whole;
  readonly tx: number;
  readonly piece: Piece;
  length: number;
}

/**
 * Responses that bring a file in pieces (Content-Range), put together: once all of it is there it is a file of the transaction that brought
 * the last piece, beside the piece itself, for rules and records alike. By host, name and size, whatever flow brings them; one
 * object per detecting thread.
 *
 *   piece: begin ── data* ── end        wholes: key ─► [0, 10000) [30000, 40000)        all there: a file
 */
export class Ranges {
  private readonly wholes = new Map<string, Whole>();
  /** By the number of the piece's own file. */
  private readonly parts = new Map<number, RangePart>();
  /** Kept of all pieces. */
  private bytes = 0;
  /** Shown in the packet at hand: the addon knows them until the next one. */
  private readonly regions: number[] = [];

  constructor(private readonly files: Files) {}

  /** A new packet. */
  packet(): void {
    while (this.regions.length > 0) native.regionRelease(this.regions.pop()!);
  }

  /** The bytes [from, to] of the file `key`, of `size` bytes, are the file with that number. */
  begin(file: number, tx: number, key: string, from: number, to: number, size: number): void {
    if (file < 0 || size > LONGEST || to >= size || to + 1 - from === size || this.parts.size >= MOST_PARTS) return;
    let whole = this.wholes.get(key);
    if (whole === undefined) {
      if (this.wholes.size >= MOST_WHOLES) this.forget(this.wholes.values().next().value!);
      whole = { key, size, pieces: [], there: 0 };
      this.wholes.set(key, whole);
    }
    this.parts.set(file, { whole, tx, piece: { from, to: to + 1, chunks: [] }, length: 0 });
  }

  data(file: number, mem: Uint8Array, off: number, len: number): void {
    const part = this.parts.get(file);
    if (part === undefined) return;
    const { piece } = part;
    const n = Math.min(len, piece.to - piece.from - part.length);
    if (n <= 0) return;
    while (this.bytes + n > MOST_BYTES && this.wholes.size > 0) this.forget(this.wholes.values().next().value!);
    if (this.bytes + n > MOST_BYTES) {
      this.drop(file, part);
      return;
    }
    piece.chunks.push(Buffer.from(mem.subarray(off, off + n)));
    part.length += n;
    this.bytes += n;
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
    if (whole.pieces.length > MOST_PIECES) this.forget(whole);
    else if (whole.there === whole.size) {
      this.forget(whole);
      this.show(part.tx, Buffer.concat(whole.pieces.flatMap(({ chunks }) => chunks)), mem, nameOff, nameLen);
    }
  }

  private show(tx: number, bytes: Buffer, mem: Uint8Array, nameOff: number, nameLen: number): void {
    const memory = new Uint8Array(new ArrayBuffer(bytes.length));
    memory.set(bytes);
    const region = native.region(memory.buffer as ArrayBuffer);
    this.regions.push(region);
    const file = this.files.open(tx, 1, mem, nameOff, nameLen);
    this.files.data(file, memory, region, 0, memory.length);
    this.files.close(file, FileState.Closed);
  }

  private drop(file: number, part: RangePart): void {
    this.parts.delete(file);
    this.bytes -= part.length;
  }

  private forget(whole: Whole): void {
    if (this.wholes.delete(whole.key)) this.bytes -= whole.there;
  }
}

/** False: it lies over another. */
function insert({ pieces }: Whole, piece: Piece): boolean {
  let at = pieces.length;
  while (at > 0 && pieces[at - 1].from > piece.from) at--;
  if ((at > 0 && pieces[at - 1].to > piece.from) || (at < pieces.length && pieces[at].from < piece.to)) return false;
  pieces.splice(at, 0, piece);
  return true;
}
