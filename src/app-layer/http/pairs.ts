import { Counter } from '../../metrics/counters.js';
import { AppProto } from '../buffers.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import type { HttpEvent } from './events.js';
import { type FlowWords, Own, TxFlags } from './flow.js';

/** Tx.State + direction, before STATE_DONE. */
export const enum HttpState {
  None = 0,
  Head = 1,
  Body = 2,
}

/** Requests of a flow that wait for their responses; then the oldest ends without one. */
const MOST_WAITING = 2048;

/**
 * Transactions of flows: requests wait in their order for responses.
 *
 *   oldest ── .. ── due: its response comes next ── .. ── newest
 */
export class Pairs {
  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
  ) {}

  /** A new one, the last of its flow, which `asked`, `unasked` or `read` follows; -1: no room (counted). */
  open(session: number): number {
    const tx = this.txs.open(session, AppProto.Http, this.flows.ids[session]);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    return tx;
  }

  /** The one that must end before another is opened; -1: none. */
  excess(session: number): number {
    return this.txs.length(session) > MOST_WAITING ? this.due(session) : -1;
  }

  /** The one whose response comes next; -1: all are answered. */
  due(session: number): number {
    return this.flows.due[session] - 1;
  }

  /** A request: it is due unless an older one is. */
  asked(session: number, tx: number): void {
    this.flows.ids[session]++;
    if (this.flows.due[session] === 0) this.flows.due[session] = tx + 1;
  }

  /** It has its response, or gets none. */
  answered(session: number, tx: number): void {
    let next = this.txs.behind(tx);
    while (next >= 0 && this.isReading(next)) next = this.txs.behind(next);
    this.flows.due[session] = next + 1;
  }

  /** A request of another reading than the flow's own: nobody waits for its response, and it has no number of its own. */
  read(tx: number): void {
    const at = tx * Tx.Words;
    this.txs.words[at + Tx.Parser + Own.Flags] |= TxFlags.Reading;
    this.txs.words[at + Tx.Flags] |= TxFlag.Logged;
    this.setDone(tx, 1);
  }

  private isReading(tx: number): boolean {
    return (this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] & TxFlags.Reading) !== 0;
  }

  /** It was opened for a response that nobody asked for. */
  unasked(session: number, tx: number): void {
    this.flows.ids[session]++;
    this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.NoRequest;
    this.setDone(tx, 0);
    this.flows.due[session] = tx + 1;
  }

  /** No more responses come. */
  endAll(session: number): void {
    for (let tx = this.due(session); tx >= 0; tx = this.txs.behind(tx)) {
      this.setDone(tx, 1);
      this.txs.moment(tx, 1);
    }
    this.flows.due[session] = 0;
  }

  moment(tx: number, direction: number): void {
    if (!this.txs.moment(tx, direction)) this.counters[Counter.AppNoRoom]++;
  }

  setState(tx: number, direction: number, state: HttpState): void {
    this.txs.words[tx * Tx.Words + Tx.State + direction] = state;
  }

  setDone(tx: number, direction: number): void {
    this.txs.words[tx * Tx.Words + Tx.State + direction] = STATE_DONE;
  }

  /** Suricata's own rules on these say to_server, and mean responses. */
  eventOfBoth(tx: number, event: HttpEvent): void {
    if (tx < 0) return;
    this.event(tx, event);
    this.txs.eventMoment(tx, 0);
  }

  event(tx: number, event: HttpEvent): void {
    if (tx >= 0) this.txs.words[tx * Tx.Words + Tx.Parser + Own.Events + (event >> 5)] |= 1 << (event & 31);
  }
}
