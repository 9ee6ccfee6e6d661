import { Counter } from '../metrics/counters.js';
import { checksumsValid, InternetChecksum } from './checksum.js';
import { DecodeContext, type DecoderOptions, invalid } from './context.js';
import { DecodeEvent } from './events.js';
import { decodeLink } from './link.js';
import type { Packet } from './packet.js';

export type { DecoderOptions } from './context.js';

/** Packets inside packets followed; deeper ones end in a too_many_layers event. */
export const MAX_TUNNEL_DEPTH = 8;

/**
 * Bytes to header positions. One per thread; no state between packets.
 *
 *   decode(p)                                   the packet as captured, or as reassembled
 *     p.isFragment   -> Defragmenter.add(p)     Complete: decode(p) again
 *     p.tunnelOff>=0 -> decodeInner(p)          true: p is the inner packet; ask again
 *
 * Nothing throws and nothing outside p.mem[p.off, p.off + p.capLen) is read. What is malformed is named by an
 * event and left out: ipVersion 0 without a valid IP header, transportOff -1 without a valid transport header.
 */
export class Decoder {
  private readonly ctx: DecodeContext;
  private readonly checksum = new InternetChecksum();

  constructor(
    options: DecoderOptions,
    /** Indices: Counter.* of src/metrics/counters.ts. */
    private readonly counters: Float64Array,
  ) {
    this.ctx = new DecodeContext(options, counters);
  }

  /**
   * Fills p from p.mem[p.off, p.off + p.capLen), read as p.linkType. A reassembled datagram keeps the VLAN ids,
   * the tunnel depth and the events of the fragment that completed it.
   */
  decode(p: Packet): void {
    if (p.defragged === 2) p.defragged = 1;
    else {
      p.defragged = 0;
      p.eventCount = 0;
      p.tunnelDepth = 0;
      p.vlanDepth = 0;
      p.vlan0 = 0;
      p.vlan1 = 0;
      p.vlan2 = 0;
    }
    p.cut = p.selective === 1 && p.defragged === 0 ? p.wireLen - p.capLen : 0;
    this.layer(p);
  }

  /**
   * Moves p to the packet inside it and decodes that; false when there is none. mem, region, time, source,
   * mode and defragged stay; the VLAN ids stay unless the inner packet has its own.
   */
  decodeInner(p: Packet): boolean {
    if (p.tunnelOff < 0) return false;
    p.off = p.tunnelOff;
    p.capLen = p.tunnelLen;
    p.wireLen = p.tunnelLen;
    p.cut = 0;
    p.linkType = p.tunnelLinkType;
    p.linkHeaderLen = 0;
    p.tunnelDepth++;
    p.eventCount = 0;
    this.counters[Counter.Tunnels]++;
    this.layer(p);
    return true;
  }

  /**
   * Decodes one layer of encapsulation. To save stores, a group of fields that only some packets have is reset when
   * the packet before had it, and the fields of a layer that is nearly always there when it turns out to be missing.
   */
  private layer(p: Packet): void {
    p.ethOff = -1;
    p.etherType = 0;
    p.ipVersion = 0;
    p.transportOff = -1;
    p.invalid = 0;
    p.csumInvalid = 0;
    p.csumUnseen = 0;
    p.streamEventCount = 0;
    const known = p.eventCount;
    if (p.isFragment !== 0) {
      p.isFragment = 0;
      p.fragOffset = 0;
      p.fragMore = 0;
      p.fragHeaderOff = -1;
    }
    if (p.tcpHeaderLen !== 0) {
      p.tcpFlags = 0;
      p.tcpSeq = 0;
      p.tcpAck = 0;
      p.tcpWindow = 0;
      p.tcpHeaderLen = 0;
    }
    if (p.icmpType !== -1) {
      p.icmpType = -1;
      p.icmpCode = -1;
    }
    if (p.tunnelOff !== -1) {
      p.tunnelOff = -1;
      p.tunnelLen = 0;
      p.tunnelLinkType = 0;
    }
    const at = p.off;
    decodeLink(this.ctx, p, p.mem, at, at + p.capLen);
    if (p.tunnelOff >= 0 && p.tunnelDepth >= MAX_TUNNEL_DEPTH) {
      p.tunnelOff = -1;
      p.tunnelLen = 0;
      p.tunnelLinkType = 0;
      invalid(p, DecodeEvent.TooManyLayers);
    }
    if (p.transportOff < 0) {
      p.srcPort = 0;
      p.dstPort = 0;
    }
    if (p.ipVersion === 0) noNetworkLayer(p);
    else if (p.csumNotReady === 0 && p.cut === 0) {
      if (this.ctx.checksumValidation) checksumsValid(this.ctx, this.checksum, p);
      else if (this.ctx.checksumKeywords) p.csumUnseen = this.ctx.routed === 0 ? 1 : 3;
    }
    if (p.invalid !== 0) this.counters[Counter.Invalid]++;
    for (let i = known; i < p.eventCount; i++) this.counters[Counter.DecodeEvents + p.events[i]]++;
  }
}

function noNetworkLayer(p: Packet): void {
  p.ipOff = -1;
  p.ipHeaderLen = 0;
  p.ipLen = 0;
  p.ttl = 0;
  p.tos = 0;
  p.ipId = 0;
  p.proto = 0;
  p.payloadOff = 0;
  p.payloadLen = 0;
  const { src, dst } = p;
  for (let i = 0; i < 4; i++) {
    src[i] = 0;
    dst[i] = 0;
  }
}
