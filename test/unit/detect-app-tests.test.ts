import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DnsTx } from '../../src/app-layer/dns/dns.js';
import { TlsState, Word } from '../../src/app-layer/tls/layout.js';
import { STATE_DONE, Tx } from '../../src/app-layer/transactions.js';
import { Code } from '../../src/detect/codegen.js';
import { Inspection } from '../../src/detect/search.js';
import { appTest } from '../../src/detect/tests/app.js';
import { isAppOption } from '../../src/rules/options/app-layer.js';
import { buffers, packet } from '../support/detect.js';
import { withOptions } from '../support/rules.js';

/** What is known of a transaction: words of the parser, buffers, types of DNS. */
interface Known {
  words?: Record<number, number>;
  found?: Record<string, string>;
  types?: number[];
  direction?: 0 | 1;
  sec?: number;
}

function passes(proto: string, options: string, known: Known): boolean {
  const rule = withOptions(options, proto);
  assert.equal(rule.inert, undefined);
  const code = new Code();
  code.line(`return ${appTest(code, rule, rule.header.filter(isAppOption)[0])};`);
  const x = new Inspection();
  // The second transaction: the words of the first are others.
  x.tx = 1;
  x.txWords = new Int32Array(2 * Tx.Words).fill(0x55, 0, Tx.Words);
  for (const [at, value] of Object.entries(known.words ?? {})) x.txWords[Tx.Words + Tx.Parser + Number(at)] = value;
  x.buffers = buffers(known.found ?? {});
  x.buffers.numbers = Int32Array.from(known.types ?? []);
  x.buffers.numberCount = known.types?.length ?? 0;
  return (code.build(['p', 'x'], 1) as (...values: unknown[]) => boolean)(packet({ direction: known.direction ?? 0, sec: known.sec }), x);
}

const DAY = 86_400;
const server = (from: number, to: number): Known => ({
  direction: 1,
  words: {
    [Word.Flags]: 0x20,
    [Word.Validity + 4]: Math.floor(from / DAY),
    [Word.Validity + 5]: from % DAY,
    [Word.Validity + 6]: Math.floor(to / DAY),
    [Word.Validity + 7]: to % DAY,
  },
});
const Y2000 = Date.UTC(2000, 0, 1) / 1000;
const Y2020 = Date.UTC(2020, 0, 1, 10, 20, 30) / 1000;
const CERTIFICATE = server(Y2000, Y2020);
const SUBJECT: Known = { direction: 1, found: { 'tls.cert_subject': 'C=FR, CN=example.org' } };
const PRINT: Known = { direction: 1, found: { 'tls.cert_fingerprint': '4a:a3:66' } };
const hello = (version: number): Known => ({ words: { [Word.Version]: version } });
const dns = (flags: number): Known => ({ words: { [DnsTx.Flags]: flags } });

/** Tx.State stands before the parser's words. */
const state = (direction: 0 | 1, value: number): Known => ({ direction, words: { [Tx.State - Tx.Parser + direction]: value } });

const CASES: [proto: string, options: string, known: Known, passes: boolean][] = [
  ['dns', 'dns.opcode:2;', dns(2 << 11), true],
  ['dns', 'dns.opcode:!2;', dns(2 << 11), false],
  ['dns', 'dns.opcode:1-5;', dns(2 << 11), true],
  ['dns', 'dns.rcode:3;', dns(0x8183), true],
  ['dns', 'dns.rcode:NXDOMAIN;', dns(0x8183), true],
  ['dns', 'dns.rcode:!nxdomain;', dns(0x8183), false],
  ['dns', 'dns.rcode:!3;', dns(0x8182), true],
  ['dns', 'dns.rrtype:28;', { types: [1, 28] }, true],
  ['dns', 'dns.rrtype:AAAA;', { types: [1, 5] }, false],
  ['dns', 'dns.rrtype:!1;', { types: [1, 5] }, true],
  ['dns', 'dns.rrtype:!1;', { types: [] }, false],
  ['tls', 'app-layer-state:<client_hello_done;', state(0, 0), true],
  ['tls', 'app-layer-state:<client_hello_done;', state(0, TlsState.Hello), false],
  ['tls', 'app-layer-state:client_hello_done;', state(0, TlsState.Hello), true],
  // A hello that comes together with what follows was reached, too.
  ['tls', 'app-layer-state:client_hello_done;', state(0, STATE_DONE), true],
  ['tls', 'app-layer-state:>client_hello_done;', state(0, TlsState.Hello), false],
  ['tls', 'app-layer-state:>client_hello_done;', state(0, TlsState.Certificate), true],
  ['tls', 'app-layer-state:server_hello_done;', state(1, TlsState.KeyExchange), false],
  ['tls', 'app-layer-state:server_hello_done;', state(1, TlsState.HelloDone), true],
  ['tls', 'app-layer-state:server_hello;', { ...state(1, TlsState.Hello), direction: 0 }, false],
  ['http', 'app-layer-state:>request_body;', state(0, STATE_DONE), true],
  ['tls', 'tls.cert_chain_len:3;', { words: { [Word.Chain]: 3 } }, true],
  ['tls', 'tls.cert_chain_len:!2;', { words: {} }, false],
  ['tls', 'tls_cert_notbefore:2000-01-01;', CERTIFICATE, true],
  ['tls', 'tls_cert_notbefore:>2000-01-01;', CERTIFICATE, false],
  ['tls', 'tls_cert_notbefore:1998-05-01<>2008-05-01;', CERTIFICATE, true],
  ['tls', 'tls_cert_notbefore:<946684801;', CERTIFICATE, true],
  ['tls', 'tls_cert_notafter:2020-01-01T10:20:30;', CERTIFICATE, true],
  ['tls', 'tls_cert_notafter:"2020-01-01 10:20:30";', CERTIFICATE, true],
  ['tls', 'tls_cert_notafter:<2020-01-01 10;', CERTIFICATE, false],
  ['tls', 'tls_cert_notafter:<2030-01;', { ...CERTIFICATE, direction: 0 }, false],
  ['tls', 'tls_cert_expired;', { ...CERTIFICATE, sec: Y2020 + 1 }, true],
  ['tls', 'tls_cert_expired;', { ...CERTIFICATE, sec: Y2020 }, false],
  ['tls', 'tls_cert_expired;', { direction: 1, sec: Y2020 }, false],
  ['tls', 'tls_cert_valid;', { ...CERTIFICATE, sec: Y2020 }, true],
  ['tls', 'tls_cert_valid;', { ...CERTIFICATE, sec: Y2000 - 1 }, false],
  ['tls', 'ssl_version:tls1.0,tls1.2;', hello(0x0303), true],
  ['tls', 'ssl_version:tls1.0,tls1.1;', hello(0x0303), false],
  ['tls', 'ssl_version:!sslv2,!sslv3;', hello(0x0303), true],
  ['tls', 'ssl_version:!sslv2,!sslv3;', hello(0x0300), false],
  ['tls', 'ssl_version:!sslv2;', hello(0), false],
  ['tls', 'ssl_version:tls1.3;', hello(0x7f12), true],
  ['tls', 'ssl_state:client_hello;', { words: { [Word.Flags]: 3 } }, true],
  ['tls', 'ssl_state:client_keyx|server_keyx;', { words: { [Word.Flags]: 3 } }, false],
  ['tls', 'ssl_state:!client_keyx;', { words: { [Word.Flags]: 3 } }, true],
  ['tls', 'ssl_state:!client_hello;', { words: { [Word.Flags]: 3 } }, false],
  ['tls', 'ssl_state:unknown;', { words: {} }, true],
  ['tls', 'tls.subject:"CN=example";', SUBJECT, true],
  ['tls', 'tls.subject:"CN=Example";', SUBJECT, false],
  // The bytes round the buffer are not part of it.
  ['tls', 'tls.subject:"orga";', SUBJECT, false],
  ['tls', 'tls.subject:!"CN=other";', SUBJECT, true],
  ['tls', 'tls.subject:!"CN=example";', SUBJECT, false],
  ['tls', 'tls.subject:!"CN=other";', { direction: 1 }, false],
  ['tls', 'tls.subject:"CN=example";', { ...SUBJECT, direction: 0 }, false],
  ['tls', 'tls.issuerdn:C=FR;', { direction: 1, found: { 'tls.cert_issuer': 'C=FR' } }, true],
  ['tls', 'tls.fingerprint:"4A:A3:66";', PRINT, true],
  ['tls', 'tls.fingerprint:4a:a3;', PRINT, false],
  ['tls', 'tls.fingerprint:!4a:a3;', PRINT, true],
  ['ssh', 'ssh.protoversion:2.0;', { found: { 'ssh.proto': '2.0' } }, true],
  ['ssh', 'ssh.protoversion:2_compat;', { found: { 'ssh.proto': '1.99' } }, true],
  ['ssh', 'ssh.protoversion:2_compat;', { found: { 'ssh.proto': '1.5' } }, false],
  ['ssh', 'ssh.softwareversion:"OpenSSH";', { found: { 'ssh.software': 'x OpenSSH_9' } }, true],
  ['ssh', 'ssh.softwareversion:!"OpenSSH";', { found: {} }, false],
];

describe('tests on a transaction without a buffer', () => {
  for (const [proto, options, known, expected] of CASES) {
    it(`${options} ${expected} for ${JSON.stringify(known)}`, () => assert.equal(passes(proto, options, known), expected));
  }
});
