import { IpProto } from '../decode/packet.js';
import type { Rule } from '../rules/rule.js';

/** The IP protocols a rule's header and ip_proto tests leave. */
export function protoFits(rule: Rule, proto: number): boolean {
  switch (rule.proto) {
    case 'tcp':
    case 'tcp-pkt':
    case 'tcp-stream':
      if (proto !== IpProto.Tcp) return false;
      break;
    case 'udp':
      if (proto !== IpProto.Udp) return false;
      break;
    case 'sctp':
      if (proto !== IpProto.Sctp) return false;
      break;
    case 'icmp':
      if (proto !== IpProto.Icmp && proto !== IpProto.IcmpV6) return false;
      break;
    case 'icmpv4':
      if (proto !== IpProto.Icmp) return false;
      break;
    case 'icmpv6':
      if (proto !== IpProto.IcmpV6) return false;
      break;
    default:
  }
  for (const o of rule.header) {
    if (o.kind !== 'ip_proto') continue;
    if (o.op === '=' ? proto !== o.proto : o.op === '!' ? proto === o.proto : o.op === '<' ? proto >= o.proto : proto <= o.proto)
      return false;
  }
  return true;
}
