import { InternetChecksum, writeTransportChecksum } from '../decode/checksum.js';
import { IpProto, type Packet } from '../decode/packet.js';

const checksum = new InternetChecksum();

/** Extension headers that decode walks over (IANA protocol numbers); all but AH count their length in 8 bytes. */
const enum Next {
  Routing = 43,
  Fragment = 44,
}

/**
 * Whether the bytes of p's payload may be changed in place (`replace`), to be asked before the first is. Not when they are a copy
 * (reassembled), when outer checksums cover them too (tunnels), or when not all that the checksum covers is here
 * (fragments, truncated captures). Nor when the checksum is wrong: no host takes that packet, and mending it would make one.
 */
export function canRewrite(p: Packet): boolean {
  if (p.transportOff < 0 || p.ipVersion === 0 || p.isFragment !== 0) return false;
  if (p.defragged !== 0 || p.tunnelDepth !== 0 || p.capLen < p.wireLen) return false;
  if (p.invalid !== 0 || p.csumInvalid !== 0) return false;
  switch (p.proto) {
    case IpProto.Tcp:
    case IpProto.Udp:
    case IpProto.Icmp:
    case IpProto.IcmpV6:
      return p.ipVersion === 4 || p.ipHeaderLen === 40 || p.csumPartial === 1 || !routed(p);
    default:
      return false;
  }
}

/**
 * Puts p's transport checksum right after its payload was changed in place. A partial one (p.csumPartial) covers the pseudo-header
 * only and is left. False: p must not be rewritten, and nothing was written here.
 */
export function fixChecksums(p: Packet): boolean {
  if (!canRewrite(p)) return false;
  return p.csumPartial === 1 || writeTransportChecksum(checksum, p);
}

/** True for a routing header with segments left: the checksum is for the last of them, not for p.dst (RFC 8200 8.1). */
function routed(p: Packet): boolean {
  const m = p.mem;
  let next = m[p.ipOff + 6];
  for (let at = p.ipOff + 40; at + 8 <= p.transportOff; ) {
    if (next === Next.Routing && m[at + 3] !== 0) return true;
    const length = next === Next.Fragment ? 8 : next === IpProto.Ah ? (m[at + 1] + 2) << 2 : (m[at + 1] + 1) << 3;
    next = m[at];
    at += length;
  }
  return false;
}
