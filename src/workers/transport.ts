import { type AppLayer, NO_ROOM } from '../app-layer/app-layer.js';
import type { Config } from '../config/config.js';
import { IpProto, type Packet, TcpFlag } from '../decode/packet.js';
import type { Detector } from '../detect/detector.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { EventEncoder } from '../output/event-record.js';
import { Mode, Reason, Verdict } from '../ring/verdict.js';
import { TcpResult, type TcpTracker } from '../stream/tcp-tracker.js';
import type { Examination } from './examination.js';
import type { Outcome } from './outcome.js';
import { Pickups } from './pickups.js';
import { Policy, policyCode } from './policy.js';
import type { StreamInspection } from './stream-inspection.js';

/** A packet of a flow on its way to its session, its stream and its application layer. */
export class Transport {
  /** Of the packet taken last: FlowFlag of its flow as they were, how many moments of transactions it brings. */
  flags = 0;
  transactions = 0;
  /** It must not be forwarded. */
  spoiled = false;
  readonly midstreamPolicy: Policy;
  private readonly streamMemcapPolicy: Policy;
  private readonly pickups: Pickups;
  private readonly errorPolicy: Policy;
  private detector!: Detector;
  /** The packet was given to its flow's application layer. */
  private isGiven = false;

  constructor(
    config: Config,
    private readonly flows: FlowTable,
    private readonly tcp: TcpTracker,
    private readonly app: AppLayer,
    private readonly streams: StreamInspection,
    private readonly events: EventEncoder,
    private readonly examination: Examination,
    private readonly outcome: Outcome,
    private readonly counters: Float64Array,
  ) {
    const { midstreamPolicy, memcapPolicy } = config.stream;
    this.errorPolicy = policyCode(config.appLayer?.errorPolicy ?? 'ignore');
    this.pickups = new Pickups(flows, app, config.stream.asyncOneside);
    // `auto` would be drop-flow inline: every restart of a detection process, and each long silence, would cut connections. They are picked up.
    this.midstreamPolicy = midstreamPolicy === 'auto' ? Policy.Ignore : policyCode(midstreamPolicy);
    // The sender repeats what is dropped for lack of room: nothing is lost, and nothing missed.
    this.streamMemcapPolicy = memcapPolicy === 'auto' ? Policy.DropPacket : policyCode(memcapPolicy);
  }

  /** Other rules from now on. */
  use(detector: Detector): void {
    this.detector = detector;
  }

  /** Turns the flow round where it shows that its server was seen first. */
  findSides(p: Packet): void {
    if (p.flowNew === 1 && p.proto === IpProto.Tcp && p.mode === Mode.Ips && (p.tcpFlags & TcpFlag.Syn) === 0 && this.picksUp(p)) {
      // Bytes are what an attacker likes them to be.
      const way = this.app.wayOf(p);
      if (way < 0) this.swapSides(p);
      if (way !== 0) return;
    }
    if (p.payloadLen > 0 && (p.direction === 0 ? this.flows.appProto[p.flow] === 0 && this.isAnswer(p) : this.isQuestion(p)))
      this.swapSides(p);
  }

  /** None: it goes on to the rules. */
  take(p: Packet): Verdict {
    const { flows } = this;
    // A segment with a wrong checksum is looked at, but moves no session: no host takes it.
    this.transactions = 0;
    this.spoiled = false;
    this.isGiven = false;
    this.detector.notes = null;
    if (p.selective === 1 && p.mode === Mode.Ids) flows.flags[p.flow] |= FlowFlag.Logged;
    let flags = flows.flags[p.flow];
    this.flags = flags;
    if (p.proto === IpProto.Tcp && (flags & FlowFlag.Dropped) === 0 && p.csumInvalid === 0) {
      const isAstray = (flags & FlowFlag.Unconfirmed) !== 0 && this.pickups.look(p);
      const result = isAstray ? TcpResult.Invalid : this.tcp.update(p);
      // A new session on the same tuple has a flow of its own now.
      flags = this.flags = flows.flags[p.flow];
      p.opaque = (flags & FlowFlag.Opaque) === 0 ? 0 : 1;
      let isTaken = result !== TcpResult.Invalid;
      if (!isTaken && p.mode === Mode.Ips) {
        this.spoiled = (flags & FlowFlag.Passed) === 0 && (isAstray || this.tcp.refuses(p));
        // It is forwarded, and whether the receiver takes it is the receiver's judgement: no rule may miss it.
        if (!this.spoiled && (flags & FlowFlag.TcpEstablished) !== 0) {
          p.established = 1;
          isTaken = this.tcp.mayStand(p);
        }
      }
      if (
        (result === TcpResult.Midstream || result === TcpResult.MidstreamPickup) &&
        // A flow that is passed stays without a session: each of its packets counts, as in Suricata.
        ((flows.flags[p.flow] & FlowFlag.MidstreamPolicy) === 0 || this.midstreamPolicy === Policy.PassFlow)
      ) {
        flows.flags[p.flow] |= FlowFlag.MidstreamPolicy;
        this.counters[Counter.MidstreamPolicy + this.midstreamPolicy]++;
      }
      if (
        (result === TcpResult.Midstream || result === TcpResult.MidstreamPickup) &&
        this.midstreamPolicy !== Policy.Ignore &&
        (flags & (FlowFlag.Passed | FlowFlag.Dropped)) === 0
      ) {
        const verdict = this.outcome.byPolicy(p, this.midstreamPolicy, Reason.StreamMidstream);
        flags = this.flags = flows.flags[p.flow];
        // What is passed is parsed and logged all the same.
        if (verdict !== Verdict.None && (flags & FlowFlag.Passed) === 0) return verdict;
      }
      if (p.mode === Mode.Ips && (result === TcpResult.MidstreamPickup || (flags & FlowFlag.Unconfirmed) !== 0))
        flags = this.flags = this.pickups.wait(p, result);
      // Without payload too: acknowledgements deliver.
      if (isTaken && (flags & FlowFlag.Bypassed) === 0) {
        const passed = (flags & FlowFlag.Passed) !== 0;
        this.isGiven = true;
        this.transactions = this.app.update(p);
        if (this.transactions === NO_ROOM && passed) this.transactions = this.app.force(p);
        if (this.transactions === NO_ROOM) {
          const verdict = this.outcome.byPolicy(p, this.streamMemcapPolicy, Reason.StreamMemcap);
          this.examination.inspectDelivered(p);
          if (verdict === Verdict.Drop) return verdict;
          this.transactions = this.app.force(p);
        }
        this.detector.notes = this.streams.note(p);
        if (p.mode === Mode.Ips && !passed && (this.app.differs || this.app.unrepairable)) this.spoiled = !this.outcome.repair(p);
      }
      this.examination.noteProtocol(p);
    } else if (p.proto === IpProto.Udp && (flags & (FlowFlag.Bypassed | FlowFlag.Dropped)) === 0) {
      // Whatever its checksum says: what no host takes does no harm here, and nothing is remembered of it.
      this.transactions = this.app.datagram(p);
      this.examination.noteProtocol(p);
    }
    return Verdict.None;
  }

  /** The first data that is seen of a flow comes from its server: of TCP, where the handshake was not seen. */
  private isAnswer(p: Packet): boolean {
    if (p.proto === IpProto.Udp) return p.flowNew === 1 && this.app.looksAnswered(p);
    if (p.proto !== IpProto.Tcp || (p.tcpFlags & TcpFlag.Syn) !== 0 || p.csumInvalid !== 0) return false;
    if (p.flowNew === 1) return this.picksUp(p) && this.app.looksAnswered(p);
    const { flows } = this;
    if (p.mode === Mode.Ips && this.app.wayOf(p) !== 0) return false;
    return (flows.flags[p.flow] & FlowFlag.Midstream) !== 0 && flows.tcpState[p.flow] === TcpState.Established && this.app.looksAnswered(p);
  }

  /** A session that this packet shows is picked up. */
  private picksUp(p: Packet): boolean {
    return p.selective === 1 || this.tcp.picksUp(p);
  }

  /** A packet at which a parser gave up, when it has been inspected. None: nothing becomes of it. */
  failed(p: Packet): Verdict {
    return this.isGiven && this.app.hasFailed && (this.flows.flags[p.flow] & FlowFlag.Passed) === 0
      ? this.outcome.byPolicy(p, this.errorPolicy, Reason.AppLayerError)
      : Verdict.None;
  }

  /** Datagrams began with an answer, which nobody confirmed, and now the same host asks: it is the client after all. */
  private isQuestion(p: Packet): boolean {
    return p.proto === IpProto.Udp && (this.flows.flags[p.flow] & FlowFlag.SeenTs) === 0 && this.app.looksAsked(p);
  }

  /** Client and server change places. */
  private swapSides(p: Packet): void {
    this.flows.swap(p.flow);
    this.tcp.turn(p.flow);
    this.app.turn(p.flow);
    this.pickups.turn(p.flow);
    if (p.flowNew === 0) this.events.macs?.swap(p.flow);
    p.direction ^= 1;
  }
}
