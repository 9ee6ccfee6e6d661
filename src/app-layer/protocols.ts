/**
 * The protocols there are. A new one: its folder, its codes in buffers.ts (AppProto, BufferId, PARSED), and a line here.
 */
import type { ExceptionPolicy } from '../ring/verdict.js';
import { APP_PROTO_NAMES, AppProto, PARSED } from './buffers.js';
import { DnsProtocol } from './dns/dns.js';
import type { DnsEveOptions } from './dns/options.js';
import { DNS_NAMES } from './dns/record.js';
import type { Files, FileWants } from './files/files.js';
import { FTP_NAMES, type FtpOptions, FtpProtocol } from './ftp/ftp.js';
import { FtpTx } from './ftp/layout.js';
import type { Expectations } from './ftp-data/expectations.js';
import { FTP_DATA_NAMES, FtpDataProtocol } from './ftp-data/ftp-data.js';
import { type HttpLimits, HttpProtocol } from './http/http.js';
import { HTTP_NAMES } from './http/view.js';
import type { AppMemory } from './memory.js';
import type { Protocol } from './protocol.js';
import type { RecordNames } from './record.js';
import type { Sessions } from './sessions.js';
import { T } from './smtp/layout.js';
import type { SmtpOptions } from './smtp/options.js';
import { SMTP_PORTS } from './smtp/probe.js';
import { SMTP_NAMES } from './smtp/record.js';
import { SmtpProtocol } from './smtp/smtp.js';
import { SSH_NAMES } from './ssh/eve.js';
import { type HasshMode, SshProtocol } from './ssh/ssh.js';
import { TLS_NAMES, type TlsEveOptions } from './tls/eve.js';
import { type Fingerprints, TlsProtocol } from './tls/tls.js';
import { type Transactions, Tx } from './transactions.js';

/** What a protocol is made with: the state of one thread. */
export interface Frame {
  sessions: Sessions;
  txs: Transactions;
  memory: AppMemory;
  files: Files;
  expectations: Expectations;
  counters: Float64Array;
}

/** What a configuration says of a protocol by name. Plain data. */
export interface ProtocolChoice {
  /** It is looked for in streams, in datagrams. */
  tcp: boolean;
  udp: boolean;
  /** Ports on which it is asked first; none: those built in. */
  ports: readonly number[];
  /** It is asked on no others. */
  onlyThere?: boolean;
}

/** What a configuration says of the parsers. Plain data. */
export interface AppOptions {
  protocols?: Readonly<Record<string, ProtocolChoice>>;
  /** Names of those whose flows are inspected no more once both sides encrypt. */
  bypass?: readonly string[];
  /** Names of those in whose flows rules look for no content once both sides encrypt. */
  opaque?: readonly string[];
  http?: HttpLimits;
  ftp?: FtpOptions;
  smtp?: SmtpOptions;
  dnsEve?: DnsEveOptions;
  tlsEve?: TlsEveOptions;
  fingerprints?: Fingerprints;
  /** Absent: yes. */
  hassh?: HasshMode;
  /** What EVE's fileinfo is to say of each file. */
  files?: FileWants;
  /** What becomes of a flow whose parser gave up. Absent: ignore. */
  errorPolicy?: ExceptionPolicy;
}

export interface ProtocolSpec {
  proto: AppProto;
  /** It is looked for in TCP streams, in datagrams of UDP. */
  tcp: boolean;
  udp: boolean;
  /** Server ports where it is asked first. It is asked on all. */
  ports: readonly number[];
  names: RecordNames;
  /** The first of the two words of a transaction that hold the bits of its events (app-events.ts); -1: none. */
  eventWord: number;
  make(frame: Frame, options?: AppOptions): Protocol;
}

const ALL: readonly ProtocolSpec[] = [
  {
    proto: AppProto.Http,
    tcp: true,
    udp: false,
    ports: [80],
    names: HTTP_NAMES,
    eventWord: Tx.Parser,
    make: ({ sessions, txs, files, counters }, options) => new HttpProtocol(sessions, txs, counters, options?.http, files),
  },
  {
    proto: AppProto.Tls,
    tcp: true,
    udp: false,
    ports: [443],
    names: TLS_NAMES,
    eventWord: Tx.Parser + 1,
    make: ({ sessions, txs, counters }, options) =>
      new TlsProtocol(sessions, txs, counters, { eve: options?.tlsEve, fingerprints: options?.fingerprints }),
  },
  {
    proto: AppProto.Ssh,
    tcp: true,
    udp: false,
    ports: [22],
    names: SSH_NAMES,
    eventWord: Tx.Parser + 1,
    make: ({ sessions, txs, counters }, options) => new SshProtocol(sessions, txs, counters, options?.hassh),
  },
  {
    proto: AppProto.Dns,
    tcp: true,
    udp: true,
    ports: [53],
    names: DNS_NAMES,
    eventWord: Tx.Parser,
    make: ({ sessions, txs, counters }, options) => {
      const { ports = [], onlyThere = false } = options?.protocols?.dns ?? {};
      const own = ports.length > 0 ? ports : undefined;
      return new DnsProtocol(sessions, txs, counters, { eve: options?.dnsEve, ports: own, anyPort: !onlyThere });
    },
  },
  {
    proto: AppProto.Ftp,
    tcp: true,
    udp: false,
    ports: [21],
    names: FTP_NAMES,
    eventWord: FtpTx.Events,
    make: ({ sessions, txs, memory, expectations, counters }, options) =>
      new FtpProtocol(sessions, txs, memory, expectations, counters, options?.ftp),
  },
  {
    proto: AppProto.Smtp,
    tcp: true,
    udp: false,
    ports: SMTP_PORTS,
    names: SMTP_NAMES,
    eventWord: T.Events,
    make: ({ sessions, txs, memory, files, counters }, options) => new SmtpProtocol(sessions, txs, memory, files, counters, options?.smtp),
  },
  {
    proto: AppProto.FtpData,
    tcp: true,
    udp: false,
    ports: [],
    names: FTP_DATA_NAMES,
    eventWord: -1,
    make: ({ sessions, txs, files, expectations, counters }) => new FtpDataProtocol(sessions, txs, files, expectations, counters),
  },
];

/** In the order in which they are asked. */
export const PROTOCOLS: readonly ProtocolSpec[] = ALL.filter(({ proto }) => PARSED.includes(proto));

/** The same, as a configuration has them: those it turns off are not asked. */
export function chosenProtocols(options: AppOptions = {}): ProtocolSpec[] {
  return PROTOCOLS.map((spec): ProtocolSpec => {
    const choice = options.protocols?.[APP_PROTO_NAMES[spec.proto]] ?? { tcp: true, udp: true, ports: [] };
    return {
      ...spec,
      tcp: spec.tcp && choice.tcp,
      udp: spec.udp && choice.udp,
      ports: choice.ports.length > 0 ? choice.ports : spec.ports,
      make: (frame) => spec.make(frame, options),
    };
  }).filter(({ tcp, udp }) => tcp || udp);
}

/** By AppProto. */
export const PROTOCOL_SPECS: readonly (ProtocolSpec | null)[] = APP_PROTO_NAMES.map(
  (_, proto) => PROTOCOLS.find((spec) => spec.proto === proto) ?? null,
);
