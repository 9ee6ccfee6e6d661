import { Tx } from '../transactions.js';
import { TlsEvent } from './events.js';
import type { Handshake } from './handshake.js';
import { Side, TlsFlag, TlsState, Word } from './layout.js';
import type { TlsStore } from './store.js';

/** As Word.Version has it. On the wire it is 0x0002. */
export const SSLV2 = 0x0200;
const ERROR = 0;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 4;

/** Least length of a hello's record: RFC 6101, E.1 (the client's); SSL 0.2, 1.2.2 (the server's). */
export function sslv2Length(direction: number): number {
  return direction === 0 ? 9 + 3 : 3;
}

/**
 * The first record of a side in the form of SSL 2: a hello, by which clients used to offer later versions as well. Of a
 * server that answers in the same form nothing more is read.
 */
export class Sslv2 {
  constructor(
    private readonly store: TlsStore,
    private readonly handshake: Handshake,
  ) {}

  /** Some of the record's content, from `position` on. False: none of its hellos. */
  data(tx: number, direction: number, side: number, position: number, mem: Uint8Array, at: number, n: number): boolean {
    const { store } = this;
    const { heap, words } = store;
    if (position === 0) {
      heap[side + Side.HsType] = mem[at];
      if (direction === 1 && mem[at] === ERROR) store.event(tx, 1, TlsEvent.ErrorMessageEncountered);
      else if (mem[at] !== (direction === 0 ? CLIENT_HELLO : SERVER_HELLO)) {
        store.event(tx, direction, TlsEvent.InvalidSslv2Header);
        return false;
      }
    }
    if (n < heap[side + Side.Left]) return true;
    words[tx * Tx.Words + Tx.Parser + Word.Version + direction] = SSLV2;
    words[tx * Tx.Words + Tx.Parser + Word.Flags] |= direction === 0 ? TlsFlag.ClientHello : TlsFlag.ServerHello;
    this.handshake.state(tx, direction, TlsState.Hello);
    if (direction === 1) {
      this.handshake.encrypted(tx, 0);
      this.handshake.encrypted(tx, 1);
    }
    return true;
  }
}
