/** Most pieces of one packet: what a direction may hold comes in 4 KiB pages. */
const MOST = 8192;

/**
 * What a packet delivered of the directions that rules on streams watch, in order, until it has been inspected: where the bytes lie,
 * not the bytes. They lie there until the reassembler takes the next packet.
 *
 *   | direction | offset | bytes (-1: what comes next does not follow) | number behind them | 1: in the packet's memory, 0: in the pages |
 */
export class Pieces {
  count = 0;
  /** Pieces there was no room for; see delivered(). */
  lost = 0;
  /** The flow they are of. */
  slot = -1;
  readonly words = new Int32Array(MOST * Piece.Words);

  begin(): void {
    this.count = 0;
  }

  /** False: no room. What follows does not follow. */
  add(slot: number, direction: number, off: number, len: number, end: number, isPacket: boolean): void {
    let { count } = this;
    if (count === MOST) {
      this.lost++;
      // What is there last is followed by nothing it would make sense with.
      this.words[(MOST - 1) * Piece.Words + Piece.Length] = GAP;
      this.words[(MOST - 1) * Piece.Words + Piece.Direction] = direction;
      return;
    }
    this.slot = slot;
    this.count = count + 1;
    count *= Piece.Words;
    const { words } = this;
    words[count + Piece.Direction] = direction;
    words[count + Piece.Offset] = off;
    words[count + Piece.Length] = len;
    words[count + Piece.End] = end;
    words[count + Piece.InPacket] = isPacket ? 1 : 0;
  }
}

export const enum Piece {
  Direction = 0,
  Offset,
  Length,
  End,
  InPacket,
  Words,
}

/** Piece.Length of a hole. */
export const GAP = -1;
