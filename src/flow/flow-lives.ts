import type { FlowConfig } from '../config/config.js';
import { Counter } from '../metrics/counters.js';
import { FlowEnd, FlowFlag, FlowState } from './codes.js';
import type { FlowColumns } from './flow-columns.js';
import type { FlowIndex } from './flow-index.js';
import { Key } from './layout.js';
import { Timeouts } from './timeouts.js';
import { BACKWARD_TOLERANCE, TimingWheel } from './timing-wheel.js';

/** Slots looked at when a flow is wanted and none is free, and per tick in emergency mode. */
const EMERGENCY_SCAN = 32;

/** Told of every flow that ends; the slot is still readable during the call, and must not be kept. */
export interface EndSink<Flows> {
  flowEnded(flows: Flows, slot: number, reason: FlowEnd): void;
}

/**
 * Which slots are flows, and until when.
 *
 *   free slots ─► take ─► begin ─► rearm (its timeout changed) ... ─► end: told to the sink, out of wheel and index ─► free
 *                  │ none free: emergency, makeRoom                    ▲
 *                  ╰───────────────────────────────────────────────────┴─ tick, endSome, FlowTable.lookup
 */
export class FlowLives<Flows extends FlowColumns> {
  active = 0;
  /** 1: the table was full, and shorter timeouts hold until enough of it is free again. */
  emergency = 0;
  private readonly timeouts: Timeouts;
  private readonly wheel: TimingWheel;
  private readonly freeNext: Int32Array;
  private readonly recoveryFree: number;
  private freeHead = -1;
  private highWater = 0;
  private hand = 0;
  private endHand = 0;

  constructor(
    config: FlowConfig,
    private readonly flows: Flows,
    private readonly index: FlowIndex,
    private readonly counters: Float64Array,
    private readonly onEnd: EndSink<Flows>,
  ) {
    const { capacity } = flows;
    this.timeouts = new Timeouts(config.timeouts);
    this.wheel = new TimingWheel(capacity);
    this.freeNext = new Int32Array(capacity);
    this.recoveryFree = Math.min(capacity, Math.max(1, Math.ceil((capacity * config.emergencyRecovery) / 100)));
  }

  /** A slot for a new flow, which the caller fills before `begin`; -1: there is none, and none can be had. */
  take(nowSec: number): number {
    this.wheel.start(nowSec);
    if (this.freeHead < 0 && this.highWater >= this.flows.capacity && !this.makeRoom(nowSec)) return -1;
    const slot = this.freeHead;
    if (slot < 0) return this.highWater++;
    this.freeHead = this.freeNext[slot];
    return slot;
  }

  begin(slot: number): void {
    this.arm(slot);
    this.active++;
    this.counters[Counter.FlowsActive] = this.active;
  }

  /** The flow's state, and with it its timeout, is another. */
  rearm(slot: number): void {
    this.wheel.disarm(slot);
    this.arm(slot);
  }

  timeoutOf(slot: number): number {
    const { flows } = this;
    return this.timeouts.of(this.emergency, flows.timeoutClass[slot], flows.state[slot]);
  }

  end(slot: number, reason: FlowEnd): void {
    this.onEnd.flowEnded(this.flows, slot, reason);
    this.wheel.disarm(slot);
    this.index.remove(this.flows.key[slot * Key.Words + Key.Hash], slot);
    this.freeNext[slot] = this.freeHead;
    this.freeHead = slot;
    this.active--;
    this.counters[Counter.FlowsActive] = this.active;
  }

  timeOut(slot: number): void {
    this.counters[Counter.FlowsTimedOut]++;
    this.end(slot, FlowEnd.Timeout);
  }

  /** Ends up to `budget` flows whose time is over. Returns true when more may be due: call again. */
  tick(nowSec: number, budget: number): boolean {
    const { wheel } = this;
    const { lastSec } = this.flows;
    wheel.advance(nowSec);
    const now = wheel.now;
    for (let i = 0; i < budget; i++) {
      const slot = wheel.next();
      if (slot < 0) break;
      // Time went back by more than reordering: the flow's idle time starts over.
      if (((lastSec[slot] - now) | 0) > BACKWARD_TOLERANCE) lastSec[slot] = now;
      const deadline = lastSec[slot] + this.timeoutOf(slot);
      wheel.arm(slot, deadline + 1);
      if (((now - deadline) | 0) > 0) this.timeOut(slot);
    }
    if (this.emergency !== 0) this.emergencyTick(now);
    return wheel.isBehind();
  }

  /** Ends up to `budget` flows, whatever their time. Returns true when there are more. */
  endSome(budget: number): boolean {
    let slot = this.endHand;
    for (let left = budget; left > 0 && this.active > 0; slot++) {
      if (slot >= this.highWater) slot = 0;
      if (!this.wheel.isArmed(slot)) continue;
      this.end(slot, FlowEnd.Shutdown);
      left--;
    }
    this.endHand = this.active > 0 ? slot : 0;
    return this.active > 0;
  }

  private arm(slot: number): void {
    this.wheel.arm(slot, this.flows.lastSec[slot] + this.timeoutOf(slot) + 1);
  }

  /**
   * No slot is free. Looks at a bounded stretch of the table for a flow whose emergency timeout is over, else for
   * the longest idle one that is new or closed and carries no verdict. Established, dropped and passed flows are
   * never evicted: a flood of new flows must not make the table forget them.
   */
  private makeRoom(nowSec: number): boolean {
    if (this.emergency === 0) {
      this.emergency = 1;
      this.counters[Counter.FlowEmergencyEntered]++;
    }
    const { state, flags, lastSec } = this.flows;
    let victim = -1;
    for (let i = 0; i < EMERGENCY_SCAN; i++) {
      const slot = this.turnHand();
      if (this.expireInEmergency(slot, nowSec)) return true;
      if (state[slot] !== FlowState.New && state[slot] !== FlowState.Closed) continue;
      if ((flags[slot] & (FlowFlag.Dropped | FlowFlag.Passed)) !== 0) continue;
      if (victim < 0 || ((lastSec[slot] - lastSec[victim]) | 0) < 0) victim = slot;
    }
    if (victim < 0) return false;
    this.end(victim, FlowEnd.Forced);
    return true;
  }

  private emergencyTick(nowSec: number): void {
    const steps = Math.min(EMERGENCY_SCAN, this.highWater);
    for (let i = 0; i < steps; i++) this.expireInEmergency(this.turnHand(), nowSec);
    if (this.flows.capacity - this.active >= this.recoveryFree) {
      this.emergency = 0;
      this.counters[Counter.FlowEmergencyOver]++;
    }
  }

  private expireInEmergency(slot: number, nowSec: number): boolean {
    if (!this.wheel.isArmed(slot) || ((nowSec - this.flows.lastSec[slot]) | 0) <= this.timeoutOf(slot)) return false;
    this.timeOut(slot);
    return true;
  }

  /** The slot at the hand that goes round over those that were ever used. */
  private turnHand(): number {
    const slot = this.hand;
    this.hand = slot + 1 < this.highWater ? slot + 1 : 0;
    return slot;
  }
}
