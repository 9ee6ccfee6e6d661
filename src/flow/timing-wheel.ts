/**
 * Which flows to look at in which second. Doubly linked lists through two arrays by slot, one list per second of
 * the wheel plus one that is being worked off:
 *
 *   heads:  [0] [1] [2] ... [1023] [pending]      second s hangs in list s & 1023
 *            |        \
 *          slot 7    slot 2 <-> slot 90            next: -1 ends the list
 *                                                  prev: ~list when first, FREE when in no list
 *
 * A flow is not moved when a packet arrives: the visit at its old deadline finds it still in use and hangs it up
 * anew (lazy re-arming). Any jump of time, either way, is one lap over all lists: O(flows), not O(seconds).
 * Seconds are 32 bits and go round (in 2038 they are negative): only their differences are compared.
 *
 * FlowLives alone calls it.
 */
const SECONDS = 1024;
const MASK = SECONDS - 1;
const PENDING = SECONDS;
const FREE = -0x80000000;
/** How far time may go back before it counts as a jump, seconds: reordered packets, merged captures. */
export const BACKWARD_TOLERANCE = 60;

export class TimingWheel {
  /** The time the wheel was last told. */
  now = 0;
  /** The last second whose list was taken down; behind `now` while a lap is unfinished. */
  private done = 0;
  private started = 0;
  private readonly heads = new Int32Array(SECONDS + 1).fill(-1);
  private readonly nextOf: Int32Array;
  private readonly prevOf: Int32Array;

  constructor(capacity: number) {
    this.nextOf = new Int32Array(capacity);
    this.prevOf = new Int32Array(capacity);
  }

  isArmed(slot: number): boolean {
    return this.prevOf[slot] !== FREE;
  }

  /** The first packet starts the clock. */
  start(nowSec: number): void {
    if (this.started !== 0) return;
    this.started = 1;
    this.now = nowSec | 0;
    this.done = nowSec | 0;
  }

  /** Hangs a slot that is in no list where it is visited at `deadline`, or one lap from now at the latest. */
  arm(slot: number, deadline: number): void {
    let at = deadline;
    if (((at - this.now) | 0) > MASK) at = this.now + MASK;
    else if (((at - this.done) | 0) <= 0) at = this.done + 1;
    this.push(slot, at & MASK);
  }

  disarm(slot: number): void {
    const next = this.nextOf[slot];
    const prev = this.prevOf[slot];
    if (prev < 0) this.heads[~prev] = next;
    else this.nextOf[prev] = next;
    if (next >= 0) this.prevOf[next] = prev;
    this.prevOf[slot] = FREE;
  }

  /** Tells the time. Backwards within the tolerance, time stands still. */
  advance(nowSec: number): void {
    this.start(nowSec);
    const ahead = (nowSec - this.now) | 0;
    if (ahead < 0 && ahead >= -BACKWARD_TOLERANCE) return;
    if (ahead < 0 || ahead > SECONDS || ((nowSec - this.done) | 0) > SECONDS) this.done = (nowSec - SECONDS) | 0;
    this.now = nowSec | 0;
  }

  /** Takes the next slot that is due down from its list; -1 when none is due. The caller arms it again or frees it. */
  next(): number {
    let slot = this.heads[PENDING];
    while (slot < 0) {
      if (!this.hasSeconds()) return -1;
      this.done = (this.done + 1) | 0;
      slot = this.heads[this.done & MASK];
      if (slot < 0) continue;
      // The whole list moves: what is hung up again in this second waits for the next lap.
      this.heads[this.done & MASK] = -1;
      this.heads[PENDING] = slot;
      this.prevOf[slot] = ~PENDING;
    }
    this.disarm(slot);
    return slot;
  }

  /** True while slots may be due that `next` has not given yet. */
  isBehind(): boolean {
    return this.heads[PENDING] >= 0 || this.hasSeconds();
  }

  private hasSeconds(): boolean {
    return ((this.now - this.done) | 0) > 0;
  }

  private push(slot: number, list: number): void {
    const head = this.heads[list];
    this.nextOf[slot] = head;
    this.prevOf[slot] = ~list;
    if (head >= 0) this.prevOf[head] = slot;
    this.heads[list] = slot;
  }
}
