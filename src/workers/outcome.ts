import type { AppLayer } from '../app-layer/app-layer.js';
import type { Storing } from '../app-layer/files/files.js';
import { Tx } from '../app-layer/transactions.js';
import type { Config } from '../config/config.js';
import { IpProto, Packet, TcpFlag } from '../decode/packet.js';
import type { Detector } from '../detect/detector.js';
import { Act, type RuleActions, Scope } from '../detect/rule-actions.js';
import { NewAction } from '../detect/threshold.js';
import { FlowFlag } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { isIcmpV4Error } from '../flow/icmp.js';
import { Counter } from '../metrics/counters.js';
import { type EventEncoder, EventVerdict } from '../output/event-record.js';
import { Mode, packAnswer, Reason, Side, Verdict } from '../ring/verdict.js';
import { AlertQueue, QUEUE_ROOM } from './alert-queue.js';
import { ghostPacket } from './ghost.js';
import { Policy } from './policy.js';
import { canRewrite, fixChecksums } from './rewrite.js';
import type { StreamInspection } from './stream-inspection.js';

/** How often the packets of a rejected flow are answered. Numbers move while an answer is on its way: one may not do. */
const MAX_ANSWERS = 8;
/** FlowTable.answers: low two bits Side of the first packet's direction, the rest counts. */
const ANSWER_ONE = 4;

/** In the place of a transaction's number: what matches is the stream. */
export const OF_STREAM = -2;

/** NewAction as Act. */
const CHANGED: readonly Act[] = [Act.Alert, Act.Alert, Act.Drop, Act.Pass, Act.Drop];

/**
 * What becomes of the packet at hand: carries out what rules and exception policies ask for.
 *
 *   begin ─► enqueue ... enqueue ─► conclude ─► verdict; reason, mark, answer, rewritten
 *            byPolicy, drop, bypassed, rejectAgain, repair: what is decided without rules
 */
export class Outcome {
  reason: Reason = Reason.None;
  /** The packet's netfilter mark becomes (its mark & ~markMask) | (mark & markMask). */
  mark = 0;
  markMask = 0;
  /** Who is told that the packet was rejected (src/ring/verdict.ts); 0: nobody. */
  answer = 0;
  /** 1: bytes of the packet were rewritten. */
  rewritten = 0;
  /** For transactions that no packet at hand is about. */
  readonly ghost = new Packet();
  /** Rules that match the packet at hand. */
  private readonly queue = new AlertQueue();
  /** A rule of the last queue passes the packet. */
  private passes = false;
  private detector!: Detector;
  private actions!: RuleActions;
  /** By rule: what it stores; null: none does. */
  private storing: Map<number, Storing> | null = null;
  private readonly bypassMark: number;
  private readonly bypassMask: number;

  constructor(
    private readonly config: Config,
    private readonly packet: Packet,
    private readonly flows: FlowTable,
    private readonly app: AppLayer,
    private readonly streams: StreamInspection,
    private readonly events: EventEncoder,
    private readonly counters: Float64Array,
  ) {
    this.bypassMark = config.nfq.bypassMark;
    this.bypassMask = config.nfq.bypassMask;
  }

  /** Other rules from now on. */
  use(detector: Detector, actions: RuleActions, storing: Map<number, Storing> | null): void {
    this.detector = detector;
    this.actions = actions;
    this.storing = storing;
  }

  /** A new packet. */
  begin(): void {
    this.reason = Reason.None;
    this.mark = this.markMask = this.answer = this.rewritten = 0;
  }

  /** Keeps the n matches of the last inspection, of transaction `tx` or (-1) the packet, for conclude. Not None: some are carried out. */
  enqueue(p: Packet, n: number, tx: number, direction: number): Verdict {
    const { queue, detector } = this;
    const { matches, ranks, silent, actions } = detector;
    let verdict = Verdict.None;
    for (let i = 0; i < n; i++) {
      if (queue.count === QUEUE_ROOM) verdict = worse(verdict, this.conclude(p));
      queue.push(matches[i], ranks[i], actions[i], silent[i], tx, direction);
      const storing = this.storing?.get(matches[i]);
      if (storing !== undefined && tx >= 0) this.app.files.storeBy(tx, direction, storing);
    }
    // They are forgotten at the next inspection.
    if (p.mode !== Mode.Ips || detector.replacements === 0) return verdict;
    const outcome = this.conclude(p);
    if (!this.passes && outcome !== Verdict.Drop) this.rewrite(p);
    return worse(verdict, outcome);
  }

  /** Carries out what the rules in the queue ask for, in their order. None: nothing was decided. */
  conclude(p: Packet): Verdict {
    const { queue, flows, actions } = this;
    if (queue.count === 0) return Verdict.None;
    const ips = p.mode === Mode.Ips;
    let dropRule = -1;
    let reason: Reason = Reason.Rule;
    let sides = 0;
    let room = this.config.packetAlertMax;
    queue.sort();
    this.foresee(p);
    let passed = false;
    for (let i = 0; i < queue.count && !passed; i++) {
      const rule = queue.rule[i];
      const changed: NewAction = queue.changed[i];
      let action: Act = actions.action[rule];
      let ruleSides = actions.sides[rule];
      if (changed !== NewAction.None) {
        action = CHANGED[changed];
        ruleSides = changed === NewAction.Reject ? Side.Source : 0;
      }
      const mask = actions.markMask[rule];
      if (mask !== 0) {
        this.mark = (this.mark & ~mask) | (actions.mark[rule] & mask);
        this.markMask |= mask;
      }
      if (actions.bypass[rule] === 1 && p.flow >= 0) flows.bypass(p.flow);
      passed = action === Act.Pass;
      if (passed && dropRule < 0 && p.flow >= 0 && this.holdsForFlow(p, rule)) flows.flags[p.flow] |= FlowFlag.Passed;
      const drops = action >= Act.Drop;
      const blocks = ips && this.mayBlock(p, queue.direction[i]);
      sides |= ruleSides;
      if (drops && dropRule < 0 && (blocks || !ips)) {
        dropRule = rule;
        if (changed !== NewAction.None) reason = Reason.Threshold;
      }
      // Bytes of the stream: they would come again, cut differently, and nobody would see them as new.
      if (drops && blocks && p.flow >= 0 && (queue.tx[i] === OF_STREAM || this.holdsForFlow(p, rule))) flows.drop(p.flow, reason);
      // A pass rule is logged where it says `alert`; what a rate filter passes is not.
      if (queue.silent[i] === 1 || (passed && (changed !== NewAction.None || actions.alerts[rule] === 0))) continue;
      if (room === 0) {
        this.counters[Counter.AlertsOverflow]++;
        continue;
      }
      room--;
      this.counters[Counter.Alerts]++;
      if (p.flow >= 0) flows.flags[p.flow] |= FlowFlag.Alerted;
      // A rejected packet counts as blocked even where it could only be answered (as in Suricata).
      this.alert(p, i, rule, drops && (blocks || ruleSides !== 0) ? 1 : 0, drops ? (blocks ? 1 : 2) : 0);
    }
    queue.clear();
    this.passes = passed && dropRule < 0;
    if (this.passes) return Verdict.Pass;
    if (sides !== 0) this.reject(p, sides);
    if (dropRule >= 0 && ips) return this.drop(p, reason, dropRule);
    if (p.flow >= 0 && (flows.flags[p.flow] & FlowFlag.Bypassed) !== 0) return this.bypassed();
    return Verdict.None;
  }

  /** The alert of a row of the queue: about the packet, or a transaction it brings something to. */
  private alert(p: Packet, row: number, rule: number, action: number, dropFlag: number): void {
    const { queue, app, events, flows } = this;
    const direction = queue.direction[row];
    const tx = queue.tx[row];
    let packet = p;
    if (direction !== p.direction) {
      packet = this.ghost;
      ghostPacket(packet, flows, p.flow, direction, p === packet ? null : p);
    }
    if (tx < 0) {
      const only = this.config.guessTx && p.flow >= 0 ? app.onlyTransaction(p) : -1;
      if (only >= 0) events.about(app.parserOf(only), only, app.txs.words[only * Tx.Words + Tx.Id], app.files, true);
      if (tx === OF_STREAM) events.ofStream(this.streams.mem, this.streams.off, this.streams.len);
      events.alert(packet, flows, rule, action, dropFlag);
      events.ofStream(null, 0, 0);
      events.about(null, -1, -1);
      return;
    }
    events.about(app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files);
    events.alert(packet, flows, rule, action, dropFlag);
    events.about(null, -1, -1);
  }

  /** What a log group showed went on long ago: a packet of the other side that only acknowledges it is not to blame. */
  private mayBlock(p: Packet, direction: number): boolean {
    return direction === p.direction || p.flow < 0 || (this.flows.flags[p.flow] & FlowFlag.Logged) === 0;
  }

  private holdsForFlow(p: Packet, rule: number): boolean {
    const scope: Scope = this.actions.scope[rule];
    return scope === Scope.Stream ? (this.flows.flags[p.flow] & FlowFlag.TcpEstablished) !== 0 : scope === Scope.Flow;
  }

  /** Says in the alerts of a packet what becomes of it: known before they are written, decided after. */
  private foresee(p: Packet): void {
    const { queue } = this;
    let sides = 0;
    let verdict: EventVerdict = EventVerdict.Alert;
    for (let i = 0; i < queue.count && verdict === EventVerdict.Alert; i++) {
      const changed: NewAction = queue.changed[i];
      const rule = queue.rule[i];
      const action: Act = changed === NewAction.None ? this.actions.action[rule] : CHANGED[changed];
      if (action >= Act.Drop) {
        sides |= changed === NewAction.Reject ? Side.Source : changed === NewAction.None ? this.actions.sides[rule] : 0;
        if (p.mode === Mode.Ips && this.mayBlock(p, queue.direction[i])) verdict = EventVerdict.Drop;
      } else if (action === Act.Pass) verdict = EventVerdict.Pass;
    }
    this.events.verdict = verdict;
    this.events.rejectSides = sides;
  }

  /** The bypass mark lets netfilter rules keep later packets of the flow out of the queue. */
  bypassed(): Verdict {
    this.counters[Counter.Bypassed]++;
    this.counters[Counter.BypassedBytes] += this.packet.wireLen;
    this.mark = (this.mark & ~this.bypassMask) | (this.bypassMark & this.bypassMask);
    this.markMask |= this.bypassMask;
    return Verdict.Pass;
  }

  private rewrite(p: Packet): void {
    if (canRewrite(p) && this.detector.rewrite(p) > 0 && fixChecksums(p)) this.rewritten = 1;
  }

  /** Overwrites bytes that were sent before, and differently, with those the receiver may have. False: the packet must not be forwarded. */
  repair(p: Packet): boolean {
    if (this.app.unrepairable || !canRewrite(p)) return false;
    this.app.repair(p);
    if (!fixChecksums(p)) return false;
    this.rewritten = 1;
    return true;
  }

  /** Has the sides told that the packet was rejected, now and for some packets of the flow to come. */
  private reject(p: Packet, sides: number): void {
    // What is inside a tunnel or was put together from fragments is not the frame that would be answered.
    if (p.tunnelDepth > 0 || p.defragged !== 0 || p.ipOff < 0) return;
    this.answer = packAnswer(sides, p.ipOff - p.off, p.ipHeaderLen);
    if (p.flow >= 0) this.flows.answers[p.flow] = (p.direction === 0 ? sides : mirrored(sides)) | ANSWER_ONE;
  }

  /**
   * A later packet of a rejected flow: its sender is told again, with the numbers this packet shows. Data that was on
   * its way may have made the first reset too old (RFC 5961).
   */
  rejectAgain(p: Packet): void {
    // Nobody answers a reset (RFC 9293, 3.5.2), or an ICMP error, which belongs to the flow it tells of (RFC 1122, 3.2.2).
    if (p.proto === IpProto.Tcp ? (p.tcpFlags & TcpFlag.Rst) !== 0 : p.proto === IpProto.Icmp && isIcmpV4Error(p.icmpType)) return;
    const answers = this.flows.answers[p.flow];
    const sender = p.direction === 0 ? Side.Source : Side.Destination;
    if ((answers & sender) === 0 || answers >= MAX_ANSWERS * ANSWER_ONE || p.tunnelDepth > 0 || p.defragged !== 0) return;
    this.answer = packAnswer(Side.Source, p.ipOff - p.off, p.ipHeaderLen);
    this.flows.answers[p.flow] = answers + ANSWER_ONE;
  }

  drop(p: Packet, reason: Reason, rule: number): Verdict {
    this.reason = reason;
    this.events.drop(p, this.flows, reason, rule);
    return Verdict.Drop;
  }

  /** Verdict.None: ignore, go on as if nothing had happened. */
  byPolicy(p: Packet, policy: Policy, reason: Reason): Verdict {
    switch (policy) {
      case Policy.Ignore:
        return p.isFragment === 1 ? Verdict.Pass : Verdict.None;
      case Policy.PassFlow:
        if (p.flow >= 0) this.flows.flags[p.flow] |= FlowFlag.Passed;
        return Verdict.Pass;
      case Policy.PassPacket:
        return Verdict.Pass;
      case Policy.Bypass:
        if (p.flow < 0) return Verdict.Pass;
        this.flows.bypass(p.flow);
        return this.bypassed();
      case Policy.Reject:
      case Policy.DropFlow:
        if (policy === Policy.Reject) this.reject(p, Side.Source);
        if (p.flow >= 0 && p.mode === Mode.Ips) this.flows.drop(p.flow, reason);
    }
    if (p.mode === Mode.Ips) return this.drop(p, reason, -1);
    // A listener drops nothing, and goes on.
    return p.isFragment === 1 ? Verdict.Pass : Verdict.None;
  }
}

function mirrored(sides: number): number {
  return ((sides & Side.Source) << 1) | ((sides & Side.Destination) >> 1);
}

/** Of two verdicts on a packet: Drop before Pass before None. */
export function worse(a: Verdict, b: Verdict): Verdict {
  return a === Verdict.Drop || b === Verdict.Drop ? Verdict.Drop : a === Verdict.None ? b : a;
}
