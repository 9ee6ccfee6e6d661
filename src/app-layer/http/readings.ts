import { Counter } from '../../metrics/counters.js';
import type { Sessions } from '../sessions.js';
import { F, FlowState, type FlowWords } from './flow.js';

/** What a server may see otherwise in a request's head than the flow's own reading does. */
export const enum Doubt {
  /** It does not know Transfer-Encoding: Content-Length counts, or nothing does. */
  Transfer = 1,
  /** It reads no body behind methods that have none as a rule. */
  Method = 2,
  /** It takes another of several Content-Lengths, or none that is not a number. */
  Length = 4,
}

/** Readings of a flow beside its own. */
const MOST_READINGS = 3;
/** Where readings are seen to meet, in the bytes at hand. */
const MOST_HEADS = 8192;

/**
 * What a client sends behind a head that servers frame differently (request smuggling). Each reading is a row of FlowWords that no flow
 * leads to, for one direction, and frames as one kind of server does; its transactions are the flow's, are shown to rules, and have
 * no record. It ends when a head does not follow where one should, or when it is where the flow's own is.
 *
 *   flow's row ─ next ─► row: Doubt.Transfer ─ next ─► row: Doubt.Transfer | Doubt.Length
 *        POST | TE: chunked, CL: 4 | 1f CR LF | GET /evil ...
 *   own                            └ chunk ───────────────────
 *   row                            └ body ────┴ request ──────
 */
export class Readings {
  /** Of the bytes at hand: where the flow's own reading expects heads, in order. */
  private readonly heads = new Int32Array(MOST_HEADS);
  private headCount = 0;
  /** Readings that begin within them, and where. */
  private readonly begun = new Int32Array(MOST_READINGS);
  private readonly begunAt = new Int32Array(MOST_READINGS);
  private begunCount = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly flows: FlowWords,
    private readonly counters: Float64Array,
  ) {}

  /** Other bytes are at hand. */
  begin(): void {
    this.headCount = 0;
    this.begunCount = 0;
  }

  ownHead(at: number): void {
    if (this.headCount < MOST_HEADS) this.heads[this.headCount++] = at;
  }

  isOwnHead(at: number): boolean {
    const { heads } = this;
    let low = 0;
    let high = this.headCount;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (heads[mid] < at) low = mid + 1;
      else high = mid;
    }
    return low < this.headCount && heads[low] === at;
  }

  /** Where a reading goes on in the bytes that begin at `off`. */
  from(row: number, off: number): number {
    for (let i = 0; i < this.begunCount; i++) if (this.begun[i] === row) return this.begunAt[i];
    return off;
  }

  /** The next reading of the same flow, -1: there is none. */
  next(row: number): number {
    return this.flows.nextReading[row] - 1;
  }

  /** A new reading of those who see `doubts`, from `at` on; -1: there is one, or no room. */
  part(row: number, doubts: number, at: number): number {
    const { flows } = this;
    const main = flows.owner(row);
    let last = main;
    let count = 0;
    for (let reading = this.next(main); reading >= 0; reading = this.next(reading)) {
      if (flows.doubts[reading] === doubts) return -1;
      last = reading;
      count++;
    }
    const reading = count < MOST_READINGS && this.begunCount < MOST_READINGS ? this.sessions.take() : -1;
    if (reading < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    flows.clear(reading);
    flows.doubts[reading] = doubts;
    flows.owners[reading] = main + 1;
    flows.nextReading[last] = reading + 1;
    this.begun[this.begunCount] = reading;
    this.begunAt[this.begunCount++] = at;
    return reading;
  }

  /** It holds nothing any more. */
  drop(reading: number): void {
    const { flows } = this;
    let before = flows.owner(reading);
    while (this.next(before) !== reading) before = this.next(before);
    flows.nextReading[before] = flows.nextReading[reading];
    for (let i = 0; i < this.begunCount; i++) if (this.begun[i] === reading) this.begun[i] = -1;
    flows.clear(reading);
    this.sessions.give(reading);
  }

  /** Both expect a head, and stand at the same place. */
  isSame(reading: number): boolean {
    return this.isBetween(reading) && this.isBetween(this.flows.owner(reading));
  }

  private isBetween(row: number): boolean {
    const { words } = this.flows;
    const f = 2 * row * F.Words;
    return words[f + F.State] === FlowState.Head && words[f + F.PendingLen] === 0;
  }
}
