import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAddresses, printAddresses } from '../../src/rules/addresses.js';
import { parsePorts, printPorts } from '../../src/rules/ports.js';
import type { AddressSet, PortSet } from '../../src/rules/rule.js';
import { RuleError } from '../../src/rules/rule-error.js';

const GROUPS = {
  HOME_NET: '[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]',
  EXTERNAL_NET: '!$HOME_NET',
  SERVERS: '$HOME_NET',
  ANY: 'any',
  NONE: '!$ANY',
  BARE: '1.1.1.1,2.2.2.2',
  LOOP: '[$LOOP2]',
  LOOP2: '!$LOOP',
};
const PORTS = { HTTP_PORTS: '80', FILE_PORTS: '[$HTTP_PORTS,110,143]', SHELL: '!80', SELF: '$SELF' };

const addresses = (text: string) => printAddresses(parseAddresses(text, GROUPS));
const ports = (text: string) => printPorts(parsePorts(text, PORTS));

describe('rule addresses', () => {
  const good: [string, string][] = [
    ['any', 'any'],
    ['1.2.3.4', '1.2.3.4'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.0.0.0/255.0.0.0', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['[0.0.0.0/0,::/0]', 'any'],
    ['1.1.1.1-1.1.1.5', '1.1.1.1-1.1.1.5'],
    ['1.1.1.0-1.1.1.255', '1.1.1.0/24'],
    ['[1.1.1.1,1.1.1.2, 1.1.1.3]', '1.1.1.1-1.1.1.3'],
    ['fe80::/10', 'fe80::/10'],
    ['2001:db8::1', '2001:db8::1'],
    ['[::1,1.1.1.1]', '[1.1.1.1,::1]'],
    ['$HOME_NET', '[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16]'],
    ['$SERVERS', '[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16]'],
    ['!$EXTERNAL_NET', '[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16]'],
    ['[$HOME_NET,$EXTERNAL_NET]', 'any'],
    ['$BARE', '[1.1.1.1,2.2.2.2]'],
    ['[10.0.0.0/8,!10.1.0.0/16]', '[10.0.0.0/16,10.2.0.0-10.255.255.255]'],
    ['[!10.1.0.0/16,10.0.0.0/8]', '[10.0.0.0/16,10.2.0.0-10.255.255.255]'],
    ['[any,!0.0.0.0/0]', '::/0'],
    ['![0.0.0.0/0]', '::/0'],
    ['! 0.0.0.0/0', '::/0'],
    ['[::/0,10.0.0.0/8,![10.0.0.0/9,::/1]]', '[10.128.0.0/9,8000::/1]'],
    ['[1.1.1.1,[2.2.2.2,[3.3.3.3]]]', '[1.1.1.1,2.2.2.2,3.3.3.3]'],
  ];
  for (const [text, expected] of good) it(`${text} is ${expected}`, () => assert.equal(addresses(text), expected));

  it('negation covers both families', () => {
    assert.equal(addresses('!0.0.0.0/1'), '[128.0.0.0/1,::/0]');
    assert.match(addresses('!$HOME_NET'), /::\/0\]$/);
  });

  const bad: [string, RegExp][] = [
    ['!any', /empty/],
    ['$NONE', /empty/],
    ['[$HOME_NET,!$HOME_NET]', /empty/],
    ['[1.1.1.1,!1.1.1.0/24]', /empty/],
    ['$MISSING', /\$MISSING is not defined.*address-groups/],
    ['$toString', /not defined/],
    ['$LOOP', /refers to itself: \$LOOP -> \$LOOP2 -> \$LOOP/],
    ['[1.1.1.1', /without its \]/],
    ['1.1.1.1]', /] without its \[/],
    ['[]', /empty element/],
    ['[1.1.1.1,]', /empty element/],
    ['', /empty element/],
    ['!!1.1.1.1', /twice/],
    ['10.1', /no address/],
    ['010.1.1.1', /no address/],
    ['1.1.1.256', /no address/],
    ['0x7f000001', /no address/],
    ['fe80::1%eth0', /no address/],
    ['1.1.1.1/33', /no network/],
    ['1.1.1.1/255.0.255.0', /no network/],
    ['::1/129', /no network/],
    ['1.1.1.1/', /no network/],
    ['1.1.1.5-1.1.1.1', /backwards/],
    ['1.1.1.5-::1', /mixes/],
    ['[['.repeat(500_000), /deeper/],
  ];
  for (const [text, reason] of bad) {
    it(`refuses ${text.slice(0, 40)}`, () => {
      assert.throws(
        () => parseAddresses(text, GROUPS),
        (error) => error instanceof RuleError && reason.test(error.reason),
      );
    });
  }
});

describe('rule ports', () => {
  const good: [string, string][] = [
    ['any', 'any'],
    ['80', '80'],
    ['0', '0'],
    ['80:90', '80:90'],
    [':1024', '0:1024'],
    ['1024:', '1024:65535'],
    ['0:65535', 'any'],
    ['[80, 81, 82]', '80:82'],
    ['[80: 82]', '80:82'],
    ['!80', '[0:79,81:65535]'],
    ['[80:100,!99]', '[80:98,100]'],
    ['[1:80,![2,4]]', '[1,3,5:80]'],
    ['$FILE_PORTS', '[80,110,143]'],
    ['!$SHELL', '80'],
  ];
  for (const [text, expected] of good) it(`${text} is ${expected}`, () => assert.equal(ports(text), expected));

  const bad: [string, RegExp][] = [
    ['65536', /no port/],
    ['-1', /no port/],
    ['http', /no port/],
    [':', /no port/],
    ['80-90', /no port/],
    ['90:80', /backwards/],
    ['!any', /empty/],
    ['[80,!80]', /empty/],
    ['$NOPE', /\$NOPE is not defined.*port-groups/],
    ['$SELF', /refers to itself/],
    ['[80', /without its \]/],
  ];
  for (const [text, reason] of bad) {
    it(`refuses ${text}`, () => {
      assert.throws(
        () => parsePorts(text, PORTS),
        (error) => error instanceof RuleError && reason.test(error.reason),
      );
    });
  }
});

// The naive model: walk the list as a tree and ask of every single value whether it is in.
type Node = { not: boolean; low: number; high: number } | { not: boolean; list: Node[] };
const node: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.tuple(fc.boolean(), fc.nat(255), fc.nat(255)).map(([not, a, b]) => ({ not, low: Math.min(a, b), high: Math.max(a, b) })),
    fc.record({ not: fc.boolean(), list: fc.array(tie('node'), { minLength: 1, maxLength: 5 }) }),
  ),
})).node;

function inNode(n: Node, value: number): boolean {
  const inside = 'list' in n ? inList(n.list, value) : value >= n.low && value <= n.high;
  return inside !== n.not;
}
/** A list holds a value that a positive element holds (or no positive element stands) and no negated element names. */
function inList(list: Node[], value: number): boolean {
  const plus = list.filter((n) => !n.not);
  return (plus.length === 0 || plus.some((n) => inNode(n, value))) && list.filter((n) => n.not).every((n) => inNode(n, value));
}
function text(n: Node, leaf: (low: number, high: number) => string): string {
  const inner = 'list' in n ? `[${n.list.map((x) => text(x, leaf)).join(',')}]` : leaf(n.low, n.high);
  return n.not ? `!${inner}` : inner;
}
const hasPort = (set: PortSet, value: number) => set.any || set.ranges.some(([a, b]) => value >= a && value <= b);
/** Is the address whose bytes are zero but for the last one in the set? */
function hasAddress(set: AddressSet, family: 4 | 6, value: number): boolean {
  const at = new Uint8Array(family === 4 ? 4 : 16);
  at[at.length - 1] = value;
  return set.any || set.ranges.some((r) => r.family === family && Buffer.compare(r.first, at) <= 0 && Buffer.compare(at, r.last) <= 0);
}

describe('list algebra', () => {
  it('ports agree with the naive model, value by value', () => {
    fc.assert(
      fc.property(node, (n) => {
        const source = text(n, (low, high) => (low === high ? `${low}` : `${low}:${high}`));
        const expected: boolean[] = Array.from({ length: 257 }, (_, value) => inNode(n, value));
        let set: PortSet;
        try {
          set = parsePorts(source, {});
        } catch (error) {
          assert.ok(error instanceof RuleError);
          assert.ok(!expected.includes(true), `${source} is not empty`);
          return;
        }
        for (let value = 0; value <= 256; value++) assert.equal(hasPort(set, value), expected[value], `${source} at ${value}`);
        for (let i = 1; i < set.ranges.length; i++) assert.ok(set.ranges[i][0] > set.ranges[i - 1][1] + 1, 'sorted, disjoint, merged');
        assert.deepEqual(parsePorts(printPorts(set), {}), set);
      }),
      { numRuns: 500 },
    );
  });

  for (const [family, prefix] of [
    [4, '0.0.0.'],
    [6, '::'],
  ] as const) {
    it(`IPv${family} addresses agree with the naive model, address by address`, () => {
      const word = (value: number) => prefix + value.toString(family === 4 ? 10 : 16);
      fc.assert(
        fc.property(node, (n) => {
          const source = text(n, (low, high) => (low === high ? word(low) : `${word(low)}-${word(high)}`));
          const expected: boolean[] = Array.from({ length: 256 }, (_, value) => inNode(n, value));
          let set: AddressSet;
          try {
            set = parseAddresses(source, {});
          } catch (error) {
            assert.ok(error instanceof RuleError);
            assert.ok(!expected.includes(true), `${source} is not empty`);
            return;
          }
          for (let value = 0; value < 256; value++) assert.equal(hasAddress(set, family, value), expected[value], `${source} at ${value}`);
          assert.deepEqual(parseAddresses(printAddresses(set), {}), set);
        }),
        { numRuns: 300 },
      );
    });
  }
});
