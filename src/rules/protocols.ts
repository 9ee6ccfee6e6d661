import type { RuleProto } from './rule.js';

/** Header protocols of this version; keys in lower case, aliases included. */
export const RULE_PROTOS: ReadonlyMap<string, RuleProto> = new Map<string, RuleProto>([
  ['ip', 'ip'],
  ['ipv4', 'ipv4'],
  ['ip4', 'ipv4'],
  ['ipv6', 'ipv6'],
  ['ip6', 'ipv6'],
  ['tcp', 'tcp'],
  ['tcp-pkt', 'tcp-pkt'],
  ['tcp-stream', 'tcp-stream'],
  ['udp', 'udp'],
  ['icmp', 'icmp'],
  ['icmpv4', 'icmpv4'],
  ['icmpv6', 'icmpv6'],
  ['sctp', 'sctp'],
  ['pkthdr', 'pkthdr'],
]);

/**
 * Application protocols a header may name (user guide, "Protocol", and the protocol chapters), and the transport a rule with such
 * a header is matched on: `ip` where there are several. Whether a parser exists says app-layer/buffers.ts.
 */
export const APP_TRANSPORTS: ReadonlyMap<string, RuleProto> = new Map<string, RuleProto>([
  ...names(
    'tcp',
    'http http1 http2 doh2 tls ftp ftp-data smtp ssh imap pop3 smb mqtt rfb modbus telnet rdp pgsql mysql websocket msn irc jabber',
  ),
  ...names('udp', 'ntp dhcp tftp quic ike snmp bittorrent-dht mdns llmnr'),
  ...names('ip', 'dns dcerpc dnp3 enip krb5 sip ldap nfs template'),
]);

function names(transport: RuleProto, list: string): [string, RuleProto][] {
  return list.split(' ').map((name) => [name, transport]);
}

/** Other names of application protocols. */
export const APP_ALIASES: ReadonlyMap<string, string> = new Map([
  ['ssl', 'tls'],
  ['ikev2', 'ike'],
]);

/** All of these names. */
export const APP_PROTOS: ReadonlySet<string> = new Set([...APP_TRANSPORTS.keys(), ...APP_ALIASES.keys()]);

/** Link-layer and other header protocols that Suricata knows and this version does not. */
export const OTHER_PROTOS: ReadonlySet<string> = new Set(['arp', 'ether', 'esp', 'gre', 'vlan']);

/** IANA "Assigned Internet Protocol Numbers": the names ip_proto takes, in lower case. */
export const IP_PROTOCOLS: ReadonlyMap<string, number> = new Map<string, number>([
  ['ip', 0],
  ['hopopt', 0],
  ['icmp', 1],
  ['igmp', 2],
  ['ggp', 3],
  ['ipencap', 4],
  ['ipv4', 4],
  ['ip-encap', 4],
  ['st', 5],
  ['tcp', 6],
  ['cbt', 7],
  ['egp', 8],
  ['igp', 9],
  ['pup', 12],
  ['udp', 17],
  ['mux', 18],
  ['hmp', 20],
  ['xns-idp', 22],
  ['rdp', 27],
  ['iso-tp4', 29],
  ['dccp', 33],
  ['3pc', 34],
  ['idpr', 35],
  ['xtp', 36],
  ['ddp', 37],
  ['ipv6', 41],
  ['sdrp', 42],
  ['ipv6-route', 43],
  ['ipv6-frag', 44],
  ['idrp', 45],
  ['rsvp', 46],
  ['gre', 47],
  ['dsr', 48],
  ['esp', 50],
  ['ipv6-crypt', 50],
  ['ah', 51],
  ['ipv6-auth', 51],
  ['skip', 57],
  ['icmpv6', 58],
  ['ipv6-icmp', 58],
  ['ipv6-nonxt', 59],
  ['ipv6-opts', 60],
  ['rspf', 73],
  ['vmtp', 81],
  ['eigrp', 88],
  ['ospf', 89],
  ['ospfigp', 89],
  ['ax.25', 93],
  ['ipip', 94],
  ['etherip', 97],
  ['encap', 98],
  ['pim', 103],
  ['ipcomp', 108],
  ['vrrp', 112],
  ['pgm', 113],
  ['l2tp', 115],
  ['isis', 124],
  ['fc', 133],
  ['sctp', 132],
  ['mobility-header', 135],
  ['udplite', 136],
  ['mpls-in-ip', 137],
  ['manet', 138],
  ['hip', 139],
  ['shim6', 140],
  ['wesp', 141],
  ['rohc', 142],
  ['ethernet', 143],
]);
