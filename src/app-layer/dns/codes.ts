/**
 * Numbers and names of DNS (RFC 1035, 4.1; the registry "DNS parameters"). Names as EVE writes them; what has none there is
 * written as a number.
 */

export const HEADER_BYTES = 12;

/** Bits of the header's second word. */
export const enum Flag {
  Qr = 0x8000,
  Aa = 0x0400,
  Tc = 0x0200,
  Rd = 0x0100,
  Ra = 0x0080,
  /** Reserved, to be 0. */
  Z = 0x0040,
}

export const enum Section {
  Query = 0,
  Answer = 1,
  Authority = 2,
  Additional = 3,
}

export const enum RrType {
  A = 1,
  Ns = 2,
  Cname = 5,
  Soa = 6,
  Null = 10,
  Ptr = 12,
  Mx = 15,
  Txt = 16,
  Aaaa = 28,
  Srv = 33,
  Opt = 41,
  Sshfp = 44,
}

/** Bits of a transaction's events, in the order of DNS_EVENTS. */
export const enum DnsEvent {
  MalformedData = 1 << 0,
  NotRequest = 1 << 1,
  NotResponse = 1 << 2,
  ZFlagSet = 1 << 3,
  InvalidOpcode = 1 << 4,
  NameTooLong = 1 << 5,
  InfiniteLoop = 1 << 6,
  TooManyLabels = 1 << 7,
  InvalidAdditionals = 1 << 8,
  InvalidAuthorities = 1 << 9,
}

/** `app-layer-event:dns.NAME`. */
export const DNS_EVENTS: readonly string[] = [
  'malformed_data',
  'not_a_request',
  'not_a_response',
  'z_flag_set',
  'invalid_opcode',
  'name_too_long',
  'infinite_loop',
  'too_many_labels',
  'invalid_additionals',
  'invalid_authorities',
];

/** How rules wrote some of them before version 8. */
export const DNS_EVENT_ALIASES: Readonly<Record<string, string>> = { not_request: 'not_a_request', not_response: 'not_a_response' };

/** The first opcode that is not assigned (RFC 6895, 2.2). */
export const FIRST_INVALID_OPCODE = 7;

const TYPES = `
  1 A, 2 NS, 3 MD, 4 MF, 5 CNAME, 6 SOA, 7 MB, 8 MG, 9 MR, 10 NULL, 11 WKS, 12 PTR, 13 HINFO, 14 MINFO, 15 MX, 16 TXT, 17 RP, 18 AFSDB,
  19 X25, 20 ISDN, 21 RT, 22 NSAP, 23 NSAPPTR, 24 SIG, 25 KEY, 26 PX, 27 GPOS, 28 AAAA, 29 LOC, 30 NXT, 33 SRV, 34 ATMA, 35 NAPTR, 36 KX,
  37 CERT, 38 A6, 39 DNAME, 41 OPT, 42 APL, 43 DS, 44 SSHFP, 45 IPSECKEY, 46 RRSIG, 47 NSEC, 48 DNSKEY, 49 DHCID, 50 NSEC3, 51 NSEC3PARAM,
  52 TLSA, 55 HIP, 59 CDS, 60 CDNSKEY, 65 HTTPS, 99 SPF, 249 TKEY, 250 TSIG, 254 MAILA, 255 ANY, 256 URI`;

/** Record types that have a name, by number. */
export const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  TYPES.split(',').map((entry): [number, string] => {
    const [number, name] = entry.trim().split(' ');
    return [Number(number), name];
  }),
);

/** Response codes 0 .. 10 (RFC 1035, 2136); the four bits can say 11 .. 15, too. */
export const RCODE_NAMES: readonly string[] =
  'NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE'.split(' ');

export function u16(mem: Uint8Array, at: number): number {
  return (mem[at] << 8) | mem[at + 1];
}

export function opcodeOf(flags: number): number {
  return (flags >>> 11) & 15;
}

export function rcodeOf(flags: number): number {
  return flags & 15;
}
