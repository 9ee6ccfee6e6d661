/** Tests on application layers that are not on the bytes of a buffer. */
import { appProtoOf, BufferId } from '../../app-layer/buffers.js';
import { opcodeOf, rcodeOf } from '../../app-layer/dns/codes.js';
import { DnsTx } from '../../app-layer/dns/dns.js';
import { ftpDataCommand, ftpDynamicPort, ftpMode, ftpReplyReceived } from '../../app-layer/ftp/tests.js';
import { protoEventCode } from '../../app-layer/proto-events.js';
import { certChainLen, certExpired, certNotAfter, certNotBefore, certValid, sslState, tlsVersion } from '../../app-layer/tls/tests.js';
import { Tx } from '../../app-layer/transactions.js';
import type { Packet } from '../../decode/packet.js';
import { FlowProto } from '../../flow/codes.js';
import { type AppOption, protocolsOf } from '../../rules/app-option.js';
import { type StateTest, stateTest } from '../../rules/app-states.js';
import {
  type DateTest,
  dateTest,
  ftpWord,
  numberOption,
  sslStates,
  sslVersions,
  tlsVersionCode,
  unquoted,
  urilenOf,
  written,
} from '../../rules/app-values.js';
import { fileOptions } from '../../rules/file-values.js';
import { numberPasses } from '../../rules/numbers.js';
import type { Rule } from '../../rules/rule.js';
import { type Code, num } from '../codegen.js';
import { appEventOf } from '../literal.js';
import type { Inspection } from '../search.js';
import { equals, holds } from './app-text.js';
import { fileTests } from './files.js';
import { numberTest } from './number.js';

/** Condition for `option` of `rule`; throws for one without a runtime. */
export function appTest(code: Code, rule: Rule, option: AppOption): string {
  const { keyword, value, negated } = option;
  switch (keyword) {
    case 'app-layer-protocol': {
      return isProtocolOnly(rule) ? `p.protoFound === 1 && (${protocolTest(value, negated)})` : protocolTest(value, negated);
    }
    case 'app-layer-event': {
      if (!value.includes('.')) return `(p.protoEvents & ${num(1 << protoEventCode(value))}) ${negated ? '===' : '!=='} 0`;
      const { bit } = appEventOf(rule)!;
      if (bit < 0) throw new Error(`${value} is no event of that protocol`);
      return `(x.events${bit < 32 ? '0' : '1'} & ${num(1 << (bit & 31))}) ${negated ? '===' : '!=='} 0`;
    }
    case 'app-layer-state': {
      const { direction, from, below } = stateTest(option.proto!, value) as StateTest;
      const state = `x.txWords[x.tx * ${num(Tx.Words)} + ${num(Tx.State + direction)}]`;
      return `p.direction === ${num(direction)} && ${state} >= ${num(from)} && ${state} < ${num(below)}`;
    }
    case 'filename':
    case 'fileext':
    case 'filemagic':
    case 'filesize':
    case 'filemd5':
    case 'filesha1':
    case 'filesha256':
    case 'filestore':
      // All of a rule's at once: they are about one file.
      return option === fileOptions(rule)[0] ? `${code.constant(fileTests(rule))}(p, x)` : 'true';
    case 'urilen': {
      const { test, raw } = urilenOf(written(option))!;
      const length = `x.buffers.len[${num(raw ? BufferId.HttpUriRaw : BufferId.HttpUri)}]`;
      return `${length} >= 0 && (${numberTest(length, test)})`;
    }
    case 'tls.version': {
      const version = `${code.constant(tlsVersion)}(x.txWords, x.tx, p.direction)`;
      return negated ? `![0, ${num(tlsVersionCode(value)!)}].includes(${version})` : `${version} === ${num(tlsVersionCode(value)!)}`;
    }
    default:
      return `${code.constant(predicate(option))}(p, x)`;
  }
}

/**
 * The rule asks for nothing but the protocol: it is matched once per direction, when that is known (user guide, "Rule Types and
 * Categorization"). One that asks for `unknown` is not.
 */
export function isProtocolOnly(rule: Rule): boolean {
  return (
    rule.payload.length === 0 &&
    rule.buffers.length === 0 &&
    rule.appProto === undefined &&
    rule.header.every((o) => o.kind === 'flow' || (o.kind === 'app' && o.keyword === 'app-layer-protocol')) &&
    rule.header.some((o) => o.kind === 'app') &&
    !rule.header.some((o) => o.kind === 'app' && protocolsOf(o.value)?.names.includes('unknown'))
  );
}

/** Condition for `http`, `tls|ssh,to_client`: modes as in the user guide, "app-layer-protocol". */
function protocolTest(value: string, negated: boolean): string {
  const { names, mode } = protocolsOf(value)!;
  const codes = names.filter((name) => appProtoOf(name) >= 0).map((name) => num(appProtoCode(name)));
  // What no test is passed by, negated ones neither: nothing is known yet.
  const one = (proto: string) =>
    negated
      ? `(${proto} > 0 && ${codes.map((code) => `${proto} !== ${code}`).join(' && ')})`
      : `(${codes.map((code) => `${proto} === ${code}`).join(' || ')})`;
  const side = (place: FlowProto | string) => `x.flows.appProtos[p.flow * ${num(FlowProto.Count)} + ${place}]`;
  if (mode === 'final') return `p.flow >= 0 && ${one('p.appProto')}`;
  if (mode === 'original') return `p.flow >= 0 && ${one(side(num(FlowProto.Original)))}`;
  if (mode === 'to_server' || mode === 'to_client')
    return `p.flow >= 0 && ${one(side(num(mode === 'to_server' ? FlowProto.ToServer : FlowProto.ToClient)))}`;
  if (mode === 'either') {
    const [ts, tc] = [one(side(num(FlowProto.ToServer))), one(side(num(FlowProto.ToClient)))];
    return `p.flow >= 0 && (${ts} || ${tc})`;
  }
  // A direction that has not shown its own speaks the flow's.
  return `p.flow >= 0 && ${one(`(${side('p.direction')} || p.appProto)`)}`;
}

type Predicate = (p: Packet, x: Inspection) => boolean;

/** The rarer ones: called, not generated. */
function predicate(option: AppOption): Predicate {
  const { keyword, value, negated } = option;
  const text = Buffer.from(unquoted(value), 'latin1');
  switch (keyword) {
    case 'dns.opcode':
      return numeric(option, (_, x) => opcodeOf(x.txWords[x.tx * Tx.Words + Tx.Parser + DnsTx.Flags]));
    case 'dns.rcode':
      return numeric(option, (_, x) => rcodeOf(x.txWords[x.tx * Tx.Words + Tx.Parser + DnsTx.Flags]));
    case 'dns.rrtype': {
      const test = numberOption(option)!;
      return (_, { buffers }) => {
        for (let i = 0; i < buffers.numberCount; i++) if (numberPasses(test, buffers.numbers[i])) return true;
        return false;
      };
    }
    case 'ftp.dynamic_port':
      return numeric(option, (_, x) => ftpDynamicPort(x.txWords, x.tx));
    case 'ftp.mode':
      return worded(option, ftpMode);
    case 'ftp.reply_received':
      return worded(option, ftpReplyReceived, 1);
    case 'ftpdata_command':
    case 'ftpdata.command':
      return worded(option, ftpDataCommand);
    case 'tls.cert_chain_len':
      return numeric(option, (p, x) => certChainLen(x.txWords, x.tx, p.direction));
    case 'tls_cert_notbefore':
      return dated(option, certNotBefore);
    case 'tls_cert_notafter':
      return dated(option, certNotAfter);
    case 'tls_cert_expired':
      return (p, x) => certExpired(x.txWords, x.tx, p.direction, p.tsSec);
    case 'tls_cert_valid':
      return (p, x) => certValid(x.txWords, x.tx, p.direction, p.tsSec);
    case 'ssl_version': {
      const { codes } = sslVersions(option)!;
      return (p, x) => {
        const version = tlsVersion(x.txWords, x.tx, p.direction);
        // Drafts of TLS 1.3 are TLS 1.3.
        return version !== 0 && codes.includes(version >>> 8 === 0x7f ? 0x0304 : version) !== negated;
      };
    }
    case 'ssl_state': {
      const states = sslStates(option)!;
      return (_, x) => {
        const seen = sslState(x.txWords, x.tx) || UNKNOWN_STATE;
        return ((seen & states.mask) ^ states.negated) !== 0;
      };
    }
    // Suricata asks for these of the server's certificate.
    case 'tls.subject':
      return (p, { buffers }) =>
        p.direction === 1 && buffers.len[BufferId.TlsCertSubject] >= 0 && holds(buffers, BufferId.TlsCertSubject, text) !== negated;
    case 'tls.issuerdn':
      return (p, { buffers }) =>
        p.direction === 1 && buffers.len[BufferId.TlsCertIssuer] >= 0 && holds(buffers, BufferId.TlsCertIssuer, text) !== negated;
    case 'tls.fingerprint': {
      const digits = Buffer.from(unquoted(value).toLowerCase(), 'latin1');
      return (p, { buffers }) =>
        p.direction === 1 &&
        buffers.len[BufferId.TlsCertFingerprint] >= 0 &&
        equals(buffers, BufferId.TlsCertFingerprint, digits) !== negated;
    }
    case 'ssh.softwareversion':
      return (_, { buffers }) => buffers.len[BufferId.SshSoftware] >= 0 && holds(buffers, BufferId.SshSoftware, text) !== negated;
    case 'ssh.protoversion': {
      // 2_compat: version 2, or a server that speaks both (RFC 4253, 5.1).
      const wanted = text.toString('latin1') === '2_compat' ? ['2', '2.0', '1.99'].map((name) => Buffer.from(name)) : [text];
      return (_, { buffers }) =>
        buffers.len[BufferId.SshProto] >= 0 && wanted.some((one) => equals(buffers, BufferId.SshProto, one)) !== negated;
    }
    default:
      throw new Error(`${keyword} has no runtime`);
  }
}

/** A number of 0 or more passes the option's test; below 0 there is none. */
function numeric(option: AppOption, value: (p: Packet, x: Inspection) => number): Predicate {
  const test = numberOption(option)!;
  return (p, x) => {
    const n = value(p, x);
    return n >= 0 && numberPasses(test, n);
  };
}

function worded(option: AppOption, value: (words: Int32Array, tx: number) => number, direction = -1): Predicate {
  const wanted = ftpWord(option)!;
  return (p, x) => {
    if (direction >= 0 && p.direction !== direction) return false;
    const n = value(x.txWords, x.tx);
    return n >= 0 && (n === wanted) !== option.negated;
  };
}

function dated(option: AppOption, value: (words: Int32Array, tx: number, direction: number) => number): Predicate {
  const test = dateTest(option)!;
  return (p, x) => datePasses(test, value(x.txWords, x.tx, p.direction));
}

/** NaN, no certificate, passes none. */
function datePasses({ op, a, b }: DateTest, time: number): boolean {
  return op === '=' ? time === a : op === '<' ? time < a : op === '>' ? time > a : time > a && time < b;
}

/** Bit of ssl_state's `unknown`. */
const UNKNOWN_STATE = 16;

/** `failed` and `unknown` are such names too. */
export function appProtoCode(name: string): number {
  const code = appProtoOf(name);
  if (code < 0) throw new Error(`no application protocol is called ${name}`);
  return code;
}
