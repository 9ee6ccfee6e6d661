import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TcpFlag } from '../../src/decode/packet.js';
import type { PcreOption } from '../../src/rules/byte-option.js';
import { ruleContext } from '../../src/rules/context.js';
import type { HeaderOption, Rule } from '../../src/rules/rule.js';
import { bytes, CONTEXT, parse, refused, withOptions } from '../support/rules.js';

const header = (options: string, proto?: string): HeaderOption => withOptions(options, proto).header[0];
const content = (options: string) => withOptions(options).payload.at(-1);
const base = {
  kind: 'content',
  negated: false,
  nocase: false,
  startswith: false,
  endswith: false,
  fastPattern: false,
  fastPatternOnly: false,
};

function good(cases: [options: string, pick: (rule: Rule) => unknown, expected: unknown][]): void {
  for (const [options, pick, expected] of cases) it(options, () => assert.deepEqual(pick(withOptions(options)), expected));
}
function bad(cases: [options: string, option: string, reason: RegExp, proto?: string][]): void {
  for (const [options, option, reason, proto] of cases) {
    it(`refuses ${options}`, () => refused(() => withOptions(options, proto), option, reason));
  }
}

describe('meta keywords', () => {
  good([
    ['msg:"hello";', (r) => r.msg, 'hello'],
    ['msg : "a: b" ;', (r) => r.msg, 'a: b'],
    ['msg:"q\\" s\\; c\\: b\\\\";', (r) => r.msg, 'q" s; c: b\\'],
    ['msg:" kept ";', (r) => r.msg, ' kept '],
    ['msg:"\xc3\xa9";', (r) => r.msg, 'é'],
    ['msg:"\xe9";', (r) => r.msg, 'é'],
    ['msg:"→";', (r) => r.msg, '→'],
    ['rev:7;', (r) => r.rev, 7],
    ['gid:3;', (r) => r.gid, 3],
    ['msg:"x";', (r) => [r.rev, r.gid, r.priority, r.classtype], [0, 1, 3, '']],
    ['classtype:misc-attack;', (r) => [r.classtype, r.category, r.priority], ['misc-attack', 'Misc Attack', 2]],
    ['classtype:MISC-attack;', (r) => [r.category, r.priority], ['Misc Attack', 2]],
    ['classtype:nobody-knows;', (r) => [r.classtype, r.category, r.priority], ['nobody-knows', '', 3]],
    ['classtype:misc-attack; classtype:trojan-activity;', (r) => r.priority, 1],
    ['classtype:trojan-activity; classtype:misc-attack;', (r) => r.priority, 1],
    ['classtype:misc-attack; priority:4;', (r) => r.priority, 4],
    ['priority:4; classtype:misc-attack;', (r) => r.priority, 4],
    ['priority:4; priority:2; priority:9;', (r) => r.priority, 2],
    ['reference:url,www.example.com/a; reference: cve , 2001-1 ;', (r) => r.references, ['url,www.example.com/a', 'cve,2001-1']],
    [
      'metadata:created_at 2010_07_30, tag  one two, flag; metadata:tag three;',
      (r) => r.metadata,
      { created_at: ['2010_07_30'], tag: ['one two', 'three'], flag: [] },
    ],
    [
      'metadata:constructor x, toString y;',
      (r) => Object.entries(r.metadata),
      [
        ['constructor', ['x']],
        ['toString', ['y']],
      ],
    ],
    ['metadata:__proto__ x;', (r) => Object.entries(r.metadata), [['__proto__', ['x']]]],
    ['noalert;', (r) => r.noalert, true],
    [
      'threshold: type limit, track by_src, count 1, seconds 60;',
      (r) => r.threshold,
      { kind: 'threshold', type: 'limit', track: 'by_src', count: 1, seconds: 60 },
    ],
    [
      'threshold:seconds 5,count 30 ,track by_both,type both;',
      (r) => r.threshold,
      { kind: 'threshold', type: 'both', track: 'by_both', count: 30, seconds: 5 },
    ],
  ]);
  bad([
    ['msg:hello;', 'msg', /double quotes/],
    ['msg:!"x";', 'msg', /negated/],
    ['msg:"x\\";', 'msg', /backslash/],
    ['msg:"a;b";', 'msg', /not closed/],
    ['msg:"a"; msg:"b";', 'msg', /only once/],
    ['msg;', 'msg', /needs a value/],
    ['sid:2;', 'sid', /only once/],
    ['rev:x;', 'rev', /number/],
    ['rev:4294967296;', 'rev', /range/],
    ['gid:-1;', 'gid', /range/],
    ['priority:0;', 'priority', /range/],
    ['priority:256;', 'priority', /range/],
    ['classtype:a b;', 'classtype', /no classification/],
    ['reference:url;', 'reference', /type,value/],
    ['reference:,x;', 'reference', /type,value/],
    ['noalert:1;', 'noalert', /no value/],
    ['threshold:type limit, track by_src, count 1;', 'threshold', /both count and seconds/],
    ['threshold:type limit, track by_src, count 0, seconds 1;', 'threshold', /range/],
    ['threshold:type often, track by_src, count 1, seconds 1;', 'threshold', /type must be/],
    ['threshold:type limit, track by_net, count 1, seconds 1;', 'threshold', /track must be/],
    ['threshold:type limit, type both, track by_src, count 1, seconds 1;', 'threshold', /twice/],
    ['threshold:type limit, track by_src, count 1, seconds 1, foo 1;', 'threshold', /no field/],
    ['threshold:type backoff, track by_src, count 1, multiplier 10;', 'threshold', /by_flow alone/],
    ['threshold:type limit;', 'threshold', /track/],
  ]);

  it('sid is mandatory, a number above 0 and at most 32 bits', () => {
    refused(() => parse('alert tcp any any -> any any (msg:"x";)'), 'sid', /missing/);
    refused(() => parse('alert tcp any any -> any any ()'), 'sid', /missing/);
    refused(() => parse('alert tcp any any -> any any (sid:0;)'), 'sid', /range/);
    refused(() => parse('alert tcp any any -> any any (sid:4294967296;)'), 'sid', /range/);
    assert.equal(parse('alert tcp any any -> any any (sid:4294967295;)').sid, 4294967295);
  });
});

describe('content and its modifiers', () => {
  const cases: [options: string, expected: object][] = [
    ['content:"abc";', { pattern: bytes('abc') }],
    ['content: "a b" ;', { pattern: bytes('a b') }],
    ['content:"a|0D 0a|b|4142|";', { pattern: bytes('a\r\nbAB') }],
    ['content:"|4 1|";', { pattern: bytes('A') }],
    ['content:"x||";', { pattern: bytes('x') }],
    ['content:"a\\"b\\;c\\:d\\\\";', { pattern: bytes('a"b;c:d\\') }],
    ['content:"a:b";', { pattern: bytes('a:b') }],
    ['content:"\xff\xc3\xa9";', { pattern: bytes('\xff\xc3\xa9') }],
    ['content:!"abc";', { pattern: bytes('abc'), negated: true }],
    ['content:! "abc";', { pattern: bytes('abc'), negated: true }],
    ['content:"!abc";', { pattern: bytes('!abc') }],
    ['content:"AbC|C0|"; nocase;', { pattern: bytes('abc\xc0'), nocase: true }],
    ['content:"abc"; offset:3; depth:5;', { pattern: bytes('abc'), offset: 3, depth: 5 }],
    ['content:"abc"; depth:3;', { pattern: bytes('abc'), depth: 3 }],
    ['content:"x"; content:"abc"; distance:-4; within:3;', { pattern: bytes('abc'), distance: -4, within: 3 }],
    ['content:"abc"; distance:0;', { pattern: bytes('abc'), distance: 0 }],
    ['content:"abc"; startswith; endswith;', { pattern: bytes('abc'), startswith: true, endswith: true }],
    ['content:"abc"; rawbytes;', { pattern: bytes('abc'), rawbytes: true }],
    ['content:"abc"; fast_pattern;', { pattern: bytes('abc'), fastPattern: true }],
    ['content:!"abc"; fast_pattern;', { pattern: bytes('abc'), negated: true, fastPattern: true }],
    ['content:"abc"; fast_pattern:only;', { pattern: bytes('abc'), fastPattern: true, fastPatternOnly: true }],
    ['content:"abcd"; fast_pattern:1, 3;', { pattern: bytes('abcd'), fastPattern: true, fastPatternChop: { offset: 1, length: 3 } }],
    ['content:"abc"; flow:established; nocase;', { pattern: bytes('abc'), nocase: true }],
  ];
  for (const [options, expected] of cases) {
    it(options, () => assert.deepEqual(content(options), { ...base, rawbytes: false, ...expected }));
  }
  bad([
    ['content:"";', 'content', /empty/],
    ['content:"||";', 'content', /empty/],
    ['content:abc;', 'content', /double quotes/],
    ['content:"abc;', 'content', /not closed/],
    ['content:abc";', 'content', /double quotes/],
    ['content:";', 'content', /not closed/],
    ['content:"a"b";', 'content', /quote inside/],
    ['content:"|4|";', 'content', /odd number/],
    ['content:"|4G|";', 'content', /no hex digit/],
    ['content:"|41";', 'content', /closing \|/],
    ['content:"a\\n";', 'content', /no escape/],
    ['content:"a\\|";', 'content', /no escape/],
    ['nocase;', 'nocase', /content before/],
    ['depth:3;', 'depth', /content before/],
    ['pcre:"/x/"; distance:3;', 'distance', /content before/],
    ['content:"a"; nocase:1;', 'nocase', /no value/],
    ['content:"a"; nocase; nocase;', 'nocase', /twice/],
    ['content:"a"; offset:1; offset:2;', 'offset', /twice/],
    ['content:"a"; offset:-1;', 'offset', /range/],
    ['content:"a"; offset:65536;', 'offset', /range/],
    ['content:"a"; offset:length;', 'offset', /byte_extract/],
    ['content:"a"; depth;', 'depth', /needs a value/],
    ['content:"abc"; depth:2;', 'depth', /smaller/],
    ['content:"abc"; depth:0;', 'depth', /smaller/],
    ['content:"x"; content:"abc"; within:2;', 'within', /smaller/],
    ['content:"x"; content:"abc"; within:0;', 'within', /range/],
    ['content:"x"; content:"abc"; within:1048577;', 'within', /range/],
    ['content:"x"; content:"abc"; distance:-1048577;', 'distance', /range/],
    ['content:"x"; content:"abc"; distance:1; offset:1;', 'distance', /one kind/],
    ['content:"x"; content:"abc"; depth:9; within:9;', 'within', /one kind/],
    ['content:"abc"; startswith; depth:3;', 'startswith', /depth/],
    ['content:"abc"; offset:1; startswith;', 'startswith', /offset/],
    ['content:"x"; content:"abc"; startswith; distance:1;', 'startswith', /distance/],
    ['content:"x"; content:"abc"; within:3; startswith;', 'startswith', /within/],
    ['content:"a"; fast_pattern; content:"b"; fast_pattern;', 'fast_pattern', /only one/],
    ['content:"a"; fast_pattern; fast_pattern:only;', 'fast_pattern', /only one/],
    ['content:!"a"; fast_pattern:only;', 'fast_pattern', /negated/],
    ['content:"a"; offset:1; fast_pattern:only;', 'fast_pattern', /offset/],
    ['content:"a"; fast_pattern:only; depth:3;', 'fast_pattern', /depth/],
    ['content:!"a"; depth:3; fast_pattern;', 'fast_pattern', /depth/],
    ['content:!"a"; startswith; fast_pattern;', 'fast_pattern', /startswith/],
    ['content:"abc"; fast_pattern:1,3;', 'fast_pattern', /beyond/],
    ['content:"abc"; fast_pattern:x;', 'fast_pattern', /takes nothing/],
    ['content:"a"; fast_pattern:only; content:"b"; distance:0;', 'distance', /fast_pattern:only/],
    ['content:"a"; fast_pattern:only; pcre:"/x/R";', 'pcre', /fast_pattern:only/],
    ['dsize:<10; content:"0123456789";', 'dsize', /never match/],
    ['dsize:10; content:"abc"; offset:8;', 'dsize', /never match/],
  ]);

  it('takes 65535 bytes and refuses one more, and a megabyte, at once', () => {
    assert.equal((content(`content:"${'a'.repeat(65535)}";`) as { pattern: Uint8Array }).pattern.length, 65535);
    refused(() => content(`content:"${'a'.repeat(65536)}";`), 'content', /65536 bytes, at most 65535/);
    refused(() => content(`content:"${'a'.repeat(1 << 20)}";`), 'content', /at most 65535/);
    refused(() => content(`content:"|${'41 '.repeat(1 << 18)}|";`), 'content', /at most 65535/);
    refused(() => content(`content:"${'a'.repeat(1 << 20)};`), 'content', /not closed/);
  });

  it('keeps its bytes in a buffer of its own: a clone carries nothing else', () => {
    const option = content('content:"abc";') as { pattern: Uint8Array };
    assert.equal(option.pattern.buffer.byteLength, 3);
  });
});

describe('pcre', () => {
  const pcre = (pattern: string, flags = '', relative = false, negated = false): PcreOption => ({
    kind: 'pcre',
    pattern,
    negated,
    flags,
    relative,
  });
  const cases: [options: string, expected: PcreOption][] = [
    ['pcre:"/abc/";', pcre('abc')],
    ['pcre:"/a\\/b\\;c\\"d/i";', pcre('a\\/b\\;c\\"d', 'i')],
    ['pcre:"/a/b/smix";', pcre('a/b', 'smix')],
    ['pcre:"/a/AEG";', pcre('a', 'AEG')],
    ['pcre:"/a/iiBO";', pcre('a', 'i')],
    ['pcre:"/(a)(b)/i , flow:a/b, pkt:y";', { ...pcre('(a)(b)', 'i'), captures: ['flow:a/b', 'pkt:y'] }],
    ['pcre:"/(?P<flow_x>a)/";', pcre('(?P<flow_x>a)')],
    ['pcre:!"/a/";', pcre('a', '', false, true)],
    ['pcre:/a/i;', pcre('a', 'i')],
    ['content:"x"; pcre:"/^a/Ri";', pcre('^a', 'i', true)],
    ['pcre:"/a"b/";', pcre('a"b')],
    ['pcre:"/\xc3\xa9[\xff]\\\xe9\\\\\xe9/";', pcre('\\xc3\\xa9[\\xff]\\xe9\\\\\\xe9')],
    ['pcre:"/\\Qa\xe9\\b\\E\xe9/";', pcre('\\Qa\\E\\xe9\\Q\\b\\E\\xe9')],
  ];
  for (const [options, expected] of cases) it(options, () => assert.deepEqual(content(options), expected));
  bad([
    ['pcre:"abc";', 'pcre', /expression/],
    ['pcre:"/";', 'pcre', /expression/],
    ['pcre:"//i";', 'pcre', /empty/],
    ['pcre:"/a/R";', 'pcre', /same buffer, and there is none/],
    ['pcre:"/a/UH";', 'pcre', /two buffers, http.uri and http.header/],
    ['http.method; pcre:"/a/U";', 'pcre', /http.method is set/],
    ['pcre:"/a/q";', 'pcre', /unknown flag "q"/],
    ['pcre:"/(a)/,flow:x,y";', 'pcre', /captures go to/],
    ['pcre:"/a/;', 'pcre', /not closed/],
    ['pcre:/a/";', 'pcre', /double quotes/],
  ]);

  it('asks the context whether the expression compiles', () => {
    const context = ruleContext({ ...CONTEXT, checkPcre: (pattern, flags) => (pattern === '(' ? `missing ) under flags "${flags}"` : '') });
    refused(
      () => parse('alert tcp any any -> any any (pcre:"/(/i"; sid:1;)', context),
      'pcre',
      /does not compile: missing \) under flags "i"/,
    );
    assert.equal(parse('alert tcp any any -> any any (pcre:"/x/"; sid:1;)', context).payload.length, 1);
  });
});

describe('header keywords', () => {
  const test = (kind: string, op: string, a: number, b = 0) => ({ kind, test: { op, a, b } });
  const cases: [options: string, expected: unknown, proto?: string][] = [
    ['dsize:10;', test('dsize', '=', 10)],
    ['dsize: <10 ;', test('dsize', '<', 10)],
    ['dsize:> 10;', test('dsize', '>', 10)],
    ['dsize:<=10;', test('dsize', '<=', 10)],
    ['dsize:>=10;', test('dsize', '>=', 10)],
    ['dsize:!10;', test('dsize', '!=', 10)],
    ['dsize:!=10;', test('dsize', '!=', 10)],
    ['dsize:8<>20;', test('dsize', '<>', 8, 20)],
    ['dsize:8 <> 20;', test('dsize', '<>', 8, 20)],
    ['dsize:8-20;', test('dsize', '<>', 8, 20)],
    ['dsize:0x10;', test('dsize', '=', 16)],
    ['dsize:1kb;', test('dsize', '=', 1024)],
    ['ttl:0;', test('ttl', '=', 0)],
    ['ttl:1-5;', test('ttl', '<>', 1, 5)],
    ['itype:8;', test('itype', '=', 8), 'icmp'],
    ['itype:>10;', test('itype', '>', 10), 'icmp'],
    ['icode:!0;', test('icode', '!=', 0), 'icmp'],
    ['ip_proto:103;', { kind: 'ip_proto', op: '=', proto: 103 }, 'ip'],
    ['ip_proto:PIM;', { kind: 'ip_proto', op: '=', proto: 103 }, 'ip'],
    ['ip_proto:!tcp;', { kind: 'ip_proto', op: '!', proto: 6 }, 'ip'],
    ['ip_proto:<10;', { kind: 'ip_proto', op: '<', proto: 10 }, 'ip'],
    ['ip_proto:>134;', { kind: 'ip_proto', op: '>', proto: 134 }, 'ip'],
    ['flow:established,to_server;', { kind: 'flow', state: 'established', direction: 'to_server' }],
    ['flow: from_server , not_established;', { kind: 'flow', state: 'not_established', direction: 'to_client' }],
    ['flow:from_client,only_stream,no_frag;', { kind: 'flow', direction: 'to_server', stream: 'only_stream', frag: 'no_frag' }],
    ['flow:stateless;', { kind: 'flow', state: 'stateless' }],
    ['flags:S;', { kind: 'flags', flags: TcpFlag.Syn, ignore: 0, modifier: '' }],
    ['flags: SA+;', { kind: 'flags', flags: TcpFlag.Syn | TcpFlag.Ack, ignore: 0, modifier: '+' }],
    ['flags:*FP;', { kind: 'flags', flags: TcpFlag.Fin | TcpFlag.Psh, ignore: 0, modifier: '*' }],
    ['flags:!R;', { kind: 'flags', flags: TcpFlag.Rst, ignore: 0, modifier: '!' }],
    ['flags:S,12;', { kind: 'flags', flags: TcpFlag.Syn, ignore: TcpFlag.Cwr | TcpFlag.Ece, modifier: '' }],
    ['flags:S,CE;', { kind: 'flags', flags: TcpFlag.Syn, ignore: TcpFlag.Cwr | TcpFlag.Ece, modifier: '' }],
    ['flags:0;', { kind: 'flags', flags: 0, ignore: 0, modifier: '' }],
    ['tcp.flags:U,A;', { kind: 'flags', flags: TcpFlag.Urg, ignore: TcpFlag.Ack, modifier: '' }],
  ];
  for (const [options, expected, proto] of cases) it(options, () => assert.deepEqual(header(options, proto), expected));

  it('keeps several tests in the order written', () => {
    const kinds = withOptions('ttl:>1; flow:established; ttl:<9; flags:S;').header.map((option) => option.kind);
    assert.deepEqual(kinds, ['ttl', 'flow', 'ttl', 'flags']);
    assert.equal(withOptions('ip_proto:!1; ip_proto:!6;', 'ip').header.length, 2);
  });

  bad([
    ['dsize:;', 'dsize', /needs a value/],
    ['dsize:65536;', 'dsize', /range/],
    ['dsize:-1;', 'dsize', /takes a number/],
    ['dsize:10<>11;', 'dsize', /empty/],
    ['dsize:20<>10;', 'dsize', /empty/],
    ['dsize:<0;', 'dsize', /never match/],
    ['dsize:>65535;', 'dsize', /never match/],
    ['dsize:>=0;', 'dsize', /always/],
    ['dsize:!1-2;', 'dsize', /is empty/],
    ['dsize:1; dsize:2;', 'dsize', /only once/],
    ['ttl:256;', 'ttl', /range/],
    ['ttl:&1=2;', 'ttl', /outside its mask/],
    ['itype:256;', 'itype', /range/, 'icmp'],
    ['icode:x;', 'icode', /takes a number/, 'icmp'],
    ['ip_proto:6;', 'ip_proto', /header protocol ip/],
    ['ip_proto:nothing;', 'ip_proto', /unknown protocol name/, 'ip'],
    ['ip_proto:256;', 'ip_proto', /range/, 'ip'],
    ['ip_proto:=6;', 'ip_proto', /takes/, 'ip'],
    ['ip_proto:6; ip_proto:!17;', 'ip_proto', /combined/, 'ip'],
    ['flow:sideways;', 'flow', /no option/],
    ['flow:to_server,to_client;', 'flow', /contradicts/],
    ['flow:established,stateless;', 'flow', /contradicts/],
    ['flow:established,established;', 'flow', /twice/],
    ['flow:only_stream,no_stream;', 'flow', /contradicts/],
    ['flow:established,;', 'flow', /no option/],
    ['flow:established; flow:to_server;', 'flow', /only once/],
    ['flags:X;', 'flags', /letters/],
    ['flags:+;', 'flags', /no flag/],
    ['flags:+S*;', 'flags', /one modifier/],
    ['flags:0S;', 'flags', /stands alone/],
    ['flags:S,0;', 'flags', /letters/],
  ]);
});

describe('other keywords', () => {
  bad([
    ['pktvar:x,y;', 'pktvar', /^keyword pktvar is not supported yet$/],
    ['frobnicate:1;', 'frobnicate', /^unknown keyword "frobnicate"$/],
    ['toString;', 'toString', /unknown keyword/],
    ['Content:"x";', 'Content', /unknown keyword/],
    [':1;', '', /unknown keyword/],
    [';', '', /without an option/],
  ]);
});
