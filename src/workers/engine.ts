import { getHeapStatistics } from 'node:v8';
import type { Config } from '../config/config.js';
import { Decoder } from '../decode/decoder.js';
import { Defragmenter, DefragResult } from '../decode/defrag.js';
import { IpProto, Packet } from '../decode/packet.js';
import { Detector } from '../detect/detector.js';
import { isIpOnly } from '../detect/plan.js';
import { FlowFlag, NoFlow } from '../flow/codes.js';
import { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { EventEncoder } from '../output/event-record.js';
import type { EventRing } from '../ring/event-ring.js';
import { type ExceptionPolicy, Mode, Reason, Verdict } from '../ring/verdict.js';
import type { Rule } from '../rules/rule.js';
import { TcpResult, TcpTracker } from '../stream/tcp-tracker.js';

/** What a detecting thread is made of, whichever run mode it lives in. */
export interface EngineSetup {
  config: Config;
  /** Number of the detecting thread: keeps flow ids apart. */
  thread: number;
  rules: Rule[];
  ruleGeneration: number;
  checksumValidation: boolean;
  counters: Float64Array;
  events: EventRing;
}

/** Codes of the rule actions, one byte per rule: no string is compared per match. */
const enum Act {
  Alert = 0,
  Pass = 1,
  Drop = 2,
  /** A pass rule on addresses alone is looked at once per flow, so it speaks for the whole flow. */
  PassFlow = 3,
}

const enum Policy {
  Ignore = 0,
  DropFlow = 1,
  DropPacket = 2,
  PassFlow = 3,
  PassPacket = 4,
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
  reason: Reason = Reason.None;
  mark = 0;
  readonly flows: FlowTable;
  private readonly decoder: Decoder;
  private readonly defrag: Defragmenter;
  private readonly tcp: TcpTracker;
  private readonly events: EventEncoder;
  private readonly counters: Float64Array;
  private readonly config: Config;
  private detector: Detector;
  private actions: Uint8Array;
  private readonly flowMemcapPolicy: Policy;
  private readonly defragMemcapPolicy: Policy;
  private readonly midstreamPolicy: Policy;
  private lastTick = -1;

  constructor(setup: EngineSetup) {
    const { config, counters } = setup;
    this.config = config;
    this.counters = counters;
    this.events = new EventEncoder(setup.events, counters, EventEncoder.options(config));
    this.events.ruleGeneration = setup.ruleGeneration;
    this.decoder = new Decoder(
      {
        vxlanPorts: config.vxlanPorts,
        teredo: config.teredo,
        teredoPorts: config.teredoPorts,
        checksumValidation: setup.checksumValidation,
      },
      counters,
    );
    this.defrag = new Defragmenter(config.defrag, counters);
    this.flows = new FlowTable(config.flow, counters, this.events, { thread: setup.thread });
    this.tcp = new TcpTracker(config.stream, this.flows, counters);
    this.flowMemcapPolicy = policyCode(config.flow.memcapPolicy);
    this.defragMemcapPolicy = policyCode(config.defrag.memcapPolicy);
    // `auto` would be drop-flow inline: every restart of a detection process would cut all connections.
    this.midstreamPolicy = config.stream.midstreamPolicy === 'auto' ? Policy.Ignore : policyCode(config.stream.midstreamPolicy);
    this.detector = this.newDetector(setup.rules);
    this.actions = actionCodes(setup.rules);
  }

  /** Takes a new rule set between two packets; flows and their verdicts stay. */
  setRules(rules: Rule[], generation: number): void {
    const detector = this.newDetector(rules);
    this.detector.close();
    this.detector = detector;
    this.actions = actionCodes(rules);
    this.events.ruleGeneration = generation;
  }

  /** Decides the packet in `this.packet`. In IDS mode the answer is always Pass. */
  inspect(): Verdict {
    const p = this.packet;
    const c = this.counters;
    c[Counter.DetectPackets]++;
    c[Counter.DetectBytes] += p.wireLen;
    if (p.wireLen > c[Counter.MaxWireLen]) c[Counter.MaxWireLen] = p.wireLen;
    if (p.tsSec !== this.lastTick) this.tick(p.tsSec);
    this.reason = Reason.None;
    p.tunnelDepth = 0;
    p.defragged = 0;
    this.decoder.decode(p);
    let verdict = this.inspectLayer(p);
    while (verdict === Verdict.Pass && p.tunnelOff >= 0) {
      this.events.outer(p);
      if (!this.decoder.decodeInner(p)) break;
      verdict = this.inspectLayer(p);
    }
    return p.mode === Mode.Ips ? verdict : Verdict.Pass;
  }

  /** Clock-driven work: once per second of packet time, or when nothing arrives. */
  tick(seconds: number): void {
    this.lastTick = seconds;
    this.events.nowSec = seconds;
    this.events.nowNsec = 0;
    this.flows.tick(seconds);
    this.defrag.tick(seconds);
    this.counters[Counter.HeapUsed] = getHeapStatistics().used_heap_size;
  }

  /** Reports every live flow; nothing is inspected afterwards. */
  finish(): void {
    this.flows.endAll();
    this.detector.close();
  }

  /** One IP packet: the outermost, or one inside it. */
  private inspectLayer(p: Packet): Verdict {
    if (p.isFragment === 1) {
      const result = this.defrag.add(p);
      if (result === DefragResult.Waiting) return Verdict.Pass;
      if (result === DefragResult.Memcap) return this.byPolicy(p, this.defragMemcapPolicy, Reason.DefragMemcap);
      if (result === DefragResult.Error) return this.byPolicy(p, Policy.Ignore, Reason.DefragError);
      this.decoder.decode(p);
    }
    p.flow = -1;
    p.flowNew = 0;
    p.established = 0;
    if (p.ipVersion === 0 || p.invalid === 1) return this.detect(p);
    const flows = this.flows;
    const flow = flows.lookup(p);
    if (flow < 0) {
      if (flow === NoFlow.Memcap) {
        const verdict = this.byPolicy(p, this.flowMemcapPolicy, Reason.FlowMemcap);
        if (verdict !== Verdict.None) return verdict;
      }
      return this.detect(p);
    }
    let flags = flows.flags[flow];
    if (p.proto === IpProto.Tcp && (flags & FlowFlag.Dropped) === 0) {
      const result = this.tcp.update(p);
      // A new session on the same tuple has a flow of its own now.
      flags = flows.flags[p.flow];
      if (
        (result === TcpResult.Midstream || result === TcpResult.MidstreamPickup) &&
        this.midstreamPolicy !== Policy.Ignore &&
        (flags & (FlowFlag.Passed | FlowFlag.Dropped)) === 0
      ) {
        const verdict = this.byPolicy(p, this.midstreamPolicy, Reason.StreamMidstream);
        if (verdict !== Verdict.None) return verdict;
      }
    }
    if ((flags & FlowFlag.Dropped) !== 0 && p.mode === Mode.Ips) return this.drop(p, Reason.FlowDropped, -1);
    if ((flags & (FlowFlag.Passed | FlowFlag.Bypassed)) !== 0) return Verdict.Pass;
    return this.detect(p);
  }

  private detect(p: Packet): Verdict {
    const n = this.detector.inspect(p, this.flows);
    return n === 0 ? Verdict.Pass : this.act(p, n);
  }

  /** Carries out what the matching rules ask for. */
  private act(p: Packet, n: number): Verdict {
    const { matches, silent } = this.detector;
    const flows = this.flows;
    let dropRule = -1;
    for (let i = 0; i < n; i++) {
      const rule = matches[i];
      const action = this.actions[rule];
      if (action === Act.Pass) return Verdict.Pass;
      if (action === Act.PassFlow) {
        if (p.flow >= 0) flows.flags[p.flow] |= FlowFlag.Passed;
        return Verdict.Pass;
      }
      const drops = action === Act.Drop;
      if (drops && dropRule < 0) dropRule = rule;
      if (silent[i] === 1) continue;
      this.counters[Counter.Alerts]++;
      if (p.flow >= 0) flows.flags[p.flow] |= FlowFlag.Alerted;
      const ips = p.mode === Mode.Ips;
      this.events.alert(p, flows, rule, drops && ips ? 1 : 0, drops ? (ips ? 1 : 2) : 0);
    }
    if (dropRule < 0 || p.mode !== Mode.Ips) return Verdict.Pass;
    if (p.flow >= 0) flows.drop(p.flow, Reason.Rule);
    return this.drop(p, Reason.Rule, dropRule);
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
      case Policy.DropFlow:
        if (p.flow >= 0 && p.mode === Mode.Ips) this.flows.drop(p.flow, reason);
    }
    return p.mode === Mode.Ips ? this.drop(p, reason, -1) : Verdict.Pass;
  }

  private newDetector(rules: Rule[]): Detector {
    const { config } = this;
    return new Detector(
      rules,
      {
        pcreMatchLimit: config.pcre.matchLimit,
        pcreDepthLimit: config.pcre.matchLimitRecursion,
        thresholdEntries: config.thresholdEntries,
      },
      this.counters,
    );
  }
}

function actionCodes(rules: Rule[]): Uint8Array {
  return Uint8Array.from(rules, (rule) =>
    rule.action === 'pass' ? (isIpOnly(rule) ? Act.PassFlow : Act.Pass) : rule.action === 'alert' ? Act.Alert : Act.Drop,
  );
}

/** `auto` and `reject` come resolved by the configuration; without reject answers, reject is drop-flow. */
function policyCode(policy: ExceptionPolicy): Policy {
  switch (policy) {
    case 'drop-flow':
    case 'reject':
    case 'auto':
      return Policy.DropFlow;
    case 'drop-packet':
      return Policy.DropPacket;
    case 'pass-flow':
    case 'bypass':
      return Policy.PassFlow;
    case 'pass-packet':
      return Policy.PassPacket;
    case 'ignore':
      return Policy.Ignore;
  }
}
