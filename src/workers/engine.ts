import { AppLayer } from '../app-layer/app-layer.js';
import { appProtoOf } from '../app-layer/buffers.js';
import type { Storing } from '../app-layer/files/files.js';
import { chosenProtocols } from '../app-layer/protocols.js';
import type { Config } from '../config/config.js';
import { Decoder } from '../decode/decoder.js';
import { Defragmenter } from '../decode/defrag.js';
import { IpProto, Packet, TcpFlag } from '../decode/packet.js';
import { Detector } from '../detect/detector.js';
import { forgetIpOnly } from '../detect/flows.js';
import type { Prepared } from '../detect/prepare.js';
import { RuleActions } from '../detect/rule-actions.js';
import type { RuleCost } from '../detect/rule-costs.js';
import type { DatasetMemory } from '../detect/state/datasets.js';
import { StateStore } from '../detect/state/store.js';
import { storingOf } from '../detect/tests/files.js';
import { TxRules } from '../detect/tx-rules.js';
import { FlowFlag, NoFlow } from '../flow/codes.js';
import { type FlowEndSink, FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { EventEncoder, encoderOptions } from '../output/event-record.js';
import type { EventRing } from '../ring/event-ring.js';
import { Mode, Reason, Verdict } from '../ring/verdict.js';
import type { Rule } from '../rules/rule.js';
import { TcpTracker } from '../stream/tcp-tracker.js';
import { Examination } from './examination.js';
import { Fragments } from './fragments.js';
import { Housekeeping } from './housekeeping.js';
import { Outcome, worse } from './outcome.js';
import { type Policy, policyCode } from './policy.js';
import { StreamInspection } from './stream-inspection.js';
import { Transport } from './transport.js';

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

/**
 * One packet's way: decode -> defragment -> flow -> stream -> detect -> verdict.
 *
 * The loop that owns the packets (fused, worker or offline) fills the bytes, time, source and mode of
 * `packet` and calls inspect(); it finds the verdict's reason in `reason`. The engine does not know
 * which of the three it runs in.
 */
export class Engine {
  readonly packet = new Packet();
  readonly flows: FlowTable;
  private readonly decoder: Decoder;
  private readonly defrag: Defragmenter;
  private readonly app: AppLayer;
  private readonly txRules: TxRules;
  private readonly streams: StreamInspection;
  private readonly outcome: Outcome;
  private readonly examination: Examination;
  private readonly transport: Transport;
  private readonly fragments: Fragments;
  private readonly housekeeping: Housekeeping;
  private readonly events: EventEncoder;
  private readonly counters: Float64Array;
  private readonly config: Config;
  private detector: Detector;
  /** What rules remember: lives on when they are loaded anew. */
  private readonly store: StateStore;
  private readonly flowMemcapPolicy: Policy;
  private readonly streamBypass: boolean;

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
          if (flows.appState[slot] !== 0 || this.app.order.hasUnseen(slot) || this.streams.hasPending(slot))
            this.examination.finishTransactions(slot);
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
    const tcp = new TcpTracker(config.stream, this.flows, counters);
    this.app = new AppLayer(this.flows, counters, {
      protocols: chosenProtocols(config.appLayer),
      bypass: (config.appLayer?.bypass ?? []).map(appProtoOf),
      opaque: (config.appLayer?.opaque ?? []).map(appProtoOf),
      expectations: setup.expectations,
      reassembly: { ...config.stream.reassembly, inline: config.stream.inline, oneside: config.stream.asyncOneside },
    });
    const { fileStore } = config.outputs;
    const files = fileStore === undefined ? null : this.app.files.keepFor(setup.thread, fileStore.force);
    if (fileStore?.streamDepth !== undefined) this.app.deepenForStore(fileStore.streamDepth);
    this.txRules = new TxRules(this.app.txs, counters);
    this.streams = new StreamInspection(this.app.order, this.flows, counters);
    const { app, flows, streams, events } = this;
    this.outcome = new Outcome(config, this.packet, flows, app, streams, events, counters);
    this.examination = new Examination(app, flows, streams, this.txRules, this.store, events, this.outcome, counters);
    this.transport = new Transport(config, flows, tcp, app, streams, events, this.examination, this.outcome, counters);
    events.midstreamPolicy = this.transport.midstreamPolicy;
    const defragPolicy = policyCode(config.defrag.memcapPolicy);
    this.fragments = new Fragments(this.defrag, this.decoder, this.examination, this.outcome, defragPolicy);
    this.housekeeping = new Housekeeping(config, flows, app, this.defrag, events, setup.events, files, counters);
    this.streamBypass = config.stream.bypass === true;
    this.flowMemcapPolicy = policyCode(config.flow.memcapPolicy);
    this.detector = this.newDetector(setup.rules, setup.prepared);
    this.use(this.detector, setup.rules, setup.prepared);
  }

  /** Takes a new rule set between two packets; flows and their verdicts stay. */
  setRules(rules: Rule[], generation: number, prepared?: Prepared, datasets: readonly DatasetMemory[] = []): void {
    const detector = this.newDetector(rules, prepared);
    this.store.datasets.use(datasets);
    // From here on nothing throws: rules that cannot be taken leave the old ones in force.
    this.detector.close();
    this.txRules.clear();
    this.detector = detector;
    this.use(detector, rules, prepared);
    this.events.ruleGeneration = generation;
    forgetIpOnly(this.flows);
  }

  private use(detector: Detector, rules: Rule[], prepared: Prepared | undefined): void {
    this.streams.use(detector);
    this.examination.use(detector);
    this.transport.use(detector);
    const storing = this.config.outputs.fileStore === undefined ? null : storingRules(rules);
    this.outcome.use(detector, prepared?.actions ?? new RuleActions(rules), storing);
  }

  get reason(): Reason {
    return this.outcome.reason;
  }

  /** The packet's netfilter mark becomes (its mark & ~markMask) | (mark & markMask). */
  get mark(): number {
    return this.outcome.mark;
  }

  get markMask(): number {
    return this.outcome.markMask;
  }

  /** Who is told that the packet was rejected (src/ring/verdict.ts); 0: nobody. */
  get answer(): number {
    return this.outcome.answer;
  }

  /** Decides the packet in `this.packet`. In IDS mode the answer is always Pass. */
  inspect(): Verdict {
    const p = this.packet;
    const c = this.counters;
    c[Counter.DetectPackets]++;
    c[Counter.DetectBytes] += p.wireLen;
    if (p.wireLen > c[Counter.MaxWireLen]) c[Counter.MaxWireLen] = p.wireLen;
    this.housekeeping.packet(p.tsSec);
    if (this.app.order.windows.isShort) this.examination.makeRoom(p.mode);
    this.outcome.begin();
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
    return this.outcome.rewritten === 1 ? Verdict.Rewritten : verdict;
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
    this.housekeeping.tick(seconds);
  }

  /** For times when there is nothing else to do: see Housekeeping.catchUp. */
  catchUp(): boolean {
    return this.housekeeping.catchUp();
  }

  /** Nothing is inspected afterwards: see Housekeeping.finishSome. */
  finishSome(): boolean {
    return this.housekeeping.finishSome();
  }

  /** The same for all at once, to a reader in another thread or process (Housekeeping.finish). */
  finish(): void {
    this.housekeeping.finish();
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
    p.opaque = 0;
    p.flowNew = 0;
    p.established = 0;
    p.direction = 0;
    if (p.isFragment === 1) {
      const verdict = this.fragments.inspect(p);
      if (verdict !== Verdict.None) return verdict;
      if (p.ipVersion === 6) this.counters[Counter.ReassembledV6]++;
    }
    if (p.ipVersion === 0 || p.invalid === 1) return this.examination.detect(p);
    const flows = this.flows;
    const flow = flows.lookup(p);
    if (p.flowNew === 1 && p.proto === IpProto.IcmpV6) this.counters[Counter.FlowsIcmpV6]++;
    if (flow < 0) {
      if (flow === NoFlow.Memcap) {
        const verdict = this.outcome.byPolicy(p, this.flowMemcapPolicy, Reason.FlowMemcap);
        if (verdict !== Verdict.None) return verdict;
      }
      return this.examination.detect(p);
    }
    const { transport } = this;
    transport.findSides(p);
    if (this.events.macs !== null) this.events.macs.add(p);
    // Out of fragments, without a session: its first fragment came late, or the session is another worker's.
    // Hosts that fragment TCP at all are rare; one that does so in this way hides something.
    if (p.defragged === 1 && p.flowNew === 1 && p.mode === Mode.Ips && p.proto === IpProto.Tcp && (p.tcpFlags & TcpFlag.Syn) === 0)
      return this.outcome.drop(p, Reason.DefragError, -1);
    const outcome = transport.take(p);
    if (outcome !== Verdict.None) return outcome;
    const { flags } = transport;
    let verdict = this.inspectFlow(p, flags, transport.transactions);
    // After inspection: what it brought is not brought again.
    if (transport.spoiled && verdict !== Verdict.Drop) verdict = this.outcome.drop(p, Reason.StreamError, -1);
    if (p.proto === IpProto.Tcp && verdict !== Verdict.Drop) verdict = worse(verdict, transport.failed(p));
    if (this.streams.more) this.streams.skip();
    this.examination.settle(p);
    this.housekeeping.pump();
    if ((flags & FlowFlag.Encrypted) !== 0 && p.payloadLen > 0) flows.bypass(p.flow);
    else if (this.streamBypass && (flows.flags[p.flow] & FlowFlag.StreamDepth) !== 0) flows.bypass(p.flow);
    return verdict;
  }

  /** A packet of a flow, which brings so many moments of transactions. */
  private inspectFlow(p: Packet, flags: number, transactions: number): Verdict {
    const { flows } = this;
    if (flows.answers[p.flow] !== 0) this.outcome.rejectAgain(p);
    if ((flags & FlowFlag.Dropped) !== 0 && p.mode === Mode.Ips) return this.outcome.drop(p, Reason.FlowDropped, -1);
    if ((flags & FlowFlag.Bypassed) !== 0) return this.outcome.bypassed();
    if ((flags & FlowFlag.Passed) !== 0) return Verdict.Pass;
    let verdict = this.examination.examine(p);
    if (this.streams.has(p)) verdict = worse(verdict, this.examination.examineStream(p.flow, p));
    // Whatever becomes of the packet: what it brings does not come again.
    if (transactions > 0) verdict = worse(verdict, this.examination.examineTransactions(p, transactions));
    if ((flows.flags[p.flow] & FlowFlag.Opaque) !== 0 && this.streams.isWatched(p.flow))
      verdict = worse(verdict, this.examination.endStreams(p));
    verdict = worse(verdict, this.outcome.conclude(p));
    return verdict === Verdict.None ? Verdict.Pass : verdict;
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
    this.app.wantHassh(detector.hassh);
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
