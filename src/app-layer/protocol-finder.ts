import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, FlowProto } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import type { Reassembler } from '../stream/reassembly/reassembler.js';
import { AppProto } from './buffers.js';
import { CLIENT_FIRST, type FlowProtocols } from './flow-protocols.js';
import type { Expectations } from './ftp-data/expectations.js';
import { isGreeting, isReply } from './greeting.js';
import { isSpace } from './http/bytes.js';
import { firstWord, isHttp } from './http/head-scan.js';
import type { AppMemory } from './memory.js';
import type { Probing } from './probing.js';
import { ProtoEvent } from './proto-events.js';
import { Likeness, PROBE_BYTES, type Protocol } from './protocol.js';
import { Probe, Session, type Sessions } from './sessions.js';

/** Bytes of a session's KEPT_BYTES hold what was seen of a stream that is not recognised; this word of the parser's, and the next: how many. */
export const PREFIX_WORD = Session.Parser;
/** And what its first bytes look like, which a listener parses when they are acknowledged. */
export const GUESS_WORD = Session.Parser + 2;

/** Where the server greets, and goes on whatever the client said before. */
const SERVER_FIRST: readonly AppProto[] = [AppProto.Ftp, AppProto.Smtp];

/** Which protocol a flow speaks, from its first bytes. Of one thread. */
export class ProtocolFinder {
  /** The packet at hand may still be dropped. */
  isInline = false;
  /** What the bytes are that are asked about next, whatever they look like. */
  private certain = AppProto.Unknown;
  private readonly streamPorts: Uint8Array;

  /** `parsers`: by AppProto. */
  constructor(
    private readonly flows: FlowTable,
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    private readonly order: Reassembler,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly expectations: Expectations,
    private readonly probing: Probing,
    private readonly known: FlowProtocols,
  ) {
    this.streamPorts = probing.streamPorts;
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
    const home: AppProto = this.streamPorts[port];
    // A client that does not wait for the greeting must not choose what the server is taken for.
    if (direction === 0 && this.isInline && SERVER_FIRST.includes(home) && !this.hasBegun(slot, 1)) return home;
    const proto = this.probing.stream(direction, mem, off + blank, len - blank, port);
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

  /** The protocol of a datagram. */
  datagram(slot: number, direction: number, mem: Uint8Array, off: number, len: number): AppProto {
    return this.probing.datagram(direction, mem, off, len, this.flows.dstPort(slot));
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
        this.known.event(ProtoEvent.MismatchBothDirections);
      } else if (isTcp) this.known.event(ProtoEvent.OnlyOneDirection);
    }
    this.known.take(slot, direction, proto);
  }
}
