/**
 * What rules remember between packets, of one thread: outlives the detector, whose rules a reload replaces.
 */
export class StateStore {
  /** The flow ends; its slot is still readable. */
  flowEnded(_slot: number): void {}
}
