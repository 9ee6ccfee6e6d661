import type { Decoder } from '../decode/decoder.js';
import { type Defragmenter, DefragResult } from '../decode/defrag.js';
import { LinkType } from '../decode/link-types.js';
import { MAX_LINK_HEADER, type Packet } from '../decode/packet.js';
import { Reason, Verdict } from '../ring/verdict.js';
import type { Examination } from './examination.js';
import type { Outcome } from './outcome.js';
import { Policy } from './policy.js';

/** Fragments of datagrams on their way through the engine. */
export class Fragments {
  constructor(
    private readonly defrag: Defragmenter,
    private readonly decoder: Decoder,
    private readonly examination: Examination,
    private readonly outcome: Outcome,
    private readonly memcapPolicy: Policy,
  ) {}

  /**
   * A fragment: rules on packets see it, without a payload and a flow (as in Suricata), and then the datagram it completes.
   * None: p is that datagram, decoded.
   */
  inspect(p: Packet): Verdict {
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
      const verdict = this.examination.detect(p);
      p.payloadLen = payloadLen;
      if (verdict === Verdict.Drop) return verdict;
    }
    switch (result) {
      case DefragResult.Waiting:
        return Verdict.Pass;
      case DefragResult.Memcap:
        return this.outcome.byPolicy(p, this.memcapPolicy, Reason.DefragMemcap);
      case DefragResult.Error:
        return this.outcome.byPolicy(p, Policy.DropPacket, Reason.DefragError);
      case DefragResult.Condemned:
        return this.outcome.byPolicy(p, Policy.DropPacket, Reason.FlowDropped);
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
}
