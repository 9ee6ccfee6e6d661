import { APP_EVENTS } from '../app-layer/app-events.js';
import { APP_PROTO_NAMES } from '../app-layer/buffers.js';
import { PROTO_EVENT_NAMES } from '../app-layer/proto-events.js';
import { DECODE_EVENT_NAMES } from '../decode/events.js';
import { STREAM_EVENT_NAMES } from '../stream/events.js';

/** Name tables for the numbers in event records. Each name as Suricata prints it in EVE (user guide, "Eve JSON Format"). Flow states: src/flow/names.ts. */

/** `pkt_src` of a packet inside another, by Encapsulation. */
export const TUNNEL_NAMES: readonly string[] = [
  'wire/pcap',
  'gre tunnel',
  'ipv4 tunnel',
  'ipv6 tunnel',
  'teredo tunnel',
  'vxlan encapsulation',
];

/** `verdict.action` by EventVerdict. */
export const VERDICT_NAMES: readonly string[] = ['', 'alert', 'pass', 'drop'];

/** `flow.exception_policy[].policy` by Policy (src/workers/policy.ts). */
export const POLICY_NAMES: readonly string[] = ['ignore', 'drop_flow', 'drop_packet', 'pass_flow', 'pass_packet', 'bypass', 'reject'];

/** In records the codes of stream events come behind those of decode events, then ProtoEvents, then bits of a transaction's events. */
export const STREAM_EVENT_BASE = 1024;
export const PROTO_EVENT_BASE = 2048;
export const APP_EVENT_BASE = 3072;
/** `anomaly.type`. */
export type AnomalyType = 'decode' | 'stream' | 'applayer';
export const anomalyType = (code: number): AnomalyType =>
  code < STREAM_EVENT_BASE ? 'decode' : code < PROTO_EVENT_BASE ? 'stream' : 'applayer';

/** Protocols whose events Suricata writes in capitals. */
const CAPITALS = new Set(['http', 'tls', 'smtp', 'dnp3']);

/** Name of an anomaly's event code, '' for a number that is none. `appProto`: of the transaction. */
export function anomalyName(code: number, appProto: number): string {
  if (code < STREAM_EVENT_BASE) return DECODE_EVENT_NAMES[code] ?? '';
  if (code < PROTO_EVENT_BASE) return STREAM_EVENT_NAMES[code - STREAM_EVENT_BASE] ?? '';
  if (code < APP_EVENT_BASE) return PROTO_EVENT_NAMES[code - PROTO_EVENT_BASE] ?? '';
  const proto = APP_PROTO_NAMES[appProto];
  const name = APP_EVENTS[proto]?.[code - APP_EVENT_BASE] ?? '';
  return CAPITALS.has(proto) ? name.toUpperCase() : name;
}

/** pcap link types by name, as Suricata calls them (`packet_info.linktype_name`). */
export const LINK_TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'NULL',
  1: 'EN10MB',
  9: 'PPP',
  12: 'RAW',
  14: 'RAW',
  101: 'RAW',
  108: 'LOOP',
  113: 'LINUX_SLL',
  228: 'IPv4',
  229: 'IPv6',
  239: 'NFLOG',
  276: 'LINUX_SLL2',
};

/** IANA "Assigned Internet Protocol Numbers"; spelling of 89 and of 61, 63, 99, 114 as in Suricata's logs. */
const PROTOCOLS: Record<number, string> = {
  0: 'HOPOPT',
  1: 'ICMP',
  2: 'IGMP',
  3: 'GGP',
  4: 'IP-in-IP',
  5: 'ST',
  6: 'TCP',
  7: 'CBT',
  8: 'EGP',
  9: 'IGP',
  12: 'PUP',
  17: 'UDP',
  20: 'HMP',
  27: 'RDP',
  33: 'DCCP',
  41: 'IPv6',
  43: 'IPv6-Route',
  44: 'IPv6-Frag',
  45: 'IDRP',
  46: 'RSVP',
  47: 'GRE',
  48: 'DSR',
  50: 'ESP',
  51: 'AH',
  55: 'MOBILE',
  57: 'SKIP',
  58: 'IPv6-ICMP',
  59: 'IPv6-NoNxt',
  60: 'IPv6-Opts',
  61: 'Any',
  63: 'Any',
  73: 'CPHB',
  81: 'VMTP',
  88: 'EIGRP',
  89: 'OSPF',
  92: 'MTP',
  94: 'IPIP',
  97: 'ETHERIP',
  98: 'ENCAP',
  99: 'Any',
  103: 'PIM',
  108: 'IPComp',
  112: 'VRRP',
  114: 'Any',
  115: 'L2TP',
  121: 'SMP',
  124: 'ISIS',
  132: 'SCTP',
  133: 'FC',
  135: 'Mobility-Header',
  136: 'UDPLite',
  137: 'MPLS-in-IP',
  138: 'MANET',
  139: 'HIP',
  140: 'Shim6',
  141: 'WESP',
  142: 'ROHC',
};

/** Name in EVE: the number in three digits where there is no name. */
export const EVE_PROTO: readonly string[] = Array.from({ length: 256 }, (_, n) => PROTOCOLS[n] ?? String(n).padStart(3, '0'));
/** Name in fast.log, `PROTO:nnn` where there is none. */
export const FAST_PROTO: readonly string[] = Array.from({ length: 256 }, (_, n) => PROTOCOLS[n] ?? `PROTO:${String(n).padStart(3, '0')}`);
