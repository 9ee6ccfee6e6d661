import type { Mode } from '../ring/verdict.js';

/**
 * Where packets come from and what becomes of them: an AF_PACKET socket, a netfilter queue, or a log group. The
 * capture loops receive from all sources of a thread in one call, then tell each source the verdict of its packets.
 *
 *   admit(frame) ─► ticket ─► exactly one of pass, forward rewritten, drop; besides, perhaps answer
 *   flush() once the loop is through with a batch: what was decided takes effect
 *
 * The bytes given with a verdict must stay as they are until the next flush.
 */
export abstract class Source {
  /** Handle of the socket in the addon. */
  abstract readonly handle: number;
  /** 1: netfilter rules choose the packets, so a flow may be seen in one direction only. */
  abstract readonly selective: 0 | 1;
  /** A frame that was cut short on receipt cannot be forwarded whole. */
  abstract readonly losesTruncated: boolean;
  readonly mode: Mode;

  protected constructor(
    /** Index in the plan; what Packet.source carries. */
    readonly index: number,
    readonly name: string,
    mode: Mode,
    protected readonly counters: Float64Array,
  ) {
    this.mode = mode;
  }

  /** The memory behind a region number that came with one of its frames. */
  abstract memory(region: number): Uint8Array;

  /** Notes the received frame at word `f`; the ticket names it in its verdict. -1: the source has answered it already. */
  abstract admit(frames: Int32Array, f: number): number;

  /** Let it go on. Its netfilter mark, where it has one, becomes (mark & ~mask) | (mark & mask). */
  abstract pass(ticket: number, region: number, offset: number, length: number, mark: number, mask: number): void;

  /** Let it go on with the bytes given. */
  abstract forwardRewritten(ticket: number, region: number, offset: number, length: number, mark: number, mask: number): void;

  abstract drop(ticket: number): void;

  /** Sends what `word` (see Side in src/ring/verdict.ts) asks for, before the verdict; the frame is the one it speaks about. */
  abstract answer(word: number, ticket: number, mem: Uint8Array, offset: number, length: number, seconds: number): void;

  /** Makes decisions take effect. `dry`: nothing more is waiting to be decided. Returns false when there was nothing to do. */
  abstract flush(dry: boolean): boolean;

  /** Something decided waits for something undecided: look again soon. */
  abstract impatient(): boolean;

  /** Once a second: reads the kernel's counts, and looks whether the source is still there. */
  abstract everySecond(): void;

  /** What came before forwarding began. */
  abstract discard(): void;

  /** Nothing new is taken in; what has arrived is still handed out. */
  abstract closeIntake(): void;

  abstract close(): void;
}
