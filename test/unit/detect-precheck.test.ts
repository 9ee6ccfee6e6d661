import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packet } from '../../src/decode/packet.js';
import { emitMatcher } from '../../src/detect/matcher.js';
import { haveBits, PRECHECK_WORDS, precheckTable } from '../../src/detect/precheck.js';
import { Inspection } from '../../src/detect/search.js';
import { literalShare, portsTellMore } from '../../src/detect/selectivity.js';
import { ruleContext } from '../../src/rules/context.js';
import { parseRule } from '../../src/rules/parser.js';

const rule = (text: string) => parseRule(`${text.slice(0, -1)} sid:1;)`, { file: 'test', line: 1 }, ruleContext());

/** What the detector does with the table. */
function letsThrough(table: Int32Array, p: Packet): boolean {
  const need = table[0];
  if ((need & ~haveBits(p) & 0xffff) !== 0 || p.payloadLen < need >>> 16 || p.payloadLen > table[3]) return false;
  const inside = (port: number, bounds: number) => port >= (bounds & 0xffff) && port <= bounds >>> 16;
  return inside(p.dstPort, table[1]) && inside(p.srcPort, table[2]);
}

test('the precheck never turns away a packet that the rule itself would take', () => {
  const ports = fc.constantFrom('any', '80', '[80,443]', '1024:', '!80', ':1023', '[1:100,!50]', '65535', '0');
  const flow = fc.constantFrom(
    '',
    'flow:established;',
    'flow:not_established;',
    'flow:to_server;',
    'flow:to_server,established;',
    'flow:stateless;',
  );
  const size = fc.constantFrom('', 'dsize:3;', 'dsize:<4;', 'dsize:>2;', 'dsize:2<>5;', 'dsize:!3;');
  const address = fc.constantFrom('any', '10.0.0.0/8', '[10.0.0.1,192.168.0.0/16]', '2001:db8::/32', '!10.0.0.1');
  const proto = fc.constantFrom('tcp', 'udp', 'ip', 'icmp');
  const content = fc.constantFrom('', 'content:"ab";', 'content:!"ab";', 'content:"b"; offset:1;');
  const port = fc.constantFrom(0, 1, 50, 80, 100, 443, 1023, 1024, 65535);
  const compiled = new Map<string, { run: (p: Packet, x: Inspection) => number; table: Int32Array }>();
  const bytes = new Uint8Array(Buffer.from('abcabc'));
  let taken = 0;
  fc.assert(
    fc.property(
      fc.tuple(proto, address, ports, fc.constantFrom('->', '<>'), address, ports, flow, size, content),
      fc.record({
        src: port,
        dst: port,
        len: fc.integer({ min: 0, max: 6 }),
        flow: fc.constantFrom(-1, 3),
        established: fc.constantFrom(0, 1),
      }),
      fc.constantFrom(6, 17, 1),
      fc.constantFrom(4, 6),
      ([pr, sa, sp, way, da, dp, fl, si, co], it, ipProto, version) => {
        // Ports are of TCP and UDP; an empty rule is none.
        if ((pr === 'icmp' && (sp !== 'any' || dp !== 'any')) || sp === '0') sp = 'any';
        const text = `alert ${pr} ${sa} ${sp} ${way} ${da} ${pr === 'icmp' ? 'any' : dp} (${fl} ${si} ${co})`;
        let made = compiled.get(text);
        if (made === undefined) {
          const parsed = rule(text);
          const run = emitMatcher(parsed, new Map(), () => 0).build(['p', 'x'], 1) as (p: Packet, x: Inspection) => number;
          made = { run, table: precheckTable([parsed]) };
          compiled.set(text, made);
        }
        const p = new Packet();
        Object.assign(p, { mem: bytes, payloadLen: it.len, srcPort: it.src, dstPort: it.dst, flow: it.flow, established: it.established });
        Object.assign(p, { proto: ipProto, ipVersion: version, transportOff: 0, icmpType: ipProto === 1 ? 8 : -1 });
        p.src[0] = p.dst[0] = version === 4 ? 0x0a000001 : 0x20010db8;
        const x = new Inspection();
        x.budget = 1000;
        const matched = made.run(p, x) === 1;
        if (matched) taken++;
        assert.ok(!matched || letsThrough(made.table, p), text);
      },
    ),
    { numRuns: 4000, seed: 4 },
  );
  assert.ok(taken > 50, `only ${taken} packets matched: the test says little`);
});

test('what a rule asks of the flow, the payload and the ports is in its words', () => {
  const table = precheckTable([rule('alert udp any 53 -> any [2000:2002,3000] (dsize:<50; content:"abcd";)')]);
  assert.equal(table.length, PRECHECK_WORDS);
  const p = new Packet();
  const set = (fields: Partial<Packet>) => Object.assign(p, fields);
  set({ proto: 17, ipVersion: 4, srcPort: 53, dstPort: 2500, payloadLen: 10 });
  assert.ok(letsThrough(table, p), 'the hull of a port list is enough here');
  for (const wrong of [{ srcPort: 54 }, { dstPort: 3001 }, { dstPort: 1999 }, { payloadLen: 3 }, { payloadLen: 50 }, { proto: 6 }]) {
    const before = { srcPort: p.srcPort, dstPort: p.dstPort, payloadLen: p.payloadLen, proto: p.proto };
    set(wrong);
    assert.ok(!letsThrough(table, p), JSON.stringify(wrong));
    set(before);
  }
});

test('a short literal gives way to a port that few packets have, a telling one does not', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const tftp = rule('alert udp any any -> any 69 (content:"|00 01|"; depth:2;)');
  const anywhere = rule('alert udp any any -> any any (content:"|00 01|"; depth:2;)');
  const dns = rule('alert udp any any -> any 53 (content:"|00 fc|";)');
  assert.ok(portsTellMore(tftp, bytes('\x00\x01')));
  assert.ok(!portsTellMore(anywhere, bytes('\x00\x01')), 'no port: the literal is all there is');
  assert.ok(!portsTellMore(tftp, bytes('ZZZZEVIL')));
  assert.ok(!portsTellMore(dns, bytes('\x00\xfc')), 'more packets have the port than the literal');
  assert.ok(literalShare(bytes('a')) > literalShare(bytes('ab')) || literalShare(bytes('a')) === 1);
  assert.ok(literalShare(bytes('\x00\x00\x00\x01')) > literalShare(bytes('\xffSMB')));
});
