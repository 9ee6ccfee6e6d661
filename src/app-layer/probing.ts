import { IpProto, type Packet } from '../decode/packet.js';
import { AppProto } from './buffers.js';
import { Likeness, PROBE_BYTES, type Protocol } from './protocol.js';
import type { ProtocolSpec } from './protocols.js';

/** Clients' ports are from here on (Linux 32768 to 60999, IANA 49152 to 65535). */
const EPHEMERAL = 32768;

/** The protocols there are, asked for bytes that they take for theirs. Of one thread. */
export class Probing {
  /** By server port the AppProto that is at home there, and is asked first. */
  readonly streamPorts = new Uint8Array(65536);
  readonly datagramPorts = new Uint8Array(65536);
  /** Those asked, in order. */
  private readonly streams: Protocol[];
  private readonly datagrams: Protocol[];

  /** `parsers`: by AppProto. */
  constructor(
    private readonly parsers: readonly (Protocol | null)[],
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

  /** The protocol of a direction that begins with these bytes. Unknown: more are needed; Failed: none of ours. `port`: the server's. */
  stream(direction: number, mem: Uint8Array, off: number, len: number, port: number): AppProto {
    return this.ask(this.streams, this.streamPorts, direction, mem, off, len, port);
  }

  /** The same of a datagram. */
  datagram(direction: number, mem: Uint8Array, off: number, len: number, port: number): AppProto {
    return this.ask(this.datagrams, this.datagramPorts, direction, mem, off, len, port);
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
    const isTcp = p.proto === IpProto.Tcp;
    const list = isTcp ? this.streams : this.datagrams;
    const ports = isTcp ? this.streamPorts : this.datagramPorts;
    const asked = this.ask(list, ports, 0, p.mem, p.payloadOff, p.payloadLen, p.dstPort);
    if (asked > AppProto.Failed) return this.parsers[asked]!.isAnswer?.(p.mem, p.payloadOff, p.payloadLen, isTcp) === true;
    if (asked === AppProto.Unknown) return false;
    const answered = this.ask(list, ports, 1, p.mem, p.payloadOff, p.payloadLen, p.srcPort);
    if (answered <= AppProto.Failed) return false;
    const parser = this.parsers[answered]!;
    return parser.isAnswer === undefined || parser.isAnswer(p.mem, p.payloadOff, p.payloadLen, isTcp);
  }

  /** The datagram is a client's in `proto`, which its flow is known to speak, and none of a server. Its port is the packet's destination. */
  isQuestion(p: Packet, proto: AppProto): boolean {
    const parser = this.parsers[proto];
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
    length: number,
    port: number,
  ): AppProto {
    const len = length < PROBE_BYTES ? length : PROBE_BYTES;
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
}
