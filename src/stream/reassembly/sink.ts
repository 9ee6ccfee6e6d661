import type { Packet } from '../../decode/packet.js';

/** Takes the bytes: the application layer. `session` is FlowTable.appState - 1; a flow without one delivers to nobody. */
export interface StreamSink {
  /** The stream's next bytes. False: the session is gone. */
  feed(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean;
  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean;
  /** `length` bytes are missing before the next ones. */
  gap(session: number, direction: number, length: number): void;
  /** Nothing follows: the FIN was reached. */
  finishDirection(session: number, direction: number): void;
  /** Bytes of the packet in a hole that was given up, and that the receiver may be waiting for still. */
  loose?(slot: number, direction: number, p: Packet, off: number, len: number): void;
}
