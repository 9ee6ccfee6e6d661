import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpProto } from '../../src/decode/packet.js';
import { Counter } from '../../src/metrics/counters.js';
import { Bench, type PacketSpec, packet, rules } from '../support/detect.js';

/** Matching sids and how many rules were evaluated for one packet among `n` rules. */
function evaluated(n: number, rule: (i: number) => string, spec: PacketSpec): { sids: string; count: number } {
  const bench = new Bench(rules(...Array.from({ length: n }, (_, i) => rule(i).replace(/\)$/, ` sid:${i + 1};)`))));
  const sids = bench.sids(packet(spec));
  bench.detector.close();
  return { sids, count: bench.counters[Counter.RulesEvaluated] };
}

/** Each set of rules, the packet, and which rule matches. One packet must cost the same whatever the number loaded. */
const SETS: [string, (i: number) => string, PacketSpec, string, number][] = [
  ['by literal', (i) => `alert udp any any -> any any (content:"word${i}word";)`, { payload: 'a word77word b' }, '78', 1],
  [
    'one literal, by destination port',
    (i) => `alert udp any any -> any ${1000 + i} (content:"GET /";)`,
    { payload: 'GET /', dport: 1077 },
    '78',
    1,
  ],
  [
    'one literal, by source port',
    (i) => `alert udp any ${1000 + i} -> any 53 (content:"GET /";)`,
    { payload: 'GET /', sport: 1077 },
    '78',
    1,
  ],
  [
    'one literal and port, by address',
    (i) => `alert udp 172.16.${i >> 8}.${i & 255} any -> any 53 (content:"GET /";)`,
    { payload: 'GET /', src: '172.16.0.77' },
    '78',
    1,
  ],
  ['no content, by destination port', (i) => `alert udp any any -> any ${1000 + i} (dsize:>0;)`, { payload: 'x', dport: 1077 }, '78', 1],
  [
    'no content, by port range',
    (i) => `alert udp any any -> any ${1000 + 2 * i}:${1001 + 2 * i} (dsize:>0;)`,
    { payload: 'x', dport: 1155 },
    '78',
    1,
  ],
  ['IP-only, by source', (i) => `drop ip 172.16.${i >> 8}.${i & 255} any -> any any ()`, { src: '172.16.0.77' }, '78', 1],
  ['IP-only, by destination', (i) => `drop ip any any -> 172.16.${i >> 8}.${i & 255} any ()`, { dst: '172.16.0.77' }, '78', 1],
  [
    'IP-only, IPv6',
    (i) => `drop ip [2001:db8:${i.toString(16)}::/48] any -> any any ()`,
    { src: '2001:db8:4d:ffff::1', dst: 'fd00::1' },
    '78',
    1,
  ],
  ['nothing fits', (i) => `alert tcp any any -> any ${1000 + i} (content:"x";)`, { proto: IpProto.Tcp, payload: 'x', dport: 9 }, '', 0],
];

for (const [name, rule, spec, sids, most] of SETS) {
  test(`${name}: the rules evaluated do not grow with the rules loaded`, () => {
    for (const n of [100, 1000, 4000]) assert.deepEqual(evaluated(n, rule, spec), { sids, count: most }, `${n} rules`);
  });
}

test('ICMP rules are told apart by type, TCP rules by flags', () => {
  const icmp = (i: number) => `alert icmp any any -> any any (itype:${i % 200}; ttl:64;)`;
  assert.deepEqual(evaluated(200, icmp, { proto: IpProto.Icmp, itype: 8 }), { sids: '9', count: 1 });
  const letters = ['S', 'SA', 'F', 'FA', 'R', 'P', 'PA', 'U'];
  const tcp = (i: number) => `alert tcp any any -> any any (flags:${letters[i]}; ttl:64;)`;
  assert.deepEqual(evaluated(8, tcp, { proto: IpProto.Tcp, flags: 0x12 }), { sids: '2', count: 1 });
});

test('wide and narrow address lists together find exactly the rules that hold the address', () => {
  const texts = [
    'alert ip 10.0.0.0/8 any -> any any (sid:1;)',
    'alert ip 10.1.0.0/16 any -> any any (sid:2;)',
    'alert ip [10.1.2.3,200.0.0.0/8] any -> any any (sid:3;)',
    'alert ip [0.0.0.0-10.1.2.2,10.1.2.4-255.255.255.255] any -> any any (sid:4;)',
    'alert ip 128.0.0.0/1 any -> any any (sid:5;)',
    'alert ip 0.0.0.0 any -> any any (sid:6;)',
    'alert ip 255.255.255.255 any -> any any (sid:7;)',
    'alert ip 9.255.255.255 any -> any any (sid:8;)',
  ];
  const bench = new Bench(rules(...texts));
  const expected: [string, string][] = [
    ['10.1.2.3', '1 2 3'],
    ['10.1.2.4', '1 2 4'],
    ['10.0.0.0', '1 4'],
    ['9.255.255.255', '4 8'],
    ['11.0.0.0', '4'],
    ['200.1.1.1', '3 4 5'],
    ['127.255.255.255', '4'],
    ['128.0.0.0', '4 5'],
    ['0.0.0.0', '4 6'],
    ['255.255.255.255', '4 5 7'],
  ];
  for (const [src, sids] of expected) assert.equal(bench.sids(packet({ src })), sids, src);
});

test('the payload is not scanned when no rule could apply', () => {
  const bench = new Bench(rules('alert udp any any -> any 53 (content:"abcd"; sid:1;)'));
  const scans = () => bench.counters[Counter.PrefilterScans];
  bench.sids(packet({ payload: 'abcd', dport: 54 }));
  bench.sids(packet({ payload: 'abc', dport: 53 }));
  bench.sids(packet({ payload: 'abcd', dport: 53, proto: IpProto.Tcp }));
  assert.equal(scans(), 0);
  assert.equal(bench.sids(packet({ payload: 'abcd', dport: 53 })), '1');
  assert.equal(scans(), 1);
});
