import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BUFFERS, Way } from '../../src/app-layer/catalogue.js';
import { parseAddresses } from '../../src/rules/addresses.js';
import type { ByteOption, ContentOption, PcreOption } from '../../src/rules/byte-option.js';
import type { NumberTest } from '../../src/rules/packet-option.js';
import { parsePorts } from '../../src/rules/ports.js';
import { printRule } from '../../src/rules/print.js';
import type { BufferTests, HeaderOption, Rule, RuleAction, RuleProto } from '../../src/rules/rule.js';
import type { ThresholdOption } from '../../src/rules/state-option.js';
import { CONTEXT, parse } from '../support/rules.js';

describe('printing rules', () => {
  const cases: [text: string, printed: string][] = [
    ['alert  tcp any any -> any any ( sid:1; )', 'alert tcp any any -> any any (priority:3; sid:1; rev:0;)'],
    [
      'DROP ip $HOME_NET any <> ![1.1.1.1,::/0,0.0.0.0/1] 1:3 (rev:2; sid:7; gid:2; msg:"a\\;b"; classtype:misc-attack;)',
      'drop ip [10.0.0.0/8,192.168.0.0/16] any <> 128.0.0.0/1 1:3 (msg:"a\\;b"; classtype:misc-attack; priority:2; gid:2; sid:7; rev:2;)',
    ],
    [
      'alert tcp any any -> any any (content:"A|3a|b|0D 0a|c"; nocase; offset:1; depth:9; fast_pattern:0,2; flags:+S,12; dsize:5-9; noalert; sid:1;)',
      'alert tcp any any -> any any (flags:+S,EC; dsize:5<>9; content:"a|3A|b|0D 0A|c"; nocase; offset:1; depth:9; fast_pattern:0,2; noalert; priority:3; sid:1; rev:0;)',
    ],
  ];
  for (const [text, printed] of cases) it(text, () => assert.equal(printRule(parse(text)), printed));
});

// A generator of rules as the parser makes them.
const number = (max: number): fc.Arbitrary<NumberTest> =>
  fc.oneof(
    fc.record({ op: fc.constantFrom('=' as const, '!=' as const), a: fc.nat(max), b: fc.constant(0) }),
    fc.record({ op: fc.constantFrom('<' as const, '>=' as const), a: fc.integer({ min: 1, max }), b: fc.constant(0) }),
    fc.record({ op: fc.constantFrom('>' as const, '<=' as const), a: fc.integer({ min: 0, max: max - 1 }), b: fc.constant(0) }),
    fc.tuple(fc.nat(max - 2), fc.nat(max)).map(([a, more]) => ({ op: '<>' as const, a, b: Math.min(max, a + 2 + more) })),
  );
const headerOption: fc.Arbitrary<HeaderOption> = fc.oneof(
  fc.record({ kind: fc.constantFrom('ttl' as const, 'itype' as const, 'icode' as const), test: number(255) }),
  fc.record({ kind: fc.constant('ip_proto' as const), op: fc.constant('!' as const), proto: fc.nat(255) }),
  fc.record({
    kind: fc.constant('flags' as const),
    flags: fc.nat(255),
    ignore: fc.nat(255),
    modifier: fc.constantFrom('' as const, '+' as const, '*' as const, '!' as const),
  }),
);
const flow: fc.Arbitrary<HeaderOption> = fc.record(
  {
    kind: fc.constant('flow' as const),
    direction: fc.constantFrom('to_server' as const, 'to_client' as const),
    state: fc.constantFrom('established' as const, 'not_established' as const, 'stateless' as const),
    stream: fc.constantFrom('only_stream' as const, 'no_stream' as const),
    frag: fc.constantFrom('only_frag' as const, 'no_frag' as const),
  },
  { requiredKeys: ['kind', 'direction'] },
);
const dsize: fc.Arbitrary<HeaderOption> = fc.record({
  kind: fc.constant('dsize' as const),
  test: fc
    .integer({ min: 2000, max: 65534 })
    .chain((a) => fc.constantFrom(...(['=', '!=', '<', '>', '<=', '>='] as const)).map((op) => ({ op, a, b: 0 }))),
});

type Place = Pick<ContentOption, 'offset' | 'depth' | 'distance' | 'within' | 'startswith'>;
const content: fc.Arbitrary<ContentOption> = fc
  .tuple(
    fc.uint8Array({ minLength: 1, maxLength: 12 }),
    fc.record({ negated: fc.boolean(), nocase: fc.boolean(), endswith: fc.boolean(), rawbytes: fc.boolean() }),
  )
  .chain(([pattern, plain]) => {
    if (plain.nocase) for (let i = 0; i < pattern.length; i++) if (pattern[i] >= 0x41 && pattern[i] <= 0x5a) pattern[i] |= 0x20;
    const size = pattern.length;
    const place: fc.Arbitrary<Place> = fc.oneof(
      fc.constant({ startswith: false }),
      fc.constant({ startswith: true }),
      fc.record(
        { startswith: fc.constant(false), offset: fc.nat(900), depth: fc.integer({ min: size, max: 900 }) },
        { requiredKeys: ['startswith'] },
      ),
      fc.record(
        {
          startswith: fc.constant(false),
          distance: fc.integer({ min: -1048576, max: 1048576 }),
          within: fc.integer({ min: size, max: 1048576 }),
        },
        { requiredKeys: ['startswith'] },
      ),
    );
    return place.map((p): ContentOption => ({ kind: 'content', pattern, ...plain, fastPattern: false, fastPatternOnly: false, ...p }));
  });
const pcre: fc.Arbitrary<PcreOption> = fc.record({
  kind: fc.constant('pcre' as const),
  pattern: fc
    .array(fc.constantFrom('a', '[^b]+', '\\;', '\\/', '/', '(c|d)', '\\x22', '"', '\\xff', '.*', ' ', ':'), { minLength: 1, maxLength: 6 })
    .map((x) => x.join('')),
  negated: fc.boolean(),
  flags: fc.subarray([...'ismxAEG']).map((x) => x.join('')),
  relative: fc.boolean(),
});
/** What only fits when nothing else of the rule forbids it: R needs a match before it, fast_pattern one free content. */
function consistent(payload: ByteOption[], fast: number, chop: boolean): ByteOption[] {
  if (payload[0]?.kind === 'pcre') payload[0].relative = false;
  const free = payload.filter((x): x is ContentOption => x.kind === 'content').filter((x) => !x.negated);
  if (free.length > 0 && fast < 3) {
    const option = free[fast % free.length];
    option.fastPattern = true;
    if (chop) option.fastPatternChop = { offset: 0, length: option.pattern.length };
  }
  return payload;
}

const word = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/);
const metadata = fc
  .uniqueArray(word, { maxLength: 4 })
  .chain((keys) => fc.tuple(...keys.map((key) => fc.array(word, { maxLength: 3 }).map((values) => [key, values] as const))))
  .map((entries) => Object.fromEntries(entries) as Record<string, string[]>);
const port = fc.tuple(fc.nat(65535), fc.nat(65535)).map(([a, b]) => `${Math.min(a, b)}:${Math.max(a, b)}`);
const ports = fc.oneof(
  fc.constant('any'),
  fc.array(port, { minLength: 1, maxLength: 4 }).map((x) => `[${x.join(',')}]`),
);
const network = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(32)).map(([a, bits]) => `${a}/${bits}`),
  fc.tuple(fc.ipV6(), fc.nat(128)).map(([a, bits]) => `${a}/${bits}`),
  fc.ipV4(),
);
const addresses = fc.oneof(
  fc.constantFrom('any', '$HOME_NET', '$EXTERNAL_NET'),
  fc.array(network, { minLength: 1, maxLength: 5 }).map((x) => `[${x.join(',')}]`),
);
/** Any text without what a line of a file cannot hold. */
const msg = fc.string({ unit: 'grapheme', maxLength: 30 }).map((x) => x.replace(/\p{Cc}/gu, ' '));
const threshold: fc.Arbitrary<ThresholdOption> = fc.record({
  kind: fc.constant('threshold' as const),
  type: fc.constantFrom('limit' as const, 'threshold' as const, 'both' as const),
  track: fc.constantFrom('by_src' as const, 'by_dst' as const, 'by_rule' as const, 'by_both' as const, 'by_flow' as const),
  count: fc.integer({ min: 1, max: 0xffffffff }),
  seconds: fc.integer({ min: 1, max: 0xffffffff }),
});

/** Each buffer at most once, none empty. */
const buffers: fc.Arbitrary<BufferTests[]> = fc
  .shuffledSubarray(BUFFERS.filter(({ protos, way }) => protos[0] === 'ftp' && way === Way.ToServer).map((spec) => spec.name))
  .chain((names) =>
    fc.tuple(
      ...names.map((buffer) =>
        fc
          .array(fc.oneof(content, pcre), { minLength: 1, maxLength: 3 })
          .map((tests): BufferTests => ({ buffer, transforms: [], tests: consistent(tests, 3, false) })),
      ),
    ),
  );
const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });

/** A rule on packets with `replace`, or one on an application layer: what the two may not have together is taken out. */
function specialised(rule: Rule, app: 'none' | 'header' | 'implied', found: BufferTests[], patch: Uint8Array): Rule {
  if (app === 'none') {
    const stream = rule.header.some((o) => o.kind === 'flow' && o.stream === 'only_stream');
    for (const [i, t] of rule.payload.entries()) {
      if (t.kind === 'content' && !t.negated && !stream && i % 2 === 0) t.replace = t.pattern.map((b, k) => b ^ patch[k % patch.length]);
    }
    return rule;
  }
  const header = rule.header.filter((o) => o.kind === 'flow');
  for (const o of header) o.direction = 'to_server';
  const special: Rule = { ...rule, header, buffers: found };
  return app === 'header' ? { ...special, proto: 'tcp', appProto: 'ftp' } : special;
}

const plain: fc.Arbitrary<Rule> = fc.record(
  {
    action: fc.constantFrom<RuleAction>('alert', 'pass', 'drop', 'reject', 'rejectsrc', 'rejectdst', 'rejectboth'),
    proto: fc.constantFrom<RuleProto>('ip', 'ipv4', 'ipv6'),
    src: addresses.map((x) => parseAddresses(x, CONTEXT.addressGroups)),
    srcPorts: ports.map((x) => parsePorts(x, {})),
    bidirectional: fc.boolean(),
    dst: addresses.map((x) => parseAddresses(x, CONTEXT.addressGroups)),
    dstPorts: ports.map((x) => parsePorts(x, {})),
    msg,
    sid: fc.integer({ min: 1, max: 0xffffffff }),
    rev: fc.nat(0xffffffff),
    gid: fc.nat(0xffffffff),
    classtype: fc.constantFrom('', 'misc-attack', 'nobody'),
    category: fc.constant(''),
    priority: fc.integer({ min: 1, max: 255 }),
    references: fc.array(
      fc.tuple(word, word).map((x) => x.join(',')),
      { maxLength: 3 },
    ),
    metadata,
    noalert: fc.boolean(),
    header: fc
      .tuple(fc.option(flow), fc.option(dsize), fc.array(headerOption, { maxLength: 4 }))
      .map(([a, b, rest]) => [...(a ? [a] : []), ...(b ? [b] : []), ...rest]),
    payload: fc
      .tuple(fc.array(fc.oneof(content, pcre), { maxLength: 5 }), fc.nat(5), fc.boolean())
      .map(([list, fast, chop]) => consistent(list, fast, chop)),
    buffers: fc.constant([]),
    effects: fc.constant([]),
    bypass: fc.boolean(),
    nfqMark: fc.record({ mark: word32, mask: word32 }),
    threshold,
    file: fc.constant('test.rules'),
    line: fc.constant(1),
    text: fc.constant(''),
  },
  {
    requiredKeys: [
      'action',
      'proto',
      'src',
      'srcPorts',
      'bidirectional',
      'dst',
      'dstPorts',
      'msg',
      'sid',
      'rev',
      'gid',
      'classtype',
      'category',
      'priority',
      'references',
      'metadata',
      'noalert',
      'header',
      'payload',
      'buffers',
      'effects',
      'bypass',
      'file',
      'line',
      'text',
    ],
  },
);

const rule = fc
  .tuple(
    plain,
    fc.constantFrom('none' as const, 'header' as const, 'implied' as const),
    buffers,
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
  )
  .map(([r, app, found, patch]) => specialised(r, app, found, patch));

describe('printed rules', () => {
  it('parse back to an equal rule, and print the same again', () => {
    fc.assert(
      fc.property(rule, (generated) => {
        const r = structuredClone(generated); // plain prototypes
        r.category = r.classtype === 'misc-attack' ? 'Misc Attack' : '';
        const printed = printRule(r);
        const back = parse(printed);
        assert.equal(printRule(back), printed);
        back.text = '';
        assert.deepEqual(back, r);
        assert.deepEqual(structuredClone(back), r, 'a rule travels to the workers as it is');
      }),
      { numRuns: 1000 },
    );
  });
});
