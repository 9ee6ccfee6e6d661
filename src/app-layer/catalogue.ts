/**
 * Every sticky buffer of Suricata (user guide, the keyword chapters of each protocol): whose it is, which way it goes, and
 * whether a transaction may have several. Only those that a parser fills have a number (BUFFER_NAMES in buffers.ts).
 *
 *   column 1   one letter each: s to server, c to client, b both; m several in a transaction
 *   column 2   the keyword
 *   column 3   other spellings, which mean the same
 */
import { appProtoOf, BUFFER_NAMES, PARSED } from './buffers.js';

/** Whose bytes a buffer holds. The first two are the direction of a packet. */
export const enum Way {
  ToServer = 0,
  ToClient = 1,
  Both = 2,
}

export interface BufferSpec {
  /** The sticky buffer's keyword. */
  name: string;
  /** Application protocols that have it, the one it is reported under first; none for a buffer of the packet. */
  protos: readonly string[];
  way: Way;
  /** A transaction may have several: each mention in a rule may be met by another one (user guide, "Multiple Buffer Matching"). */
  multi: boolean;
  /** BufferId; -1: no parser fills it. */
  id: number;
  /** Part of the packet, not of a transaction: its bytes are in the packet whatever protocol it speaks. */
  packet: boolean;
}

/** Files travel in these; `file` is what their buffers are called as long as no parser hands out files. */
const FILES = ['file', 'http', 'http1', 'http2', 'smtp', 'ftp-data', 'smb', 'nfs', 'ftp'];
const HTTP = ['http', 'http1', 'http2'];

const TABLE: [protos: string[], rows: string][] = [
  [
    HTTP,
    `s  http.uri
     s  http.uri.raw
     s  http.method
     s  http.request_line http_request_line
     s  http.request_body
     s  http.host
     s  http.host.raw
     s  http.user_agent
     s  http.accept http_accept
     s  http.accept_enc http_accept_enc
     s  http.accept_lang http_accept_lang
     s  http.referer http_referer
     sm http.request_header
     c  http.response_body
     c  http.stat_code
     c  http.stat_msg
     c  http.response_line http_response_line
     c  http.location
     c  http.server
     cm http.response_header
     b  http.header
     b  http.header.raw
     b  http.cookie
     b  http.header_names http_header_names
     b  http.protocol http_protocol
     b  http.start http_start
     b  http.connection http_connection
     b  http.content_len http_content_len
     b  http.content_type http_content_type`,
  ],
  [['http2'], 'bm http2.header_name'],
  [
    FILES,
    `bm file.data file_data
     bm file.name
     bm file.magic`,
  ],
  [
    ['dns'],
    `sm dns.query dns_query
     bm dns.query.name
     bm dns.queries.rrname
     bm dns.answer.name
     bm dns.answers.rrname
     bm dns.additionals.rrname
     bm dns.authorities.rrname
     cm dns.response.rrname`,
  ],
  [
    ['mdns'],
    `bm mdns.queries.rrname
     bm mdns.answers.rrname
     bm mdns.additionals.rrname
     bm mdns.authorities.rrname
     bm mdns.response.rrname`,
  ],
  [
    ['llmnr'],
    'bm llmnr.queries.rrname\nbm llmnr.answers.rrname\nbm llmnr.additionals.rrname\nbm llmnr.authorities.rrname\nbm llmnr.response.rrname',
  ],
  [
    ['tls'],
    `sm tls.sni tls_sni
     b  tls.cert_subject tls_cert_subject
     b  tls.cert_issuer tls_cert_issuer
     b  tls.cert_serial tls_cert_serial
     b  tls.cert_fingerprint tls_cert_fingerprint
     bm tls.certs
     bm tls.subjectaltname
     bm tls.alpn
     b  tls.random
     b  tls.random_time
     b  tls.random_bytes
     c  ja3s.hash
     c  ja3s.string`,
  ],
  [
    ['tls', 'quic'],
    `s  ja3.hash ja3_hash
     s  ja3.string ja3_string
     s  ja4.hash`,
  ],
  [
    ['ssh'],
    `b  ssh.proto ssh_proto
     b  ssh.software ssh_software
     s  ssh.hassh
     s  ssh.hassh.string
     c  ssh.hassh.server
     c  ssh.hassh.server.string`,
  ],
  [
    ['ftp'],
    `s  ftp.command
     s  ftp.command_data
     cm ftp.reply
     cm ftp.completion_code`,
  ],
  [['smb'], 's  smb.named_pipe smb_named_pipe\ns  smb.share smb_share\ns  smb.ntlmssp_user\ns  smb.ntlmssp_domain'],
  [['dcerpc', 'smb'], 'b  dcerpc.stub_data dce_stub_data'],
  [
    ['smtp'],
    `s  smtp.helo
     sm smtp.mail_from
     sm smtp.rcpt_to
     s  email.from
     s  email.to
     s  email.cc
     s  email.subject
     s  email.date
     s  email.message_id
     s  email.x_mailer
     sm email.url
     sm email.received
     s  email.body_md5`,
  ],
  [['krb5'], 'cm krb5.cname krb5_cname\ncm krb5.sname krb5_sname'],
  [['snmp'], 'b  snmp.community\nb  snmp.usm'],
  [
    ['sip'],
    `s  sip.method
     s  sip.uri
     s  sip.request_line
     c  sip.stat_code
     c  sip.stat_msg
     c  sip.response_line
     b  sip.protocol
     bm sip.from
     bm sip.to
     bm sip.via
     bm sip.user_agent sip.ua
     bm sip.content_type
     bm sip.content_length`,
  ],
  [
    ['sip'],
    [
      'session_name session_info origin uri email phone_number connection_data bandwidth time repeat_time timezone encryption_key attribute',
      'media.media media.session_info media.connection_data media.encryption_key',
    ]
      .join(' ')
      .split(' ')
      .map((name) => `bm sdp.${name}`)
      .join('\n'),
  ],
  [['rfb'], 'c  rfb.name'],
  [
    ['mqtt'],
    `s  mqtt.connect.clientid
     s  mqtt.connect.username
     s  mqtt.connect.password
     s  mqtt.connect.willmessage
     s  mqtt.connect.willtopic
     s  mqtt.connect.protocol_string
     b  mqtt.publish.topic
     b  mqtt.publish.message
     sm mqtt.subscribe.topic
     sm mqtt.unsubscribe.topic`,
  ],
  [['quic'], 'b  quic.version\ns  quic.sni\ns  quic.ua\nsm quic.cyu.hash\nsm quic.cyu.string'],
  [['ike'], 'b  ike.init_spi\nb  ike.resp_spi\nb  ike.key_exchange_payload\nb  ike.nonce_payload\nbm ike.vendor'],
  [['dnp3'], 'b  dnp3.data dnp3_data'],
  [['enip'], 'c  enip.product_name\nc  enip.service_name'],
  [['ntp'], 'b  ntp.reference_id'],
  [['websocket'], 'b  websocket.payload'],
  [['pgsql'], 's  pgsql.query'],
  [['mysql'], 's  mysql.command\ncm mysql.rows'],
  [
    ['ldap'],
    `s  ldap.request.dn
     sm ldap.request.attribute_type
     cm ldap.responses.dn
     cm ldap.responses.message
     cm ldap.responses.attribute_type`,
  ],
  [['template'], 'b  template.buffer\nb  template2'],
  [
    [],
    `b  ipv4.hdr
     b  ipv6.hdr
     b  tcp.hdr
     b  udp.hdr
     b  icmpv4.hdr
     b  icmpv6.hdr
     b  igmp.hdr
     b  ether.hdr
     b  ip.src
     b  ip.dst
     b  pkt_data`,
  ],
];

const WAYS: Record<string, Way> = { s: Way.ToServer, c: Way.ToClient, b: Way.Both };

const specs = new Map<string, BufferSpec>();
for (const [protos, rows] of TABLE) {
  for (const row of rows.split('\n')) {
    const [marks, name, ...aliases] = row.trim().split(/\s+/);
    const spec: BufferSpec = {
      name,
      protos,
      way: WAYS[marks[0]],
      multi: marks.includes('m'),
      // FTP's own connection carries no files.
      id: protos.some((proto) => hasParser(proto) && !(protos === FILES && proto === 'ftp')) ? BUFFER_NAMES.indexOf(name) : -1,
      packet: protos.length === 0,
    };
    for (const keyword of [name, ...aliases]) specs.set(keyword, spec);
  }
}

/** Sticky buffers by keyword, other spellings included. `pkt_data` is the payload, which only transforms make a buffer of its own. */
export const CATALOGUE: ReadonlyMap<string, BufferSpec> = specs;

/** Protocols with a parser that carry files. */
export const FILE_PROTOS: readonly string[] = FILES.filter((proto) => hasParser(proto) && proto !== 'ftp');

/** Those that a parser fills. */
export const BUFFERS: readonly BufferSpec[] = BUFFER_NAMES.map((name) => specs.get(name)!).filter(({ id }) => id >= 0);

/** The buffer of a rule's BufferTests; throws for a name nobody knows. `frame:http1.request` is one, too. */
export function bufferSpec(name: string): BufferSpec {
  const spec = specs.get(name);
  if (spec !== undefined) return spec;
  if (!name.startsWith('frame:')) throw new Error(`no buffer is called ${name}`);
  return { name, protos: [name.slice(6).split('.', 1)[0]], way: Way.Both, multi: false, id: -1, packet: false };
}

/** A parser for this application protocol exists. */
export function hasParser(proto: string): boolean {
  return PARSED.includes(appProtoOf(proto));
}
