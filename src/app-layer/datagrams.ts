import type { Packet } from '../decode/packet.js';
import { FlowProto } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { AppProto, datagramSeries } from './buffers.js';
import type { FlowProtocols } from './flow-protocols.js';
import type { Probing } from './probing.js';
import { Parsed, type Protocol } from './protocol.js';
import type { ProtocolFinder } from './protocol-finder.js';

/** Datagrams of UDP flows: the protocol is decided once per flow, and each is parsed by itself. Of one thread. */
export class Datagrams {
  /** `parsers`: by AppProto. */
  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly finder: ProtocolFinder,
    private readonly probing: Probing,
    private readonly known: FlowProtocols,
  ) {}

  /** Who parses a datagram with bytes; null: nobody. */
  parserOf(p: Packet): Protocol | null {
    const { flows } = this;
    const slot = p.flow;
    let proto: AppProto = flows.appProto[slot];
    const side = slot * FlowProto.Count + FlowProto.ToServer + p.direction;
    if (proto === AppProto.Unknown) {
      proto = this.finder.datagram(slot, p.direction, p.mem, p.payloadOff, p.payloadLen);
      if (proto <= AppProto.Failed) {
        this.known.deny(slot, p.direction, this.probing.datagramPorts[flows.dstPort(slot)] !== AppProto.Unknown);
        return null;
      }
      flows.appProto[slot] = proto;
      flows.appProtos[side] = proto;
      this.counters[Counter.AppFlows + datagramSeries(proto)]++;
    }
    const parser = this.parsers[proto]!;
    if (flows.appProtos[side] === 0) this.finder.compare(slot, p.direction, parser, p.mem, p.payloadOff, p.payloadLen);
    return parser;
  }

  /** Its transactions belong to no session. */
  parse(p: Packet, parser: Protocol): void {
    const { flows } = this;
    const slot = p.flow;
    parser.begin();
    if (parser.nextId !== undefined) parser.nextId = flows.appState[slot];
    if (parser.data(-1, p.direction, p.mem, p.region, p.payloadOff, p.payloadLen) === Parsed.Failed)
      this.counters[Counter.AppErrors + datagramSeries(parser.proto)]++;
    if (parser.nextId !== undefined) flows.appState[slot] = parser.nextId;
  }
}
