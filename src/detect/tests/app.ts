/** Tests on application layers that are not on the bytes of a buffer. */
import { appProtoOf, BufferId } from '../../app-layer/buffers.js';
import { opcodeOf, rcodeOf } from '../../app-layer/dns/codes.js';
import { DnsTx } from '../../app-layer/dns/dns.js';
import { certChainLen, certExpired, certNotAfter, certNotBefore, certValid, sslState, tlsVersion } from '../../app-layer/tls/tests.js';
import { Tx } from '../../app-layer/transactions.js';
import type { Packet } from '../../decode/packet.js';
import type { AppOption } from '../../rules/app-option.js';
import {
  type DateTest,
  dateTest,
  numberOption,
  sslStates,
  sslVersions,
  tlsVersionCode,
  unquoted,
  urilenOf,
  written,
} from '../../rules/app-values.js';
import { numberPasses } from '../../rules/numbers.js';
import type { Rule } from '../../rules/rule.js';
import { type Code, num } from '../codegen.js';
import { appEventOf } from '../literal.js';
import type { Inspection } from '../search.js';
import { equals, holds } from './app-text.js';
import { numberTest } from './number.js';

/** Condition for `option` of `rule`; throws for one without a runtime. */
export function appTest(code: Code, rule: Rule, option: AppOption): string {
  const { keyword, value, negated } = option;
  switch (keyword) {
    case 'app-layer-protocol': {
      const proto = num(appProtoCode(value));
      // Unknown protocols pass no test, negated ones neither: nothing is known yet.
      return negated ? `p.appProto > 0 && p.appProto !== ${proto}` : `p.appProto === ${proto}`;
    }
    case 'app-layer-event': {
      const { bit } = appEventOf(rule)!;
      if (bit < 0) throw new Error(`${value} is no event of that protocol`);
      return `(x.events${bit < 32 ? '0' : '1'} & ${num(1 << (bit & 31))}) ${negated ? '===' : '!=='} 0`;
    }
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

export function appProtoCode(name: string): number {
  const code = appProtoOf(name);
  if (code < 0) throw new Error(`no application protocol is called ${name}`);
  return code;
}
