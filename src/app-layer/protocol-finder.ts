import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, FlowProto } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import type { Reassembler } from '../stream/reassembly/reassembler.js';
import { AppProto } from './buffers.js';
import type { Expectations } from './ftp-data/expectations.js';
import { isGreeting, isReply } from './greeting.js';
import { isSpace } from './http/bytes.js';
import { firstWord, isHttp } from './http/head-scan.js';
import type { AppMemory } from './memory.js';
import { ProtoEvent } from './proto-events.js';
import { Likeness, PROBE_BYTES, type Protocol } from './protocol.js';
import type { ProtocolSpec } from './protocols.js';
import { Probe, Session, type Sessions } from './sessions.js';

/** Packets of a client that is none of ours before the server, unheard, is taken for the same. */
const PROBE_PACKETS = 8;

/** Clients' ports are from here on (Linux 32768 to 60999, IANA 49152 to 65535). */
const EPHEMERAL = 32768;

/** Bytes of a session's KEPT_BYTES hold what was seen of a stream that is not recognised; this word of the parser's, and the next: how many. */
export const PREFIX_WORD = Session.Parser;
/** And what its first bytes look like, which a listener parses when they are acknowledged. */
export const GUESS_WORD = Session.Parser + 2;

/** Where the server greets, and goes on whatever the client said before. */
const SERVER_FIRST: readonly AppProto[] = [AppProto.Ftp, AppProto.Smtp];
/** Where the client speaks first: a server that does is no server of it. */
const CLIENT_FIRST: readonly AppProto[] = [AppProto.Http, AppProto.Tls, AppProto.Dns];

/** What a flow is taken for: until a change of protocol has led to another, the one before; of datagrams the first says what is none. */
export function protocolOf(flows: FlowTable, slot: number): AppProto {
  const proto: AppProto = flows.appProto[slot];
  if (proto !== AppProto.Unknown) return proto;
  const original: AppProto = flows.appProtos[slot * FlowProto.Count + FlowProto.Original];
  if (original !== AppProto.Unknown) return original;
  return flows.appProbe[slot] !== 0 && flows.proto(slot) === IpProto.Udp ? AppProto.Failed : AppProto.Unknown;
}

/** Which protocol a flow speaks, from its first bytes. Of one thread. */
export class ProtocolFinder {
  /** Bits of ProtoEvent since the caller set it to 0. */
  events = 0;
  /** The packet at hand may still be dropped. */
  isInline = false;
  /** What the bytes are that are asked about next, whatever they look like. */
  private certain = AppProto.Unknown;
  /** Those asked, in order; by server port the AppProto that is asked first. */
  private readonly streams: Protocol[];
  private readonly datagrams: Protocol[];
  private readonly streamPorts = new Uint8Array(65536);
  private readonly datagramPorts = new Uint8Array(65536);

  /** `parsers`: by AppProto. */
  constructor(
    private readonly flows: FlowTable,
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    private readonly order: Reassembler,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly expectations: Expectations,
    specs: readonly ProtocolSpec[],
  ) {
    this.streams = specs.filter(({ tcp }) => tcp).map(({ proto }) => parsers[proto]!);
    this.datagrams = specs.filter(({ udp }) => udp).map(({ proto }) => parsers[proto]!);
    for (const { proto, ports, tcp, udp } of specs) {
      for (const port of ports) {
        if (tcp) this.streamPorts[port] = proto;
        if (udp) this.datagramPorts[port] = proto;
      }
    }
  }

  /** The protocol of a direction that begins with these bytes. Unknown: more are needed; Failed: none of ours. */
  stream(slot: number, direction: number, mem: Uint8Array, off: number, len: number): AppProto {
    const { expectations } = this;
    const isExpected = this.parsers[AppProto.FtpData] !== null && expectations.isExpected(slot);
    const port = this.flows.dstPort(slot);
    // Before its bytes are looked at: who sends a file chooses them. But who announces one must not choose what is not looked at.
    if (isExpected && direction === expectations.side && this.streamPorts[port] === AppProto.Unknown) return AppProto.FtpData;
    const blank = this.blank(slot, direction, mem, off, len);
    if (blank > 0 && blank === len) return AppProto.Unknown;
    const probed = len - blank < PROBE_BYTES ? len - blank : PROBE_BYTES;
    const home: AppProto = this.streamPorts[port];
    // A client that does not wait for the greeting must not choose what the server is taken for.
    if (direction === 0 && this.isInline && SERVER_FIRST.includes(home) && !this.hasBegun(slot, 1)) return home;
    const proto = this.ask(this.streams, this.streamPorts, direction, mem, off + blank, probed, port);
    if (proto !== AppProto.Failed) return proto;
    if (isExpected) return AppProto.FtpData;
    if (!this.isInline) return proto;
    // Of FTP or SMTP: what the client says decides, or that it has said what is nothing.
    if (direction === 1 && this.mayGreet(slot) && isGreeting(mem, off, len))
      return (this.flows.appProbe[slot] & Probe.FailedTs) !== 0 ? AppProto.Ftp : AppProto.Unknown;
    // Servers skip a message that is none, and answer the next.
    if (direction !== 0 || home !== AppProto.Dns) return proto;
    this.flows.appProbe[slot] |= Probe.OtherTs;
    return this.orFailed(AppProto.Dns);
  }

  /** A line `220 text` is taken for a greeting. */
  private mayGreet(slot: number): boolean {
    return this.isInline && this.parsers[AppProto.Ftp] !== null && this.streamPorts[this.flows.dstPort(slot)] === AppProto.Unknown;
  }

  /** Failed where it is not parsed. */
  private orFailed(proto: AppProto): AppProto {
    return this.parsers[proto] === null ? AppProto.Failed : proto;
  }

  private hasBegun(slot: number, direction: number): boolean {
    return (this.order.lines[(slot * 2 + direction) * Line.Words + Line.Flags] & LineFlag.Started) !== 0;
  }

  /**
   * The first bytes of a direction are not those of the protocol that the other one's were taken for: the one they are of. Unknown: the flow
   * stays what it is, as it does where that protocol is at home. (A client may say anything before it goes on with what the server speaks,
   * and a server before it answers what its client asks.) `next` follows.
   */
  spokenBy(slot: number, direction: number, parser: Protocol, mem: Uint8Array, off: number, len: number): AppProto {
    const port = this.flows.dstPort(slot);
    if (!this.isInline || this.streamPorts[port] === parser.proto) return AppProto.Unknown;
    const probed = len < PROBE_BYTES ? len : PROBE_BYTES;
    if (parser.probe(direction, mem, off, probed, port) !== Likeness.No) return AppProto.Unknown;
    if (direction === 0) {
      const proto = this.stream(slot, 0, mem, off, len);
      return CLIENT_FIRST.includes(proto) ? proto : AppProto.Unknown;
    }
    // Clients skip a few bytes before a status line, which may look like a greeting.
    if (parser.proto === AppProto.Http && isHttp(mem, firstWord(mem, off, off + probed), off + probed)) return AppProto.Unknown;
    // It answers in the protocol that it greeted in: the client's request was none to it.
    const original: AppProto = this.flows.appProtos[slot * FlowProto.Count + FlowProto.Original];
    if (SERVER_FIRST.includes(original) && isReply(mem, off, len)) {
      this.certain = original;
      return original;
    }
    const proto = this.stream(slot, 1, mem, off, len);
    if (SERVER_FIRST.includes(proto)) return proto;
    if (proto !== AppProto.Unknown || !this.mayGreet(slot) || !isGreeting(mem, off, len)) return AppProto.Unknown;
    this.certain = AppProto.Ftp;
    return AppProto.Ftp;
  }

  /** Bytes of a client before a request: servers skip any number of empty lines (RFC 9112, 2.2, and more generously). */
  private blank(slot: number, direction: number, mem: Uint8Array, off: number, len: number): number {
    if (direction === 1 || this.parsers[AppProto.Http] === null) return 0;
    const hint = this.streamPorts[this.flows.dstPort(slot)];
    if (hint !== AppProto.Unknown && hint !== AppProto.Http) return 0;
    let n = 0;
    while (n < len && isSpace(mem[off + n])) n++;
    return n;
  }

  /** The same of a datagram. */
  datagram(slot: number, direction: number, mem: Uint8Array, off: number, len: number): AppProto {
    const probed = len < PROBE_BYTES ? len : PROBE_BYTES;
    return this.ask(this.datagrams, this.datagramPorts, direction, mem, off, probed, this.flows.dstPort(slot));
  }

  /** Ports alone: 1: from a client's to a server's; -1: from a server's; 0: they do not tell. */
  wayOf(srcPort: number, dstPort: number): number {
    const from = this.streamPorts[srcPort] !== AppProto.Unknown;
    const to = this.streamPorts[dstPort] !== AppProto.Unknown;
    if (from !== to) return to ? 1 : -1;
    if (srcPort >= EPHEMERAL === dstPort >= EPHEMERAL) return 0;
    return srcPort >= EPHEMERAL ? 1 : -1;
  }

  /** The bytes are a server's, and none of a client. Its port is the packet's source port. */
  isAnswer(p: Packet): boolean {
    const probed = p.payloadLen < PROBE_BYTES ? p.payloadLen : PROBE_BYTES;
    const isTcp = p.proto === IpProto.Tcp;
    const list = isTcp ? this.streams : this.datagrams;
    const ports = isTcp ? this.streamPorts : this.datagramPorts;
    const asked = this.ask(list, ports, 0, p.mem, p.payloadOff, probed, p.dstPort);
    if (asked > AppProto.Failed) return this.parsers[asked]!.isAnswer?.(p.mem, p.payloadOff, p.payloadLen, isTcp) === true;
    if (asked === AppProto.Unknown) return false;
    const answered = this.ask(list, ports, 1, p.mem, p.payloadOff, probed, p.srcPort);
    if (answered <= AppProto.Failed) return false;
    const parser = this.parsers[answered]!;
    return parser.isAnswer === undefined || parser.isAnswer(p.mem, p.payloadOff, p.payloadLen, isTcp);
  }

  /** The datagram is a client's in the protocol its flow is known to speak, and none of a server. Its port is the packet's destination. */
  isQuestion(p: Packet): boolean {
    const parser = this.parsers[this.flows.appProto[p.flow]];
    if (parser === null || parser.isAnswer === undefined) return false;
    const probed = p.payloadLen < PROBE_BYTES ? p.payloadLen : PROBE_BYTES;
    return (
      !parser.isAnswer(p.mem, p.payloadOff, p.payloadLen, false) && parser.probe(0, p.mem, p.payloadOff, probed, p.dstPort) === Likeness.Yes
    );
  }

  private ask(
    list: readonly Protocol[],
    ports: Uint8Array,
    direction: number,
    mem: Uint8Array,
    off: number,
    len: number,
    port: number,
  ): AppProto {
    let result = AppProto.Failed;
    // A request whose method is another protocol's command is one all the same.
    let mayBeHttp = false;
    const hint = ports[port];
    if (hint !== 0) {
      const answer = this.parsers[hint]!.probe(direction, mem, off, len, port);
      if (answer === Likeness.Yes) return hint;
      if (answer === Likeness.More) {
        result = AppProto.Unknown;
        mayBeHttp = hint === AppProto.Http && len < PROBE_BYTES;
      }
    }
    for (let i = 0; i < list.length; i++) {
      const protocol = list[i];
      if (protocol.proto === hint) continue;
      const answer = protocol.probe(direction, mem, off, len, port);
      if (answer === Likeness.Yes) return mayBeHttp ? AppProto.Unknown : protocol.proto;
      if (answer === Likeness.More) {
        result = AppProto.Unknown;
        if (protocol.proto === AppProto.Http) mayBeHttp = len < PROBE_BYTES;
      }
    }
    return len >= PROBE_BYTES ? AppProto.Failed : result;
  }

  /** The next bytes of a stream. Failed, Unknown (the bytes are kept), or the protocol. */
  next(session: number, slot: number, direction: number, mem: Uint8Array, off: number, len: number): AppProto {
    const { certain } = this;
    this.certain = AppProto.Unknown;
    if (certain !== AppProto.Unknown) return certain;
    const words = this.sessions.words;
    const at = session * Session.Words + PREFIX_WORD + direction;
    const had = words[at];
    const to = this.memory.keptAt(session, direction);
    const { bytes } = this.memory;
    if (had === 0) {
      const proto = this.orGreeted(session, slot, direction, this.stream(slot, direction, mem, off, len));
      if (proto !== AppProto.Unknown) return proto;
      const blank = this.blank(slot, direction, mem, off, len);
      off += blank;
      len -= blank;
    }
    const more = len < PROBE_BYTES - had ? len : PROBE_BYTES - had;
    for (let i = 0; i < more; i++) bytes[to + had + i] = mem[off + i];
    const proto =
      had === 0 ? AppProto.Unknown : this.orGreeted(session, slot, direction, this.stream(slot, direction, bytes, to, had + more));
    if (proto === AppProto.Unknown) words[at] = had + more;
    return proto;
  }

  /** A client's first bytes are nothing that is known, and its server's a greeting: a command of FTP, which may be any. */
  private orGreeted(session: number, slot: number, direction: number, proto: AppProto): AppProto {
    if (proto !== AppProto.Failed || direction === 1 || !this.mayGreet(slot)) return proto;
    const kept = this.sessions.words[session * Session.Words + PREFIX_WORD + 1];
    return kept > 0 && isGreeting(this.memory.bytes, this.memory.keptAt(session, 1), kept) ? AppProto.Ftp : proto;
  }

  /** A listener parses what is acknowledged, but rules look at packets when they come: what the stream looks like until then. */
  guess(p: Packet, session: number, slot: number): AppProto {
    const at = session * Session.Words + GUESS_WORD;
    const { words } = this.sessions;
    if ((this.flows.appProbe[slot] & (Probe.FailedTs << p.direction)) === 0 && this.order.isNext(p)) {
      const proto = this.stream(slot, p.direction, p.mem, p.payloadOff, p.payloadLen);
      if (proto !== AppProto.Failed) words[at] = proto;
    }
    return words[at];
  }

  /** A TCP packet of a flow without a session shows at once that its direction is none of ours. */
  isStranger(p: Packet, slot: number): boolean {
    const { flows, order } = this;
    const flags = flows.flags[slot];
    // A listener believes bytes when they are acknowledged.
    return (
      (flags & FlowFlag.TcpEstablished) !== 0 &&
      (order.isInline(p) || (flags & FlowFlag.AsyncOneside) !== 0) &&
      order.isNext(p) &&
      this.stream(slot, p.direction, p.mem, p.payloadOff, p.payloadLen) === AppProto.Failed
    );
  }

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

  /** The first bytes of the direction that did not tell the protocol: whether they are of the same. */
  compare(slot: number, direction: number, parser: Protocol, mem: Uint8Array, off: number, len: number): void {
    const { flows } = this;
    const side = slot * FlowProto.Count + FlowProto.ToServer + direction;
    if (flows.appProtos[side] !== AppProto.Unknown) return;
    const probed = len < PROBE_BYTES ? len : PROBE_BYTES;
    let proto: AppProto = parser.proto;
    if (parser.probe(direction, mem, off, probed, flows.dstPort(slot)) === Likeness.No) {
      flows.appProbe[slot] |= Probe.OtherTs << direction;
      const isTcp = flows.proto(slot) === IpProto.Tcp;
      const found = isTcp ? this.stream(slot, direction, mem, off, len) : this.datagram(slot, direction, mem, off, len);
      if (found > AppProto.Failed) {
        proto = found;
        this.event(ProtoEvent.MismatchBothDirections);
      } else if (isTcp) this.event(ProtoEvent.OnlyOneDirection);
    }
    this.take(slot, direction, proto);
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
  private take(slot: number, direction: number, proto: AppProto): void {
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

  /** What follows a change is this. */
  private expect(slot: number, proto: AppProto): void {
    const expected: AppProto = this.flows.appProtos[slot * FlowProto.Count + FlowProto.Expected];
    if (expected === AppProto.Unknown || expected === proto) return;
    this.event(expected === AppProto.Tls ? ProtoEvent.NoTlsAfterStartTls : ProtoEvent.UnexpectedProtocol);
  }

  private event(code: ProtoEvent): void {
    this.events |= 1 << code;
  }

  /** A datagram of no known protocol: the flow is none of ours when both directions, or several datagrams, say so. */
  deny(slot: number, direction: number): void {
    const { flows } = this;
    const bits = (flows.appProbe[slot] | (Probe.FailedTs << direction)) + Probe.Packet;
    // Where a protocol is at home each datagram is asked: whoever sends others first must not be rid of us.
    if (this.datagramPorts[flows.dstPort(slot)] !== AppProto.Unknown) {
      flows.appProbe[slot] = bits & (BOTH | Probe.Packet);
      return;
    }
    flows.appProbe[slot] = bits;
    if ((bits & BOTH) === BOTH || bits >= PROBE_PACKETS * Probe.Packet) flows.appProto[slot] = AppProto.Failed;
  }
}

const BOTH = Probe.FailedTs | Probe.FailedTc;
const OTHER = Probe.OtherTs | Probe.OtherTc;
