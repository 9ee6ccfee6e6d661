import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { printRule } from '../../src/rules/print.js';
import type { Rule } from '../../src/rules/rule.js';
import { RuleError } from '../../src/rules/rule-error.js';
import { parse, refused, withOptions } from '../support/rules.js';
import { byteTests } from '../support/tests-arbitrary.js';

const HTTP = 'http';
const last = (options: string, proto = 'tcp') => {
  const rule = withOptions(options, proto);
  return (rule.buffers.at(-1)?.tests ?? rule.payload).at(-1);
};

describe('what byte tests become', () => {
  const field = { bytes: 2, offset: 4, relative: false, endian: 'big' };
  const cases: [options: string, expected: unknown][] = [
    ['isdataat:!10, relative , rawbytes;', { kind: 'isdataat', negated: true, at: 10, relative: true, rawbytes: true }],
    ['byte_test:2, !> , 0x10, 4;', { kind: 'byte_test', negated: true, op: '>', value: 16, field }],
    ['byte_test:2,!,010,4;', { kind: 'byte_test', negated: true, op: '=', value: 8, field }],
    [
      'byte_test:2,&,18446744073709551615,4,relative, little;',
      { kind: 'byte_test', negated: false, op: '&', value: '18446744073709551615', field: { ...field, relative: true, endian: 'little' } },
    ],
    [
      'byte_test:2,<,1,4,string,hex,bitmask fc;',
      { kind: 'byte_test', negated: false, op: '<', value: 1, field: { ...field, base: 16, bitmask: 0xfc } },
    ],
    [
      'byte_jump:2,4,multiplier 3,post_offset -7,align,from_end;',
      { kind: 'byte_jump', field, multiplier: 3, align: true, from: 'end', postOffset: -7 },
    ],
    ['byte_extract:2,4,k.p2p,align 2;', { kind: 'byte_extract', name: 'k.p2p', field, multiplier: 1, align: 2 }],
    [
      'byte_math:bytes 2, offset 4, oper <<, rvalue 3, result r, endian little, string dec;',
      { kind: 'byte_math', name: 'r', field: { ...field, endian: 'little', base: 10 }, op: '<<', value: 3 },
    ],
    ['ftp.command; bsize:8<>20;', { kind: 'bsize', test: { op: '<>', a: 8, b: 20 } }],
    [
      'asn1:oversize_length 1024,relative_offset -1;',
      { kind: 'asn1', offset: -1, relative: true, oversize: 1024, bitstringOverflow: false, doubleOverflow: false },
    ],
    ['entropy: offset 10, value > 4.14;', { kind: 'entropy', bytes: 0, offset: 10, op: '>', a: 4.14, b: 0 }],
    ['entropy: value !4-5;', { kind: 'entropy', bytes: 0, offset: 0, op: '!<>', a: 4, b: 5 }],
    ['rpc:100009,*,*;', { kind: 'rpc', program: 100009 }],
  ];
  for (const [options, expected] of cases) it(options, () => assert.deepEqual(last(options), expected));

  it('isdataat:!1,relative behind a content is endswith', () => {
    const rule = withOptions('content:"ab"; isdataat:!1,relative;');
    assert.equal(rule.payload.length, 1);
    assert.equal(rule.payload[0].kind === 'content' && rule.payload[0].endswith, true);
  });
  it('a relative test behind a content moved to a buffer goes there too', () => {
    const rule = withOptions('content:"a"; http_uri; isdataat:5,relative; isdataat:6;', HTTP);
    assert.deepEqual(
      rule.buffers[0].tests.map(({ kind }) => kind),
      ['content', 'isdataat'],
    );
    assert.deepEqual(
      rule.payload.map(({ kind }) => kind),
      ['isdataat'],
    );
  });
  it('flags of pcre name buffers', () => {
    const rule = withOptions('content:"a"; http_header; pcre:"/b/iRH"; pcre:"/c/U";', HTTP);
    assert.deepEqual(
      rule.buffers.map(({ buffer, tests }) => [buffer, tests.length]),
      [
        ['http.header', 2],
        ['http.uri', 1],
      ],
    );
  });
  it('base64_data belongs to base64_decode', () => {
    const rule = withOptions(
      'content:"a"; base64_decode:bytes 8, offset 1, relative; base64_data; content:"B"; nocase; pkt_data; content:"c";',
    );
    const option = rule.payload[1];
    assert.deepEqual(option.kind === 'base64_decode' && [option.bytes, option.offset, option.relative, option.tests.length], [
      8,
      1,
      true,
      1,
    ]);
    assert.equal(rule.payload.length, 3);
  });
  it('dce needs DCERPC', () => assert.equal(withOptions('byte_test:2,>,1,0,dce;').inert, 'dcerpc'));
});

describe('refused', () => {
  const cases: [options: string, option: string, reason: RegExp][] = [
    ['isdataat:x;', 'isdataat', /x is not set/],
    ['isdataat:70000;', 'isdataat', /65535/],
    ['byte_test:9,=,1,0;', 'byte_test', /0 to 8/],
    ['byte_test:1,~,1,0;', 'byte_test', /operator/],
    ['byte_test:1,=,18446744073709551616,0;', 'byte_test', /64 bits/],
    ['byte_test:1,=,1,0,dec;', 'byte_test', /string,dec/],
    ['byte_test:1,=,1,0,relative,relative;', 'byte_test', /twice/],
    ['byte_test:1,=,1,0,sideways;', 'byte_test', /no parameter/],
    ['byte_test:1,=,1,0,bitmask 0;', 'byte_test', /bitmask/],
    ['byte_test:1,=,1,0,big,little;', 'byte_test', /two byte orders/],
    ['byte_test:1;', 'byte_test', /operator/],
    ['byte_jump:2,0,string,dce;', 'byte_jump', /text has none/],
    ['byte_jump:2,0,from_beginning,from_end;', 'byte_jump', /choose one/],
    ['byte_jump:2,0,multiplier 0;', 'byte_jump', /1 to 65535/],
    ['byte_extract:2,0,1x;', 'byte_extract', /no name/],
    ['byte_extract:2,0,a; byte_extract:2,0,a;', 'byte_extract', /set already/],
    ['byte_extract:15,0,a,string,hex;', 'byte_extract', /14/],
    ['byte_extract:2,0,a,align 3;', 'byte_extract', /2 or 4/],
    ['byte_math:bytes 1,offset 0,oper +,rvalue 1;', 'byte_math', /needs result/],
    ['byte_math:bytes 5,offset 0,oper <<,rvalue 1,result r;', 'byte_math', /1 to 4/],
    ['byte_math:bytes 1,offset 0,oper %,rvalue 1,result r;', 'byte_math', /oper is/],
    ['content:"a"; distance:later; byte_extract:1,0,later;', 'distance', /not set/],
    ['bsize:5;', 'bsize', /dsize/],
    ['ftp.command; content:"abcdef"; bsize:5;', 'bsize', /never match/],
    ['absent;', 'absent', /sticky buffer/],
    ['ftp.command; absent; content:"a";', 'absent', /or_else/],
    ['ftp.command; absent:or_else;', 'absent', /needs other/],
    ['ftp.command; content:"a"; absent;', 'absent', /right behind/],
    ['base64_decode;', 'base64_decode', /nothing looks there/],
    ['base64_data; content:"a";', 'base64_data', /before it/],
    ['base64_decode; base64_data; content:"a"; fast_pattern;', 'fast_pattern', /base64_data/],
    ['base64_decode:byts 1; base64_data; content:"a";', 'base64_decode', /takes/],
    ['asn1:oversize;', 'asn1', /no option/],
    ['entropy:value 9;', 'entropy', /0 to 8/],
    ['rpc:1,2,3,4;', 'rpc', /takes/],
    ['ftp.command; content:"a"; rpc:1;', 'rpc', /packet/],
  ];
  for (const [options, option, reason] of cases) it(options, () => refused(() => withOptions(options), option, reason));
});

const TEMPLATE = withOptions('content:"x";');

it('what is printed parses to the same rule', () => {
  fc.assert(
    fc.property(byteTests(6), fc.boolean(), (generated, sticky) => {
      // Plain objects, as the parser makes them.
      const tests = structuredClone(generated);
      // A buffer's size is nothing for the payload, and a pcre cannot begin a list with R.
      const payload = tests.filter((t, i) => (t.kind !== 'bsize' || sticky) && !(t.kind === 'pcre' && t.relative && i === 0));
      if (payload.length === 0 || payload[0].kind === 'pcre') return;
      const rule: Rule = sticky
        ? { ...TEMPLATE, payload: [], buffers: [{ buffer: 'ftp.command', transforms: [], tests: payload }] }
        : { ...TEMPLATE, payload };
      let again: Rule;
      try {
        again = parse(printRule(rule));
      } catch (error) {
        // Lists that no rule can have, as a depth below the content's length.
        assert.ok(error instanceof RuleError);
        return;
      }
      const text = printRule(again);
      assert.deepEqual({ ...parse(text), text: '' }, { ...again, text: '' });
      const endings = (r: Rule) => [...r.payload, ...r.buffers.flatMap((b) => b.tests)].some((t) => t.kind === 'content' && t.endswith);
      if (!endings(again)) assert.deepEqual({ ...again, text: '' }, { ...rule, text: '' });
    }),
    { numRuns: 2000, seed: 20261121 },
  );
});

it('hostile options make nothing but RuleError', () => {
  const names =
    'isdataat byte_test byte_jump byte_extract byte_math bsize absent base64_decode base64_data asn1 entropy rpc ftpbounce pcre content distance'.split(
      ' ',
    );
  const words =
    '0 1 -1 99999999999999999999 0x 0xff relative string dec hex , ,, ! = <> & ^ bitmask align multiplier little dce v __proto__ bytes offset oper rvalue result value / "a" :'.split(
      ' ',
    );
  const option = fc
    .tuple(
      fc.constantFrom(...names),
      fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), { maxLength: 9 }),
      fc.constantFrom(',', ' ', ''),
    )
    .map(([name, parts, joint]) => `${name}:${parts.join(joint)};`);
  fc.assert(
    fc.property(fc.array(option, { minLength: 1, maxLength: 3 }), fc.boolean(), (options, sticky) => {
      try {
        const rule = withOptions(`${sticky ? 'ftp.command;' : ''} byte_extract:1,0,v; content:"x"; ${options.join(' ')}`);
        assert.deepEqual({ ...parse(printRule(rule)), text: '' }, { ...rule, text: '' });
      } catch (error) {
        if (!(error instanceof RuleError)) throw error;
      }
    }),
    { numRuns: 5000, seed: 20261122 },
  );
});
