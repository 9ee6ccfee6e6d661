/**
 * What application layer parsers hand to detection: numeric codes with one name table each, and the place
 * where the buffers of the transaction under inspection lie. All sticky buffers there are stand in catalogue.ts.
 */

/** FlowTable.appProto. Names as in EVE's `app_proto`. */
export const enum AppProto {
  /** Not looked at yet, or not enough seen. */
  Unknown = 0,
  /** None that a parser exists for. */
  Failed = 1,
  Ftp = 2,
  Http = 3,
  Tls = 4,
  Dns = 5,
  Ssh = 6,
  /** Data connections of FTP. */
  FtpData = 7,
  Smtp = 8,
  Count = 9,
}
export const APP_PROTO_NAMES: readonly string[] = ['unknown', 'failed', 'ftp', 'http', 'tls', 'dns', 'ssh', 'ftp-data', 'smtp'];
/** Names of EVE's types of records, by AppProto. */
export const APP_TYPE_NAMES: readonly string[] = APP_PROTO_NAMES.map((name) => name.replace('ftp-data', 'ftp_data'));
/** By name; http1 is what http means here. -1: none that has a number. */
export function appProtoOf(name: string): number {
  return APP_PROTO_NAMES.indexOf(name === 'http1' ? 'http' : name);
}
/** Those that a parser is wired for. A rule on any other is inert. */
export const PARSED: readonly AppProto[] = [
  AppProto.Ftp,
  AppProto.Http,
  AppProto.Tls,
  AppProto.Dns,
  AppProto.Ssh,
  AppProto.FtpData,
  AppProto.Smtp,
];

/** Beside an AppProto, where counters have 16 places by protocol: DNS over UDP, whose own place counts that over TCP. */
const DNS_UDP = 15;

/** The place among counters of a protocol's datagrams. */
export function datagramSeries(proto: AppProto): number {
  return proto === AppProto.Dns ? DNS_UDP : proto;
}

/** Names of counters by protocol, as in Suricata's stats, and their place. */
export const APP_SERIES: readonly (readonly [string, number])[] = PARSED.flatMap((proto): [string, number][] =>
  proto === AppProto.Dns
    ? [
        ['dns_tcp', proto],
        ['dns_udp', DNS_UDP],
      ]
    : [[APP_PROTO_NAMES[proto], proto]],
);

/** Buffers with a number: those of protocols in AppProto. Their keywords stand below in the same order. */
export const enum BufferId {
  FtpCommand = 0,
  FtpCommandData = 1,
  HttpUri = 2,
  HttpUriRaw = 3,
  HttpMethod = 4,
  HttpRequestLine = 5,
  HttpRequestBody = 6,
  HttpHost = 7,
  HttpHostRaw = 8,
  HttpUserAgent = 9,
  HttpAccept = 10,
  HttpAcceptEnc = 11,
  HttpAcceptLang = 12,
  HttpReferer = 13,
  HttpRequestHeader = 14,
  HttpResponseBody = 15,
  HttpStatCode = 16,
  HttpStatMsg = 17,
  HttpResponseLine = 18,
  HttpLocation = 19,
  HttpServer = 20,
  HttpResponseHeader = 21,
  HttpHeader = 22,
  HttpHeaderRaw = 23,
  HttpCookie = 24,
  HttpHeaderNames = 25,
  HttpProtocol = 26,
  HttpStart = 27,
  HttpConnection = 28,
  HttpContentLen = 29,
  HttpContentType = 30,
  FileData = 31,
  FileName = 32,
  DnsQuery = 33,
  DnsQueryName = 34,
  DnsQueriesRrname = 35,
  DnsAnswerName = 36,
  DnsAnswersRrname = 37,
  DnsAdditionalsRrname = 38,
  DnsAuthoritiesRrname = 39,
  DnsResponseRrname = 40,
  TlsSni = 41,
  TlsCertSubject = 42,
  TlsCertIssuer = 43,
  TlsCertSerial = 44,
  TlsCertFingerprint = 45,
  TlsCerts = 46,
  TlsSubjectaltname = 47,
  TlsAlpn = 48,
  TlsRandom = 49,
  TlsRandomTime = 50,
  TlsRandomBytes = 51,
  Ja3sHash = 52,
  Ja3sString = 53,
  Ja3Hash = 54,
  Ja3String = 55,
  Ja4Hash = 56,
  SshProto = 57,
  SshSoftware = 58,
  SshHassh = 59,
  SshHasshString = 60,
  SshHasshServer = 61,
  SshHasshServerString = 62,
  FileMagic = 63,
  FtpReply = 64,
  FtpCompletionCode = 65,
  SmtpHelo = 66,
  SmtpMailFrom = 67,
  SmtpRcptTo = 68,
  EmailFrom = 69,
  EmailTo = 70,
  EmailCc = 71,
  EmailSubject = 72,
  EmailDate = 73,
  EmailMessageId = 74,
  EmailXMailer = 75,
  EmailUrl = 76,
  EmailReceived = 77,
  EmailBodyMd5 = 78,
  Count = 79,
}
export const BUFFER_NAMES: readonly string[] = `
  ftp.command ftp.command_data http.uri http.uri.raw http.method http.request_line
  http.request_body http.host http.host.raw http.user_agent http.accept http.accept_enc
  http.accept_lang http.referer http.request_header http.response_body http.stat_code http.stat_msg
  http.response_line http.location http.server http.response_header http.header http.header.raw
  http.cookie http.header_names http.protocol http.start http.connection http.content_len
  http.content_type file.data file.name dns.query dns.query.name dns.queries.rrname
  dns.answer.name dns.answers.rrname dns.additionals.rrname dns.authorities.rrname dns.response.rrname tls.sni
  tls.cert_subject tls.cert_issuer tls.cert_serial tls.cert_fingerprint tls.certs tls.subjectaltname
  tls.alpn tls.random tls.random_time tls.random_bytes ja3s.hash ja3s.string
  ja3.hash ja3.string ja4.hash ssh.proto ssh.software ssh.hassh
  ssh.hassh.string ssh.hassh.server ssh.hassh.server.string file.magic
  ftp.reply ftp.completion_code
  smtp.helo smtp.mail_from smtp.rcpt_to email.from email.to email.cc email.subject
  email.date email.message_id email.x_mailer email.url email.received email.body_md5
`
  .trim()
  .split(/\s+/);

/** Instances of buffers that a transaction may have several of, beside the first of each. */
const MOST_INSTANCES = 8192;
/** Farther in, all positions from the beginning are out of reach. */
const MOST_BASE = 0x7fffffff;

/**
 * Buffers of one transaction and direction: where each lies, in memory the addon knows by number. Valid until the next packet.
 * Of several of one kind the first stands at its id, the others behind the ids.
 *
 *           0 .. BufferId.Count - 1 | Count ...
 *   mem, region, off, len           | further instances            len -1: the transaction has no such buffer
 *   next      id ─────────────────► | instance ─► instance ─► -1
 */
export class Buffers {
  readonly mem: Uint8Array[] = Array.from({ length: BufferId.Count + MOST_INSTANCES }, () => EMPTY);
  readonly region = new Int32Array(BufferId.Count + MOST_INSTANCES);
  readonly off = new Int32Array(BufferId.Count + MOST_INSTANCES);
  readonly len = new Int32Array(BufferId.Count + MOST_INSTANCES).fill(-1);
  readonly next = new Int32Array(BufferId.Count + MOST_INSTANCES).fill(-1);
  /** Bytes that came before those shown (of a body, or a file): positions from the beginning count from there. */
  readonly base = new Int32Array(BufferId.Count + MOST_INSTANCES);
  /** 1: its bytes were not there at an earlier moment of the transaction and direction. */
  readonly fresh = new Uint8Array(BufferId.Count);
  /** How many of that kind there are. */
  readonly count = new Int32Array(BufferId.Count);
  /** Numbers that a rule asks for, any of which may match (dns.rrtype); how many of them there are. */
  numbers: Int32Array = NO_NUMBERS;
  numberCount = 0;
  /** Instances left out since this was last set to 0. */
  lost = 0;
  private readonly last = new Int32Array(BufferId.Count);
  /** Ids that were set since clear. */
  private readonly shown = new Uint8Array(BufferId.Count);
  private shownCount = 0;
  private end: number = BufferId.Count;

  /** `fresh` 0: at an earlier moment of this transaction and direction the same bytes were set already. */
  set(id: BufferId, mem: Uint8Array, region: number, off: number, len: number, fresh = 1, base = 0): void {
    if (this.len[id] < 0) this.shown[this.shownCount++] = id;
    this.mem[id] = mem;
    this.region[id] = region;
    this.off[id] = off;
    this.len[id] = len;
    this.next[id] = -1;
    this.base[id] = base < MOST_BASE ? base : MOST_BASE;
    this.last[id] = id;
    this.count[id] = 1;
    this.fresh[id] = fresh;
  }

  /** One of several, behind those added before. All of them count as fresh. */
  add(id: BufferId, mem: Uint8Array, region: number, off: number, len: number, base = 0): void {
    if (this.len[id] < 0) {
      this.set(id, mem, region, off, len, 1, base);
      return;
    }
    const at = this.end;
    if (at >= this.mem.length) {
      this.lost++;
      return;
    }
    this.end = at + 1;
    this.mem[at] = mem;
    this.region[at] = region;
    this.off[at] = off;
    this.len[at] = len;
    this.next[at] = -1;
    this.base[at] = base < MOST_BASE ? base : MOST_BASE;
    this.next[this.last[id]] = at;
    this.last[id] = at;
    this.count[id]++;
    this.fresh[id] = 1;
  }

  clear(): void {
    this.numberCount = 0;
    const { len, shown } = this;
    for (let i = 0; i < this.shownCount; i++) len[shown[i]] = -1;
    this.shownCount = 0;
    this.end = BufferId.Count;
  }
}

const EMPTY = new Uint8Array(0);
const NO_NUMBERS = new Int32Array(0);
