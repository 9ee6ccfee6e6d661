import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DECODE_EVENT_NAMES } from '../../src/decode/events.js';
import { numberPasses, parseNumberTest, printNumberTest } from '../../src/rules/numbers.js';
import { printRule } from '../../src/rules/print.js';
import { STREAM_EVENT_NAMES, streamEventCode } from '../../src/stream/events.js';
import { CONTEXT, parse, refused, withOptions } from '../support/rules.js';

const U32 = 0xffffffff;

describe('numbers', () => {
  const whole = fc.nat(255);
  const spelt = (n: number): fc.Arbitrary<string> => fc.constantFrom(String(n), `0x${n.toString(16)}`, `0x${n.toString(16).toUpperCase()}`);
  const pad = fc.constantFrom('', ' ', '  ');

  it('every form means what it says, for every value', () => {
    const form = fc.oneof(
      fc.tuple(fc.constantFrom('', '=', '!', '!=', '<', '<=', '>', '>='), whole).chain(([op, a]) =>
        fc.tuple(pad, spelt(a)).map(([space, text]) => ({
          text: op + (op === '' ? '' : space) + text,
          holds: (v: number) =>
            op === '' || op === '='
              ? v === a
              : op === '!' || op === '!='
                ? v !== a
                : op === '<'
                  ? v < a
                  : op === '<='
                    ? v <= a
                    : op === '>'
                      ? v > a
                      : v >= a,
        })),
      ),
      fc.tuple(fc.boolean(), whole, whole, fc.constantFrom('<>', '-'), pad).map(([not, a, b, sign, space]) => ({
        text: `${not ? '!' : ''}${a}${space}${sign}${space}${b}`,
        holds: (v: number) => (v > a && v < b) !== not,
      })),
      fc.tuple(whole, whole, fc.constantFrom('=', '!=')).map(([a, b, op]) => ({
        text: `&0x${a.toString(16)}${op}${b}`,
        holds: (v: number) => ((v & a) === b) === (op === '='),
      })),
    );
    fc.assert(
      fc.property(form, ({ text, holds }) => {
        let test: ReturnType<typeof parseNumberTest>;
        try {
          test = parseNumberTest('ttl', text, 255);
        } catch {
          // Refused: then it holds for all or for none, or compares bits outside the mask.
          let n = 0;
          for (let v = 0; v <= 255; v++) if (holds(v)) n++;
          assert.ok(n === 0 || n === 256, text);
          return;
        }
        for (let v = 0; v <= 255; v++) assert.equal(numberPasses(test, v), holds(v), `${text} of ${v}`);
        assert.deepEqual(parseNumberTest('ttl', printNumberTest(test), 255), test);
      }),
      { numRuns: 500 },
    );
  });

  it('whatever the text, a test or a RuleError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0129af x<>=!&-kmgib'), maxLength: 12 }), (text) => {
        try {
          const test = parseNumberTest('ttl', text, U32);
          assert.deepEqual(parseNumberTest('ttl', printNumberTest(test), U32), test);
        } catch (error) {
          assert.equal((error as Error).name, 'RuleError');
        }
      }),
    );
  });

  it('units, the largest numbers', () => {
    assert.deepEqual(parseNumberTest('x', '>2kb', U32), { op: '>', a: 2048, b: 0 });
    assert.deepEqual(parseNumberTest('x', '4294967295', U32), { op: '=', a: U32, b: 0 });
    assert.equal(numberPasses(parseNumberTest('x', '&0x80000000=0x80000000', U32), 0x80000001), true);
  });
});

describe('keywords on headers and flows', () => {
  const cases: [options: string, printed: string, proto?: string][] = [
    ['tos:!x88; tos:0x08;', 'tos:!136; tos:8'],
    ['id:"7"; ttl:<=3; fragoffset:!0; fragbits:+MD;', 'id:7; ttl:<=3; fragoffset:!0; fragbits:+MD'],
    ['fragbits:r!;', 'fragbits:!R'],
    ['ipopts:SSRR; sameip; l3_proto:ip4;', 'ipopts:ssrr; sameip; l3_proto:ipv4'],
    ['ip_proto:!1; ip_proto:!udp; ip_proto:<100;', 'ip_proto:!1; ip_proto:!17; ip_proto:<100', 'ip'],
    ['tcp.seq:1; tcp.ack:!0xffffffff; tcp.window:>5;', 'seq:1; ack:!4294967295; window:>5'],
    ['tcp.mss:<536; tcp.wscale:!3-9; tcp.flags:SA+,12;', 'tcp.mss:<536; tcp.wscale:!3<>9; flags:+SA,EC'],
    [
      'itype:8<>13; icode:!0; icmp_id:"300"; icmp_seq:5-9; icmpv6.mtu:<1280;',
      'itype:8<>13; icode:!0; icmp_id:300; icmp_seq:5<>9; icmpv6.mtu:<1280',
      'icmp',
    ],
    ['vlan.id:200; vlan.id:!1,-1; vlan.id:>3 , ALL; vlan.layers:2;', 'vlan.id:200; vlan.id:!1,-1; vlan.id:>3,all; vlan.layers:2'],
    ['arp.opcode:!reply; igmp.type:0x11;', 'arp.opcode:!2; igmp.type:17', 'pkthdr'],
    ['tcpv4-csum:invalid; ipv4-csum:"Valid";', 'tcpv4-csum:invalid; ipv4-csum:valid'],
    ['stream_size:both, >=, 5000; stream.size:server,<5;', 'stream_size:both,>=,5000; stream_size:server,<,5'],
    [
      'flow.age:>=2; flow.pkts:both,>3; flow.pkts_toclient:!3; flow.bytes_toserver:5-9;',
      'flow.age:>=2; flow.pkts:both,>3; flow.pkts:toclient,!3; flow.bytes:toserver,5<>9',
    ],
    ['flow:from_client , ESTABLISHED,only_stream;', 'flow:to_server,established,only_stream'],
    [
      'decode-event:ipv4.trunc_pkt; engine-event:decoder.ipv6.trunc_pkt;',
      'decode-event:ipv4.trunc_pkt; decode-event:ipv6.trunc_pkt',
      'pkthdr',
    ],
    ['stream-event:est_syn_resend; engine-event:stream.fin_syn;', 'stream-event:est_syn_resend; stream-event:fin_syn'],
  ];
  for (const [options, printed, proto] of cases) {
    it(options, () => {
      const rule = withOptions(options, proto);
      const text = printRule(rule);
      assert.ok(text.includes(`(${printed}; priority`), text);
      assert.deepEqual(parse(text).header, rule.header);
    });
  }

  const bad: [options: string, option: string, reason: RegExp][] = [
    ['ttl:256;', 'ttl', /out of range/],
    ['fragoffset:8192;', 'fragoffset', /out of range/],
    ['fragbits:X;', 'fragbits', /letters of M, D, R/],
    ['ipopts:foo;', 'ipopts', /takes one of/],
    ['l3_proto:ipx;', 'l3_proto', /ipv4 or ipv6/],
    ['tcpv4-csum:maybe;', 'tcpv4-csum', /valid or invalid/],
    ['stream_size:left,>,3;', 'stream_size', /server, client/],
    ['flow.pkts:>3;', 'flow.pkts', /toserver, toclient/],
    ['flow:!established;', 'flow', /not_established/],
    ['vlan.id:5,3;', 'vlan.id', /0 to 2/],
    ['vlan.id:4096;', 'vlan.id', /out of range/],
    ['decode-event:ipv4.no_such;', 'decode-event', /no event/],
    ['stream-event:decoder.ipv4.trunc_pkt;', 'stream-event', /no event/],
    ['geoip:src,RU;', 'geoip', /needs a GeoIP database.*none is configured/],
    ['geoip:src,Russia;', 'geoip', /country codes of two letters/],
  ];
  for (const [options, option, reason] of bad) it(`refuses ${options}`, () => refused(() => withOptions(options), option, reason));

  it('geoip loads with a database, and is inert', () => {
    const rule = parse('alert ip any any -> any any (geoip:both,!cn,!RU; sid:1;)', { ...CONTEXT, geoipDatabase: '/x.mmdb' });
    assert.equal(rule.inert, 'geoip');
    assert.ok(printRule(rule).includes('geoip:both,!CN,!RU;'));
  });

  it('every event name has its code, and what cannot be raised yet is inert', () => {
    for (const name of DECODE_EVENT_NAMES.slice(1)) assert.ok(withOptions(`decode-event:${name.slice('decoder.'.length)};`, 'pkthdr'));
    for (const [code, name] of STREAM_EVENT_NAMES.entries()) if (code > 0) assert.equal(streamEventCode(name), code);
    assert.equal(streamEventCode(''), 0);
    assert.equal(withOptions('stream-event:reassembly_seq_gap;').inert, undefined);
    assert.equal(withOptions('decode-event:geneve.unknown_payload_type;', 'pkthdr').inert, 'geneve decoder');
    assert.equal(withOptions('decode-event:udp.len_invalid;', 'pkthdr').inert, undefined);
  });
});
