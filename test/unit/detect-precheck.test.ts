import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packet } from '../../src/decode/packet.js';
import { emitMatcher } from '../../src/detect/matcher.js';
import { Precheck, precheckTable } from '../../src/detect/precheck.js';
import { Inspection } from '../../src/detect/search.js';
import { literalShare, portsTellMore } from '../../src/detect/selectivity.js';
import { FlowVars } from '../../src/detect/state/flow-vars.js';
import { Counter } from '../../src/metrics/counters.js';
import { ruleContext } from '../../src/rules/context.js';
import { parseRule } from '../../src/rules/parser.js';
import type { Rule } from '../../src/rules/rule.js';

const rule = (text: string) => parseRule(`${text.slice(0, -1)} sid:1;)`, { file: 'test', line: 1 }, ruleContext());

const letsThrough = (precheck: Precheck, p: Packet): boolean => {
  precheck.begin(p);
  return precheck.passes(0, p);
};
const precheckOf = (parsed: Rule, flowVars = new FlowVars(8, new Float64Array(Counter.Count))) =>
  // Four of it: an address set of few rules is not in the table.
  new Precheck(precheckTable([parsed, parsed, parsed, parsed]), flowVars);

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
  const compiled = new Map<string, { run: (p: Packet, x: Inspection) => number; table: Precheck }>();
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
          made = { run, table: precheckOf(parsed) };
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
  const table = precheckOf(rule('alert udp any 53 -> any [2000:2002,3000] (dsize:<50; content:"abcd";)'));
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

test('a byte that must stand in one place, flags, and addresses are in its words', () => {
  const table = precheckOf(
    rule('alert tcp 10.0.0.0/8 any -> 192.0.2.0/24 any (flags:S,12; content:"|05|"; depth:1; content:"Zx"; nocase; offset:3; depth:2;)'),
  );
  const p = new Packet();
  const bytes = (text: string) => {
    const padded = Buffer.from(`..${text}`, 'latin1');
    return { mem: new Uint8Array(padded), payloadOff: 2, payloadLen: padded.length - 2 };
  };
  const good = { proto: 6, ipVersion: 4, transportOff: 0, tcpFlags: 0xc2, ...bytes('\x05..zX') };
  const src = 0x0a000001;
  const dst = 0xc0000201 | 0;
  const after = (fields: Partial<Packet>, from = src, to = dst) => {
    Object.assign(p, good, fields);
    p.src[0] = from;
    p.dst[0] = to;
    return letsThrough(table, p);
  };
  assert.ok(after({}), 'the two highest flags do not matter');
  assert.ok(after(bytes('\x05..Zx')));
  assert.ok(after(bytes('\x05..yx')), 'one byte is looked at, the rarest');
  assert.ok(!after(bytes('\x06..zX')));
  assert.ok(!after({ tcpFlags: 0x12 }));
  assert.ok(!after({ proto: 17 }));
  assert.ok(!after({}, 0x0b000001));
  assert.ok(!after({}, src, 0xc0000301 | 0));
  assert.ok(after({}));
});

test('flowbits: a rule that needs one is let through from the moment some rule has set one', () => {
  const flowVars = new FlowVars(8, new Float64Array(Counter.Count));
  const table = precheckOf(rule('alert tcp any any -> any any (flowbits:isset,one|two;)'), flowVars);
  const p = Object.assign(new Packet(), { proto: 6, ipVersion: 4, flow: 3, established: 1 });
  table.begin(p);
  assert.ok(!table.passes(0, p));
  flowVars.set(3, 77, 1);
  assert.ok(table.passes(0, p), 'within the same packet');
  flowVars.clear(3);
  assert.ok(!table.passes(0, p));
  flowVars.set(2, 77, 1);
  assert.ok(!table.passes(0, p), 'another flow');
});

test('more address sets than there are bits: the rest is left to the rules', () => {
  const texts = Array.from({ length: 40 }, (_, i) => `alert ip 10.0.${i}.0/24 any -> any any (ttl:64;)`);
  const parsed = texts.flatMap((text) => [text, text, text, text]).map(rule);
  const { words, addresses } = precheckTable(parsed);
  assert.equal(addresses.length, 16);
  const table = new Precheck({ words, addresses }, new FlowVars(8, new Float64Array(Counter.Count)));
  for (let i = 0; i < 40; i++) {
    const p = Object.assign(new Packet(), { ipVersion: 4 });
    p.src[0] = 0x0a000001 | (i << 8);
    table.begin(p);
    for (let k = 0; k < 40; k++) if (table.passes(4 * k, p) === false) assert.notEqual(k, i);
    assert.ok(table.passes(4 * i, p));
  }
});

test('what another packet of the flow may have is told from what none has', () => {
  const table = precheckOf(
    rule('alert tcp 10.0.0.0/8 any -> any 80 (flow:established; flowbits:isset,x; dsize:>5; content:"|05|"; depth:1;)'),
  );
  const p = Object.assign(new Packet(), { proto: 6, ipVersion: 4, srcPort: 9, dstPort: 80, flow: 1 });
  const may = (port: number, source: number) => {
    p.dstPort = port;
    p.src[0] = source;
    table.begin(p);
    assert.ok(!table.passes(0, p));
    return table.mayPass(0, p);
  };
  assert.ok(may(80, 0x0a000001), 'only state and payload are missing');
  assert.ok(!may(81, 0x0a000001));
  assert.ok(!may(80, 0x0b000001));
  p.proto = 17;
  assert.ok(!may(80, 0x0a000001));
});
