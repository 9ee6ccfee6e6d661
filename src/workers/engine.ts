import { getHeapStatistics } from 'node:v8';
import { AppLayer, NO_ROOM } from '../app-layer/app-layer.js';
import { appProtoOf } from '../app-layer/buffers.js';
import type { Storing } from '../app-layer/files/files.js';
import type { FileStore } from '../app-layer/files/store.js';
import { chosenProtocols, PROTOCOL_SPECS } from '../app-layer/protocols.js';
import { Tx } from '../app-layer/transactions.js';
import type { Config } from '../config/config.js';
import { Decoder } from '../decode/decoder.js';
import { Defragmenter, DefragResult } from '../decode/defrag.js';
import { LinkType } from '../decode/link-types.js';
import { IpProto, MAX_LINK_HEADER, Packet, TcpFlag } from '../decode/packet.js';
import { Detector } from '../detect/detector.js';
import { forgetIpOnly } from '../detect/flows.js';
import type { Prepared } from '../detect/prepare.js';
import { storingOf } from '../detect/tests/files.js';
import { Act, RuleActions, Scope } from '../detect/rule-actions.js';
import type { RuleCost } from '../detect/rule-costs.js';
import type { DatasetMemory } from '../detect/state/datasets.js';
import { StateStore } from '../detect/state/store.js';
import { NewAction } from '../detect/threshold.js';
import { TxRules } from '../detect/tx-rules.js';
import { FlowFlag, NoFlow, TcpState } from '../flow/codes.js';
import { type FlowEndSink, FlowTable } from '../flow/flow-table.js';
import { isIcmpV4Error } from '../flow/icmp.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { EventEncoder, EventVerdict, encoderOptions } from '../output/event-record.js';
import type { EventRing } from '../ring/event-ring.js';
import { Mode, packAnswer, Reason, Side, Verdict } from '../ring/verdict.js';
import type { Rule } from '../rules/rule.js';
import { TcpResult, TcpTracker } from '../stream/tcp-tracker.js';
import { AlertQueue, QUEUE_ROOM } from './alert-queue.js';
import { ghostPacket } from './ghost.js';
import { Policy, policyCode } from './policy.js';
import { canRewrite, fixChecksums } from './rewrite.js';
import { StreamInspection } from './stream-inspection.js';

/** What a detecting thread is made of, whichever run mode it lives in. */
export interface EngineSetup {
  config: Config;
  /** Number of the detecting thread: keeps flow ids apart. */
  thread: number;
  rules: Rule[];
  /** Of these rules; made here when it is not given. */
  prepared?: Prepared;
  ruleGeneration: number;
  checksumValidation: boolean;
  counters: Float64Array;
  events: EventRing;
  /** What rules remember of addresses: one for the detecting threads of a process (AddressTable.create). Absent: the thread's own. */
  addressState?: ArrayBuffer | SharedArrayBuffer;
  /** Data connections that FTP announced, likewise (Expectations.create). */
  expectations?: ArrayBuffer | SharedArrayBuffer;
  /** What the rules look values up in: one for the detecting threads of a process. */
  datasets?: DatasetMemory[];
}

/** Due flows looked at when a second begins, and every so many packets while more are due. */
const EXPIRE_AT_TICK = 256;
const EXPIRE_PER_TURN = 64;
const TURN_MASK = 15;
/** At the end: how long a reader of the event ring may stand still before it is taken for gone, milliseconds. */
const READER_PATIENCE = 2000;

/** How often the packets of a rejected flow are answered. Numbers move while an answer is on its way: one may not do. */
const MAX_ANSWERS = 8;
/** FlowTable.answers: low two bits Side of the first packet's direction, the rest counts. */
const ANSWER_ONE = 4;

/**
 * One packet's way: decode -> defragment -> flow -> stream -> detect -> verdict.
 *
 * The loop that owns the packets (fused, worker or offline) fills the bytes, time, source and mode of
 * `packet` and calls inspect(); it finds the verdict's reason in `reason`. The engine does not know
 * which of the three it runs in.
 */
export class Engine {
  readonly packet = new Packet();
  reason: Reason = Reason.None;
  /** The packet's netfilter mark becomes (its mark & ~markMask) | (mark & markMask). */
  mark = 0;
  markMask = 0;
  /** Who is told that the packet was rejected (src/ring/verdict.ts); 0: nobody. */
  answer = 0;
  readonly flows: FlowTable;
  private readonly decoder: Decoder;
  private readonly defrag: Defragmenter;
  private readonly tcp: TcpTracker;
  private readonly app: AppLayer;
  private readonly txRules: TxRules;
  private readonly streams: StreamInspection;
  /** For transactions that no packet at hand is about. */
  private readonly ghost = new Packet();
  /** A packet of the flow whose transactions end. */
  private about = this.packet;
  /** Rules that match the packet at hand. */
  private readonly queue = new AlertQueue();
  /** A rule of the last queue passes the packet. */
  private passes = false;
  /** Files on their way to the file store; null: none are stored. By rule: what it stores. */
  private readonly fileStore: FileStore | null = null;
  private storing: Map<number, Storing> | null = null;
  private readonly onFile = (file: number): void => {
    const { app } = this;
    const tx = app.files.txOf(file);
    this.events.file(this.about, this.flows, app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files, file);
  };
  private readonly onTransaction = (tx: number): void => {
    const { app } = this;
    this.events.transaction(this.about, this.flows, app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files);
  };
  /** One record for each event of a transaction. */
  private readonly onTxEvents = (tx: number): void => {
    const { words } = this.app.txs;
    const at = tx * Tx.Words;
    const proto = words[at + Tx.Proto];
    const { eventWord } = PROTOCOL_SPECS[proto]!;
    if (eventWord < 0) return;
    const low = words[at + eventWord] & ~words[at + Tx.Logged];
    const high = words[at + eventWord + 1] & ~words[at + Tx.Logged + 1];
    if ((low | high) === 0) return;
    words[at + Tx.Logged] |= low;
    words[at + Tx.Logged + 1] |= high;
    this.events.txEvents(this.about, this.flows, proto, words[at + Tx.Id], low, high);
  };
  private readonly events: EventEncoder;
  private readonly ring: EventRing;
  private readonly counters: Float64Array;
  private readonly config: Config;
  private detector: Detector;
  private actions: RuleActions;
  /** What rules remember: lives on when they are loaded anew. */
  private readonly store: StateStore;
  private readonly flowMemcapPolicy: Policy;
  private readonly defragMemcapPolicy: Policy;
  private readonly midstreamPolicy: Policy;
  private readonly streamMemcapPolicy: Policy;
  private lastTick = -1;
  /** 1: more flows are due than have been looked at. */
  private behind = 0;
  private turn = 0;
  /** 1: bytes of the packet were rewritten. */
  private rewritten = 0;
  private readonly bypassMark: number;
  private readonly bypassMask: number;
  private readonly streamBypass: boolean;
  private readonly asleep = new Int32Array(1);

  constructor(setup: EngineSetup) {
    const { config, counters } = setup;
    this.config = config;
    this.counters = counters;
    this.events = new EventEncoder(setup.events, counters, encoderOptions(config));
    this.events.ruleGeneration = setup.ruleGeneration;
    this.decoder = new Decoder(
      {
        vxlanPorts: config.vxlanPorts,
        teredo: config.teredo,
        teredoPorts: config.teredoPorts,
        checksumValidation: setup.checksumValidation,
        checksumKeywords: config.stream.checksumKeywords,
      },
      counters,
    );
    this.defrag = new Defragmenter(config.defrag, counters);
    const ended: FlowEndSink = {
      flowEnded: (flows, slot, reason) => {
        if (flows.proto(slot) === IpProto.Tcp) {
          if (flows.appState[slot] !== 0 || this.app.order.hasUnseen(slot) || this.streams.hasPending(slot)) this.finishTransactions(slot);
          else this.app.flowEnded(slot);
        }
        this.countEnd(flows, slot);
        this.events.flowEnded(flows, slot, reason);
        this.store.flowEnded(slot);
      },
    };
    this.flows = new FlowTable(config.flow, counters, ended, { thread: setup.thread });
    this.events.watchMacs(this.flows.capacity);
    this.store = new StateStore({
      flows: this.flows.capacity,
      entries: config.thresholdEntries,
      addresses: setup.addressState,
      counters,
    });
    this.events.watchState(this.store.flowVars);
    this.store.datasets.use(setup.datasets ?? []);
    this.tcp = new TcpTracker(config.stream, this.flows, counters);
    this.app = new AppLayer(this.flows, counters, {
      protocols: chosenProtocols(config.appLayer),
      bypass: (config.appLayer?.bypass ?? []).map(appProtoOf),
      expectations: setup.expectations,
      reassembly: { ...config.stream.reassembly, inline: config.stream.inline },
    });
    const { fileStore } = config.outputs;
    if (fileStore !== undefined) this.fileStore = this.app.files.keepFor(setup.thread, fileStore.force);
    this.ring = setup.events;
    this.txRules = new TxRules(this.app.txs, counters);
    this.streams = new StreamInspection(this.app.order, this.flows, counters);
    this.bypassMark = config.nfq.bypassMark;
    this.bypassMask = config.nfq.bypassMask;
    this.streamBypass = config.stream.bypass === true;
    this.flowMemcapPolicy = policyCode(config.flow.memcapPolicy);
    this.defragMemcapPolicy = policyCode(config.defrag.memcapPolicy);
    // `auto` would be drop-flow inline: every restart of a detection process would cut all connections.
    this.midstreamPolicy = config.stream.midstreamPolicy === 'auto' ? Policy.Ignore : policyCode(config.stream.midstreamPolicy);
    this.events.midstreamPolicy = this.midstreamPolicy;
    // The sender repeats what is dropped for lack of room: nothing is lost, and nothing missed.
    this.streamMemcapPolicy = config.stream.memcapPolicy === 'auto' ? Policy.DropPacket : policyCode(config.stream.memcapPolicy);
    this.detector = this.newDetector(setup.rules, setup.prepared);
    this.streams.use(this.detector);
    this.actions = setup.prepared?.actions ?? new RuleActions(setup.rules);
  }

  /** Takes a new rule set between two packets; flows and their verdicts stay. */
  setRules(rules: Rule[], generation: number, prepared?: Prepared, datasets: readonly DatasetMemory[] = []): void {
    const detector = this.newDetector(rules, prepared);
    this.store.datasets.use(datasets);
    // From here on nothing throws: rules that cannot be taken leave the old ones in force.
    this.detector.close();
    this.txRules.clear();
    this.detector = detector;
    this.streams.use(detector);
    this.actions = prepared?.actions ?? new RuleActions(rules);
    this.events.ruleGeneration = generation;
    forgetIpOnly(this.flows);
  }

  /** Decides the packet in `this.packet`. In IDS mode the answer is always Pass. */
  inspect(): Verdict {
    const p = this.packet;
    const c = this.counters;
    c[Counter.DetectPackets]++;
    c[Counter.DetectBytes] += p.wireLen;
    if (p.wireLen > c[Counter.MaxWireLen]) c[Counter.MaxWireLen] = p.wireLen;
    this.turn = (this.turn + 1) | 0;
    if (p.tsSec !== this.lastTick) this.tick(p.tsSec);
    else if (this.behind !== 0 && (this.turn & TURN_MASK) === 0) this.expire(EXPIRE_PER_TURN);
    this.reason = Reason.None;
    this.mark = this.markMask = this.answer = this.rewritten = 0;
    p.tunnelDepth = 0;
    p.defragged = 0;
    p.linkHeaderLen = 0;
    this.defrag.completed = 0;
    this.decoder.decode(p);
    this.countLayer(p);
    let verdict = this.inspectLayer(p);
    if (p.eventCount !== 0 || p.streamEventCount !== 0 || p.protoEvents !== 0) this.events.anomalies(p, this.flows);
    while (verdict === Verdict.Pass && p.tunnelOff >= 0) {
      this.events.outer(p);
      const kind = tunnelCounter(p);
      if (!this.decoder.decodeInner(p)) break;
      c[kind < Counter.IpInIpEnd && p.ipVersion === 6 ? kind + 1 : kind]++;
      this.countLayer(p);
      verdict = this.inspectLayer(p);
      if (p.eventCount !== 0 || p.streamEventCount !== 0 || p.protoEvents !== 0) this.events.anomalies(p, this.flows);
    }
    if (p.mode !== Mode.Ips) return Verdict.Pass;
    if (verdict === Verdict.Drop) {
      if (this.defrag.completed > 0) this.defrag.condemn(p.tsSec);
      return verdict;
    }
    return this.rewritten === 1 ? Verdict.Rewritten : verdict;
  }

  /** What stats tell apart and decode does not count. */
  private countLayer(p: Packet): void {
    const c = this.counters;
    if (p.ethOff >= 0) c[Counter.Ethernet]++;
    if (p.ipVersion !== 6) return;
    if (p.isFragment === 1) c[Counter.FragmentsV6]++;
    else if (p.icmpType >= 0) c[Counter.IcmpV6]++;
  }

  private countEnd(flows: FlowTable, slot: number): void {
    this.counters[Counter.FlowEndState + flows.state[slot]]++;
    if (flows.proto(slot) === IpProto.Tcp) this.counters[Counter.FlowEndTcp + flows.tcpState[slot]]++;
  }

  /** Clock-driven work: once per second of packet time, or when nothing arrives. */
  tick(seconds: number): void {
    this.lastTick = seconds;
    this.fileStore?.pump(this.ring);
    this.events.nowSec = seconds;
    this.events.nowNsec = 0;
    this.expire(EXPIRE_AT_TICK);
    this.defrag.tick(seconds);
    this.counters[Counter.HeapUsed] = getHeapStatistics().used_heap_size;
    this.measureMemory();
  }

  /** Bytes in use, and how near the nearest memcap is. */
  private measureMemory(): void {
    const { counters: c, config } = this;
    c[Counter.ReassemblyMemuse] = this.app.order.memuse;
    c[Counter.DefragMemuse] = this.defrag.memuse;
    const fullest = Math.max(
      c[Counter.FlowMemuse] / config.flow.memcap,
      c[Counter.ReassemblyMemuse] / config.stream.reassembly.memcap,
      c[Counter.DefragMemuse] / config.defrag.memcap,
    );
    c[Counter.MemcapPressure] = Math.floor(100 * fullest);
    if (c[Counter.MemcapPressure] > c[Counter.MemcapPressureMax]) c[Counter.MemcapPressureMax] = c[Counter.MemcapPressure];
  }

  /** For times when there is nothing else to do: ends some flows whose time is over. Returns true when more are due. */
  catchUp(): boolean {
    if (this.behind !== 0) this.expire(EXPIRE_AT_TICK);
    return this.behind !== 0;
  }

  private expire(budget: number): void {
    this.behind = this.flows.tick(this.lastTick, budget) ? 1 : 0;
  }

  /**
   * Reports as many live flows as the event ring has room for. Returns true when there are more: call again when the
   * ring has been read. Nothing is inspected afterwards.
   */
  finishSome(): boolean {
    this.fileStore?.pump(this.ring);
    const room = this.events.flowRoom();
    const more = room > 0 ? this.flows.endSome(room) : this.flows.active > 0;
    return more || this.fileStore?.pending === true;
  }

  /**
   * Reports every live flow to a reader in another thread or process, at its pace. What a reader that has stopped leaves
   * no room for is lost and counted (Counter.EventsLost).
   */
  finish(): void {
    let left = this.flows.active;
    for (let waited = 0; this.finishSome() && waited < READER_PATIENCE; waited++) {
      native.futexWait(this.asleep, 0, 0, 1);
      if (this.flows.active < left) waited = 0;
      left = this.flows.active;
    }
    this.close();
  }

  /** What the rules cost so far (Config.ruleProfile). */
  ruleCosts(): RuleCost[] {
    return this.detector.ruleCosts();
  }

  /** Ends without waiting for room, and gives back what the addon holds. */
  close(): void {
    this.flows.endAll();
    this.app.close();
    this.detector.close();
    this.defrag.close();
  }

  /** One IP packet: the outermost, or one inside it. */
  private inspectLayer(p: Packet): Verdict {
    // A fragment has no flow: what is left of the packet before must not be taken for it.
    p.flow = -1;
    p.appProto = 0;
    p.protoEvents = 0;
    p.protoFound = 0;
    p.flowNew = 0;
    p.established = 0;
    p.direction = 0;
    if (p.isFragment === 1) {
      const verdict = this.inspectFragment(p);
      if (verdict !== Verdict.None) return verdict;
      if (p.ipVersion === 6) this.counters[Counter.ReassembledV6]++;
    }
    if (p.ipVersion === 0 || p.invalid === 1) return this.detect(p);
    const flows = this.flows;
    const flow = flows.lookup(p);
    if (p.flowNew === 1 && p.proto === IpProto.IcmpV6) this.counters[Counter.FlowsIcmpV6]++;
    if (flow < 0) {
      if (flow === NoFlow.Memcap) {
        const verdict = this.byPolicy(p, this.flowMemcapPolicy, Reason.FlowMemcap);
        if (verdict !== Verdict.None) return verdict;
      }
      return this.detect(p);
    }
    if (p.payloadLen > 0 && (p.direction === 0 ? flows.appProto[flow] === 0 && this.isAnswer(p) : this.isQuestion(p))) this.swapSides(p);
    if (this.events.macs !== null) this.events.macs.add(p);
    let flags = flows.flags[flow];
    // Out of fragments, without a session: its first fragment came late, or the session is another worker's.
    // Hosts that fragment TCP at all are rare; one that does so in this way hides something.
    if (p.defragged === 1 && p.flowNew === 1 && p.mode === Mode.Ips && p.proto === IpProto.Tcp && (p.tcpFlags & TcpFlag.Syn) === 0)
      return this.drop(p, Reason.DefragError, -1);
    // A segment with a wrong checksum is looked at, but moves no session: no host takes it.
    let transactions = 0;
    let spoiled = false;
    this.detector.notes = null;
    if (p.proto === IpProto.Tcp && (flags & FlowFlag.Dropped) === 0 && p.csumInvalid === 0) {
      const result = this.tcp.update(p);
      // A new session on the same tuple has a flow of its own now.
      flags = flows.flags[p.flow];
      let isTaken = result !== TcpResult.Invalid;
      if (!isTaken && p.mode === Mode.Ips) {
        spoiled = (flags & FlowFlag.Passed) === 0 && this.tcp.refuses(p);
        // It is forwarded, and whether the receiver takes it is the receiver's judgement: no rule may miss it.
        if (!spoiled && (flags & FlowFlag.TcpEstablished) !== 0) {
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
        const verdict = this.byPolicy(p, this.midstreamPolicy, Reason.StreamMidstream);
        flags = flows.flags[p.flow];
        // What is passed is parsed and logged all the same.
        if (verdict !== Verdict.None && (flags & FlowFlag.Passed) === 0) return verdict;
      }
      // Without payload too: acknowledgements deliver.
      if (isTaken && (flags & FlowFlag.Bypassed) === 0) {
        const passed = (flags & FlowFlag.Passed) !== 0;
        transactions = this.app.update(p);
        if (transactions === NO_ROOM && passed) transactions = this.app.force(p);
        if (transactions === NO_ROOM) {
          const verdict = this.byPolicy(p, this.streamMemcapPolicy, Reason.StreamMemcap);
          if (verdict === Verdict.Drop) return verdict;
          transactions = this.app.force(p);
        }
        this.detector.notes = this.streams.note(p);
        if (p.mode === Mode.Ips && !passed && (this.app.differs || this.app.unrepairable)) spoiled = !this.repair(p);
      }
      this.noteProtocol(p);
    } else if (p.proto === IpProto.Udp && (flags & (FlowFlag.Bypassed | FlowFlag.Dropped)) === 0) {
      // Whatever its checksum says: what no host takes does no harm here, and nothing is remembered of it.
      transactions = this.app.datagram(p);
      this.noteProtocol(p);
    }
    let verdict = this.inspectFlow(p, flags, transactions);
    // After inspection: what it brought is not brought again.
    if (spoiled && verdict !== Verdict.Drop) verdict = this.drop(p, Reason.StreamError, -1);
    if (this.streams.more) this.streams.skip();
    this.about = p;
    this.app.settle(this.onTransaction, this.events.appAnomalies ? this.onTxEvents : null, this.onFile, p.direction);
    if (this.fileStore?.pending === true) this.fileStore.pump(this.ring);
    if ((flags & FlowFlag.Encrypted) !== 0 && p.payloadLen > 0) flows.bypass(p.flow);
    else if (this.streamBypass && (flows.flags[p.flow] & FlowFlag.StreamDepth) !== 0) flows.bypass(p.flow);
    return verdict;
  }

  /** The first data that is seen of a flow comes from its server: of TCP, where the handshake was not seen. */
  private isAnswer(p: Packet): boolean {
    if (p.proto === IpProto.Udp) return p.flowNew === 1 && this.app.looksAnswered(p);
    if (p.proto !== IpProto.Tcp || (p.tcpFlags & TcpFlag.Syn) !== 0 || p.csumInvalid !== 0) return false;
    if (p.flowNew === 1) return (this.config.stream.midstream || p.selective === 1) && this.app.looksAnswered(p);
    const { flows } = this;
    return (flows.flags[p.flow] & FlowFlag.Midstream) !== 0 && flows.tcpState[p.flow] === TcpState.Established && this.app.looksAnswered(p);
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
    if (p.flowNew === 0) this.events.macs?.swap(p.flow);
    p.direction ^= 1;
  }

  /** What the packet's rules are told of its flow's protocol. */
  private noteProtocol(p: Packet): void {
    const { flags } = this.flows;
    p.appProto = this.app.protoOf(p);
    p.protoEvents = this.app.protoEvents;
    const found = flags[p.flow] & (FlowFlag.ProtoFoundTs << p.direction);
    if (found === 0) return;
    flags[p.flow] &= ~found;
    p.protoFound = 1;
  }

  /** A packet of a flow, which brings so many moments of transactions. */
  private inspectFlow(p: Packet, flags: number, transactions: number): Verdict {
    const { flows } = this;
    if (flows.answers[p.flow] !== 0) this.rejectAgain(p);
    if ((flags & FlowFlag.Dropped) !== 0 && p.mode === Mode.Ips) return this.drop(p, Reason.FlowDropped, -1);
    if ((flags & FlowFlag.Bypassed) !== 0) return this.bypassed();
    if ((flags & FlowFlag.Passed) !== 0) return Verdict.Pass;
    let verdict = this.examine(p);
    if (this.streams.has(p)) verdict = worse(verdict, this.examineStream(p.flow, p));
    // Whatever becomes of the packet: what it brings does not come again.
    if (transactions > 0) verdict = worse(verdict, this.examineTransactions(p, transactions));
    verdict = worse(verdict, this.conclude(p));
    return verdict === Verdict.None ? Verdict.Pass : verdict;
  }

  /**
   * A fragment: rules on packets see it, without a payload and a flow (as in Suricata), and then the datagram it completes.
   * None: p is that datagram, decoded.
   */
  private inspectFragment(p: Packet): Verdict {
    const { mem, region, off, capLen, wireLen, linkType } = p;
    // No host takes a fragment whose header is damaged: it must not stand in for the good one.
    const result = p.csumInvalid === 1 ? DefragResult.Waiting : this.defrag.add(p);
    const complete = result === DefragResult.Complete;
    // In the capture, a reassembled datagram has the link header of its last fragment.
    if (complete && p.tunnelDepth === 0 && mem !== this.defrag.mem && p.ipOff - off <= MAX_LINK_HEADER) {
      p.linkHeaderLen = p.ipOff - off;
      p.linkHeaderType = linkType;
      for (let i = 0; i < p.linkHeaderLen; i++) p.linkHeader[i] = mem[off + i];
    }
    const length = p.capLen;
    // Within a reassembled datagram the fragment's own bytes are gone now.
    if (!complete || mem !== this.defrag.mem) {
      if (complete) {
        p.mem = mem;
        p.region = region;
        p.off = off;
        p.capLen = capLen;
        p.wireLen = wireLen;
        p.linkType = linkType;
        p.defragged = 0;
      }
      const payloadLen = p.payloadLen;
      p.payloadLen = 0;
      const verdict = this.detect(p);
      p.payloadLen = payloadLen;
      if (verdict === Verdict.Drop) return verdict;
    }
    switch (result) {
      case DefragResult.Waiting:
        return Verdict.Pass;
      case DefragResult.Memcap:
        return this.byPolicy(p, this.defragMemcapPolicy, Reason.DefragMemcap);
      case DefragResult.Error:
        return this.byPolicy(p, Policy.DropPacket, Reason.DefragError);
      case DefragResult.Condemned:
        return this.byPolicy(p, Policy.DropPacket, Reason.FlowDropped);
    }
    p.mem = this.defrag.mem;
    p.region = this.defrag.region;
    p.off = 0;
    p.capLen = length;
    p.wireLen = length;
    p.linkType = LinkType.Raw;
    p.defragged = 2;
    // They were the fragment's.
    p.eventCount = 0;
    this.decoder.decode(p);
    return Verdict.None;
  }

  /** A packet that has no flow, or none that decides about it. */
  private detect(p: Packet): Verdict {
    return worse(this.examine(p), this.conclude(p)) === Verdict.Drop ? Verdict.Drop : Verdict.Pass;
  }

  /** Rules on packets. None: what matches waits in the queue. */
  private examine(p: Packet): Verdict {
    if (this.store.tags.active !== 0 && this.store.tags.use(p, this.flows) === 1) {
      this.counters[Counter.TaggedPackets]++;
      this.events.tagged(p, this.flows);
    }
    const n = this.detector.inspect(p, this.flows);
    return n === 0 ? Verdict.None : this.enqueue(p, n, -1, p.direction);
  }

  /** Rules on what was delivered of streams. None: what matches waits in the queue. */
  private examineStream(slot: number, p: Packet, atEnd = false): Verdict {
    const { streams } = this;
    const packet = atEnd ? null : p;
    let verdict = Verdict.None;
    for (let n = streams.next(slot, packet); n > 0; n = streams.next(slot, packet)) {
      verdict = worse(verdict, this.enqueue(p, n, OF_STREAM, streams.direction));
      // The next piece moves what the alerts show.
      if (streams.more) verdict = worse(verdict, this.conclude(p));
    }
    return verdict;
  }

  /** Rules on what this packet brings to application layer transactions. None: what matches waits in the queue. */
  private examineTransactions(p: Packet, count: number): Verdict {
    const { app, flows } = this;
    const proto = p.appProto;
    let verdict = Verdict.None;
    for (let i = 0; i < count; i++) {
      app.select(i);
      let packet = p;
      if (app.direction !== p.direction) {
        packet = this.ghost;
        ghostPacket(packet, flows, p.flow, app.direction, p);
      }
      const n = this.inspectSelected(packet);
      p.appProto = proto;
      if (n !== 0) verdict = worse(verdict, this.enqueue(p, n, app.tx, app.direction));
    }
    return verdict;
  }

  /** Rules on the moment that was selected; how many match. */
  private inspectSelected(p: Packet): number {
    const { app, detector } = this;
    const { words } = app.txs;
    const proto = words[app.tx * Tx.Words + Tx.Proto];
    p.appProto = proto;
    detector.about(app.tx, words, PROTOCOL_SPECS[proto]!.eventWord, app.files);
    return detector.inspectTransaction(p, this.flows, app.buffers, this.txRules, app.tx, app.isComplete());
  }

  /** The flow ends: what its transactions lack does not come any more. */
  private finishTransactions(slot: number): void {
    const { app, ghost, flows } = this;
    const count = app.finish(slot);
    const isInspected = (flows.flags[slot] & (FlowFlag.Passed | FlowFlag.Bypassed | FlowFlag.Dropped)) === 0;
    this.events.atFlowEnd = true;
    ghostPacket(ghost, flows, slot, 0, null);
    if (isInspected) this.examineStream(slot, ghost, true);
    else this.streams.skip();
    for (let i = 0; i < count && isInspected; i++) {
      app.select(i);
      ghostPacket(ghost, flows, slot, app.direction, null);
      const n = this.inspectSelected(ghost);
      if (n !== 0) this.enqueue(ghost, n, app.tx, app.direction);
    }
    ghostPacket(ghost, flows, slot, 0, null);
    this.conclude(ghost);
    ghostPacket(ghost, flows, slot, 0, null);
    this.about = ghost;
    // What a dropped flow had begun never arrived.
    const isDropped = (flows.flags[slot] & FlowFlag.Dropped) !== 0;
    app.settle(isDropped ? null : this.onTransaction, isDropped || !this.events.appAnomalies ? null : this.onTxEvents);
    ghost.protoEvents = app.protoEvents;
    if (ghost.protoEvents !== 0) this.events.anomalies(ghost, flows);
    app.flowEnded(slot);
    this.events.atFlowEnd = false;
  }

  /** The bypass mark lets netfilter rules keep later packets of the flow out of the queue. */
  private bypassed(): Verdict {
    this.counters[Counter.Bypassed]++;
    this.counters[Counter.BypassedBytes] += this.packet.wireLen;
    this.mark = (this.mark & ~this.bypassMask) | (this.bypassMark & this.bypassMask);
    this.markMask |= this.bypassMask;
    return Verdict.Pass;
  }

  /** Keeps the n matches of the last inspection, of transaction `tx` or (-1) the packet, for conclude. Not None: some are carried out. */
  private enqueue(p: Packet, n: number, tx: number, direction: number): Verdict {
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
  private conclude(p: Packet): Verdict {
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
      sides |= ruleSides;
      if (drops && dropRule < 0) {
        dropRule = rule;
        if (changed !== NewAction.None) reason = Reason.Threshold;
      }
      // Bytes of the stream: they would come again, cut differently, and nobody would see them as new.
      if (drops && ips && p.flow >= 0 && (queue.tx[i] === OF_STREAM || this.holdsForFlow(p, rule))) flows.drop(p.flow, reason);
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
      this.alert(p, i, rule, drops && (ips || ruleSides !== 0) ? 1 : 0, drops ? (ips ? 1 : 2) : 0);
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
      if (tx === OF_STREAM) events.ofStream(this.streams.mem, this.streams.off, this.streams.len);
      events.alert(packet, flows, rule, action, dropFlag);
      events.ofStream(null, 0, 0);
      return;
    }
    events.about(app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files);
    events.alert(packet, flows, rule, action, dropFlag);
    events.about(null, -1, -1);
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
        if (p.mode === Mode.Ips) verdict = EventVerdict.Drop;
      } else if (action === Act.Pass) verdict = EventVerdict.Pass;
    }
    this.events.verdict = verdict;
    this.events.rejectSides = sides;
  }

  private rewrite(p: Packet): void {
    if (canRewrite(p) && this.detector.rewrite(p) > 0 && fixChecksums(p)) this.rewritten = 1;
  }

  /** Overwrites bytes that were sent before, and differently, with those the receiver may have. False: the packet must not be forwarded. */
  private repair(p: Packet): boolean {
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
  private rejectAgain(p: Packet): void {
    // Nobody answers a reset (RFC 9293, 3.5.2), or an ICMP error, which belongs to the flow it tells of (RFC 1122, 3.2.2).
    if (p.proto === IpProto.Tcp ? (p.tcpFlags & TcpFlag.Rst) !== 0 : p.proto === IpProto.Icmp && isIcmpV4Error(p.icmpType)) return;
    const answers = this.flows.answers[p.flow];
    const sender = p.direction === 0 ? Side.Source : Side.Destination;
    if ((answers & sender) === 0 || answers >= MAX_ANSWERS * ANSWER_ONE || p.tunnelDepth > 0 || p.defragged !== 0) return;
    this.answer = packAnswer(Side.Source, p.ipOff - p.off, p.ipHeaderLen);
    this.flows.answers[p.flow] = answers + ANSWER_ONE;
  }

  private drop(p: Packet, reason: Reason, rule: number): Verdict {
    this.reason = reason;
    this.events.drop(p, this.flows, reason, rule);
    return Verdict.Drop;
  }

  /** Verdict.None: ignore, go on as if nothing had happened. */
  private byPolicy(p: Packet, policy: Policy, reason: Reason): Verdict {
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
    return p.mode === Mode.Ips ? this.drop(p, reason, -1) : Verdict.Pass;
  }

  private newDetector(rules: Rule[], prepared?: Prepared): Detector {
    const { config } = this;
    const detector = new Detector(
      rules,
      {
        pcreMatchLimit: config.pcre.matchLimit,
        pcreDepthLimit: config.pcre.matchLimitRecursion,
        profile: config.ruleProfile !== undefined,
        thresholdEntries: config.thresholdEntries,
        actionOrder: config.actionOrder,
      },
      this.counters,
      this.store,
      prepared,
    );
    const { hashes, magic } = config.appLayer?.files ?? { hashes: 0, magic: false };
    this.app.files.want({ hashes: detector.files.hashes | hashes, magic: detector.files.magic || magic });
    if (this.fileStore !== null) this.storing = storingRules(rules);
    return detector;
  }
}

/** By index: what rules with `filestore` store; null: there are none. */
function storingRules(rules: readonly Rule[]): Map<number, Storing> | null {
  const found = new Map<number, Storing>();
  for (const [i, rule] of rules.entries()) {
    const storing = rule.inert === undefined ? storingOf(rule) : null;
    if (storing !== null) found.set(i, storing);
  }
  return found.size > 0 ? found : null;
}

/** The counter of the kind of tunnel p carries; IP in IP still lacks the version of the inner packet. */
function tunnelCounter(p: Packet): number {
  if (p.proto === IpProto.Gre) return Counter.Gre;
  if (p.proto === IpProto.Udp) return p.tunnelLinkType === 1 ? Counter.Vxlan : Counter.Teredo;
  return p.ipVersion === 6 ? Counter.IpInIp + 2 : Counter.IpInIp;
}

/** In the place of a transaction's number: what matches is the stream. */
const OF_STREAM = -2;

/** NewAction as Act. */
const CHANGED: readonly Act[] = [Act.Alert, Act.Alert, Act.Drop, Act.Pass, Act.Drop];

function mirrored(sides: number): number {
  return ((sides & Side.Source) << 1) | ((sides & Side.Destination) >> 1);
}

/** Of two verdicts on a packet: Drop before Pass before None. */
function worse(a: Verdict, b: Verdict): Verdict {
  return a === Verdict.Drop || b === Verdict.Drop ? Verdict.Drop : a === Verdict.None ? b : a;
}
