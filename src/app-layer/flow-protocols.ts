import { IpProto } from '../decode/packet.js';
import { FlowFlag, FlowProto } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { AppProto } from './buffers.js';
import { ProtoEvent } from './proto-events.js';
import { Probe } from './sessions.js';

/** Packets of a client that is none of ours before the server, unheard, is taken for the same. */
const PROBE_PACKETS = 8;

const BOTH = Probe.FailedTs | Probe.FailedTc;
const OTHER = Probe.OtherTs | Probe.OtherTc;

/** Where the client speaks first: a server that does is no server of it. */
export const CLIENT_FIRST: readonly AppProto[] = [AppProto.Http, AppProto.Tls, AppProto.Dns];

/** What a flow is taken for: until a change of protocol has led to another, the one before; of datagrams the first says what is none. */
export function protocolOf(flows: FlowTable, slot: number): AppProto {
  const proto: AppProto = flows.appProto[slot];
  if (proto !== AppProto.Unknown) return proto;
  const original: AppProto = flows.appProtos[slot * FlowProto.Count + FlowProto.Original];
  if (original !== AppProto.Unknown) return original;
  return flows.appProbe[slot] !== 0 && flows.proto(slot) === IpProto.Udp ? AppProto.Failed : AppProto.Unknown;
}

/** What is known of the protocol of a flow, and of each of its directions (FlowTable.appProto, appProtos, appProbe). Of one thread. */
export class FlowProtocols {
  /** Bits of ProtoEvent since the caller set it to 0. */
  events = 0;

  constructor(private readonly flows: FlowTable) {}

  /** The direction of a stream is none of ours. True: so are both, and the flow has failed. */
  fail(slot: number, direction: number): boolean {
    const { flows } = this;
    const bits = flows.appProbe[slot] | (Probe.FailedTs << direction);
    flows.appProbe[slot] = bits;
    if ((bits & BOTH) !== BOTH) return false;
    flows.appProto[slot] = AppProto.Failed;
    this.take(slot, 0, AppProto.Failed);
    this.take(slot, 1, AppProto.Failed);
    this.expect(slot, AppProto.Failed);
    return true;
  }

  /** A packet of a client that is none of ours, before the server said anything. True: the flow has failed. */
  waitForServer(slot: number): boolean {
    const { flows } = this;
    flows.appProbe[slot] += Probe.Packet;
    if ((flows.appProbe[slot] & ~OTHER) < PROBE_PACKETS * Probe.Packet) return false;
    flows.appProto[slot] = AppProto.Failed;
    this.event(ProtoEvent.DetectionSkipped);
    return true;
  }

  /** A stream's protocol is known, from bytes of that direction. `otherCame`: so did some of the other one, which did not tell. */
  found(slot: number, direction: number, proto: AppProto, otherCame: boolean): void {
    const { flows } = this;
    const sides = slot * FlowProto.Count + FlowProto.ToServer;
    const other = direction ^ 1;
    const failed = (flows.appProbe[slot] & (Probe.FailedTs << other)) !== 0;
    flows.appProtos[sides + direction] = proto;
    flows.flags[slot] |= FlowFlag.ProtoFoundTs << direction;
    this.expect(slot, proto);
    const serverFirst = direction === 1 ? !failed && !otherCame : failed || otherCame;
    if (serverFirst && CLIENT_FIRST.includes(proto) && (flows.flags[slot] & FlowFlag.Midstream) === 0) {
      this.event(ProtoEvent.WrongDirectionFirstData);
      if (direction === 0) this.take(slot, other, proto);
    } else if (failed) {
      this.event(ProtoEvent.OnlyOneDirection);
      this.take(slot, other, proto);
    }
  }

  /**
   * The flow is what it is taken for, and a parser that gives up on it met something that is not in order. In doubt it is not: the other
   * side speaks something else, what was picked up may have begun in the middle, and behind a hole nobody knows what a parser reads.
   */
  isCertain(slot: number): boolean {
    const { flows } = this;
    const sides = slot * FlowProto.Count + FlowProto.ToServer;
    const probe = flows.appProbe[slot];
    if ((probe & (Probe.FailedTc | Probe.OtherTc)) !== 0) return false;
    const isAnswered = flows.appProtos[sides + 1] !== AppProto.Unknown;
    if ((flows.flags[slot] & FlowFlag.Midstream) !== 0) return isAnswered && flows.appProtos[sides] !== AppProto.Unknown && probe === 0;
    if ((probe & (Probe.FailedTs | Probe.OtherTs)) === 0) return true;
    // Whom such a server answers speaks the same to it, however it began.
    return isAnswered && (flows.appProto[slot] === AppProto.Http || flows.appProto[slot] === AppProto.Dns);
  }

  /** The direction speaks this, as far as anybody can tell. */
  take(slot: number, direction: number, proto: AppProto): void {
    this.flows.appProtos[slot * FlowProto.Count + FlowProto.ToServer + direction] = proto;
    this.flows.flags[slot] |= FlowFlag.ProtoFoundTs << direction;
  }

  /** Bytes of a direction are missing: if they are its first, they say nothing. */
  skip(slot: number, direction: number): void {
    this.flows.appProbe[slot] |= OTHER;
    const side = slot * FlowProto.Count + FlowProto.ToServer + direction;
    if (this.flows.appProtos[side] === AppProto.Unknown) this.flows.appProtos[side] = this.flows.appProto[slot];
  }

  /** The flow begins anew. */
  restart(slot: number): void {
    this.change(slot, AppProto.Unknown, AppProto.Unknown);
  }

  /** The flow changes its protocol: to `agreed`, or (Unknown) to whatever comes. */
  change(slot: number, from: AppProto, agreed: AppProto): void {
    const { flows } = this;
    const at = slot * FlowProto.Count;
    flows.appProtos[at + FlowProto.ToServer] = AppProto.Unknown;
    flows.appProtos[at + FlowProto.ToClient] = AppProto.Unknown;
    flows.appProtos[at + FlowProto.Original] = from;
    flows.appProtos[at + FlowProto.Expected] = agreed;
    flows.appProbe[slot] = 0;
    flows.appProto[slot] = AppProto.Unknown;
  }

  /** No other change of protocol is under way. */
  mayChange(slot: number): boolean {
    const expected = this.flows.appProtos[slot * FlowProto.Count + FlowProto.Expected];
    return expected === AppProto.Unknown || expected === this.flows.appProto[slot];
  }

  /**
   * A datagram of no known protocol: the flow is none of ours when both directions, or several datagrams, say so. `hasHome`: a protocol is at
   * home on its port.
   */
  deny(slot: number, direction: number, hasHome: boolean): void {
    const { flows } = this;
    const bits = (flows.appProbe[slot] | (Probe.FailedTs << direction)) + Probe.Packet;
    // Where a protocol is at home each datagram is asked: whoever sends others first must not be rid of us.
    if (hasHome) {
      flows.appProbe[slot] = bits & (BOTH | Probe.Packet);
      return;
    }
    flows.appProbe[slot] = bits;
    if ((bits & BOTH) === BOTH || bits >= PROBE_PACKETS * Probe.Packet) flows.appProto[slot] = AppProto.Failed;
  }

  /** Told in `events`. */
  event(code: ProtoEvent): void {
    this.events |= 1 << code;
  }

  /** What follows a change is this. */
  private expect(slot: number, proto: AppProto): void {
    const expected: AppProto = this.flows.appProtos[slot * FlowProto.Count + FlowProto.Expected];
    if (expected === AppProto.Unknown || expected === proto) return;
    this.event(expected === AppProto.Tls ? ProtoEvent.NoTlsAfterStartTls : ProtoEvent.UnexpectedProtocol);
  }
}
