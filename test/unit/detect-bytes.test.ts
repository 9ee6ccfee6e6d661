import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counter } from '../../src/metrics/counters.js';
import { Bench, buffers, hits, packet, rules } from '../support/detect.js';

function cases(list: [options: string, payload: string, matches: boolean][]): void {
  for (const [options, payload, expected] of list) {
    test(`${options} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(payload)}`, () => {
      assert.equal(hits(`alert udp any any -> any any (${options})`, { payload }), expected);
    });
  }
}

describe('isdataat', () => {
  const eight = 'abcdefgh';
  cases([
    ['isdataat:7;', eight, true],
    ['isdataat:8;', eight, false],
    ['isdataat:!8;', eight, true],
    ['isdataat:7,relative;', eight, true],
    ['isdataat:8,relative;', eight, true],
    ['isdataat:9,relative;', eight, false],
    ['content:"c"; isdataat:5,relative;', eight, true],
    ['content:"c"; isdataat:6,relative;', eight, false],
    ['content:"c"; isdataat:!6,relative,rawbytes;', eight, true],
    // The first "c" has too much behind it, the second not: it is retried.
    ['content:"c"; isdataat:!3,relative;', 'cabcde', true],
    ['content:"cc"; isdataat:!1,relative;', 'accbcc', true],
    ['content:"cc"; isdataat:!1,relative;', 'accb', false],
    ['byte_extract:1,0,n; isdataat:n;', '\x02ab', true],
    ['byte_extract:1,0,n; isdataat:n;', '\x03ab', false],
    ['byte_extract:1,0,n; isdataat:!n,relative;', '\x03ab', true],
    ['byte_math:bytes 1, offset 0, oper -, rvalue 9, result n; isdataat:!n;', '\x03ab', true],
  ]);
});

describe('byte_test', () => {
  cases([
    ['byte_test:2,=,0x0102,0;', '\x01\x02', true],
    ['byte_test:2,=,0x0201,0,little;', '\x01\x02', true],
    ['byte_test:4,>,4294967294,0;', '\xff\xff\xff\xff', true],
    ['byte_test:3,<,65536,1;', 'x\x00\xff\xff', true],
    ['byte_test:1,!=,1,0;', '\x01', false],
    ['byte_test:1,!,1,0;', '\x02', true],
    ['byte_test:1,!>,5,0;', '\x05', true],
    ['byte_test:1,<=,5,0;', '\x05', true],
    ['byte_test:1,>=,5,0;', '\x04', false],
    ['byte_test:1,&,0x80,0;', '\x81', true],
    ['byte_test:1,!&,0x80,0;', '\x81', false],
    ['byte_test:4,&,0x80000000,0;', '\x80\0\0\0', true],
    ['byte_test:1,^,5,0;', '\x05', false],
    ['byte_test:1,^,5,0;', '\x06', true],
    ['byte_test:8,=,18446744073709551615,0;', '\xff'.repeat(8), true],
    ['byte_test:8,>,18446744073709551614,0;', `${'\xff'.repeat(7)}\xfe`, false],
    ['byte_test:7,=,9007199254740993,0;', '\x20\0\0\0\0\0\x01', true],
    ['byte_test:6,=,0x010203040506,0;', '\x01\x02\x03\x04\x05\x06', true],
    ['byte_test:1,=,9,0,bitmask 0xf8;', '\x48', true],
    ['byte_test:2,=,0x90a,0,bitmask f8f8;', '\x48\x54', true],
    // beyond the buffer: no match, also negated
    ['byte_test:2,!=,1,1;', 'ab', false],
    ['byte_test:1,!=,1,-1;', 'ab', false],
    ['content:"b"; byte_test:1,=,97,-2,relative;', 'ab', true],
    ['content:"b"; byte_test:1,=,97,-3,relative;', 'ab', false],
    // text
    ['byte_test:4,=,1337,0,string,dec;', '1337', true],
    ['byte_test:4,=,13,0,string,dec;', '13x7', true],
    ['byte_test:4,=,13,0,string,dec;', 'x137', false],
    ['byte_test:5,=,0x1f,0,string,hex;', ' 0x1f', true],
    ['byte_test:3,=,8,0,string,oct;', '010', true],
    ['byte_test:4,=,31,0,string;', '0x1f', true],
    ['byte_test:3,=,8,0,string;', '010', true],
    ['byte_test:3,>,18446744073709551610,0,string,dec;', '-05', true],
    ['byte_test:20,=,18446744073709551615,0,string,dec;', '18446744073709551615', true],
    ['byte_test:20,>,1,0,string,dec;', '18446744073709551616', false],
    ['byte_test:20,>,1,0,string,dec;', '-1                  ', true],
    // retried with the content before
    ['content:"n="; byte_test:1,>,5,0,relative,string,dec;', 'n=1 n=7', true],
    ['content:"n="; byte_test:1,>,5,0,relative,string,dec; content:"!"; within:2;', 'n=7 n=8!', true],
    ['content:"n="; byte_test:1,>,5,0,relative,string,dec; content:"!"; within:2;', 'n=7 n=1!', false],
    ['byte_extract:1,0,v; byte_test:v,=,0x4142,1;', '\x02AB', true],
    ['byte_extract:1,0,v; byte_test:v,>=,0,1;', '\x09ABCDEFGHIJKL', false],
    ['byte_extract:1,0,v; byte_test:1,=,65,v;', '\x02xA', true],
    ['byte_extract:1,0,v; byte_test:1,=,v,1;', '\x02\x02', true],
  ]);
});

describe('byte_jump', () => {
  cases([
    ['byte_jump:1,0; content:"x"; distance:0; within:1;', '\x02abx', true],
    ['byte_jump:1,0; content:"x"; distance:0; within:1;', '\x01abx', false],
    ['byte_jump:1,0;', '\x03ab', false],
    // At the very end there is nothing to read, and nothing is read.
    ['content:"ab"; byte_jump:0,0,relative,post_offset -2; content:"ab"; distance:0; within:2;', 'xab', true],
    ['byte_jump:1,0,from_beginning; content:"b"; within:1;', '\x02ab', true],
    ['byte_jump:1,0,multiplier 2; content:"x"; within:1;', '\x01abx', true],
    ['byte_jump:1,0,align; content:"x"; within:1;', '\x01abcdx', true],
    ['byte_jump:1,0,post_offset -1; content:"a"; within:1;', '\x01ab', true],
    ['byte_jump:0,0,from_end,post_offset -2; content:"yz"; within:2;', 'wxyz', true],
    ['byte_jump:0,0,from_end;', 'wxyz', false],
    ['byte_jump:1,0,post_offset -100; content:"|01|a"; within:2;', '\x01ab', true],
    ['byte_jump:2,0,string,dec; content:"x"; within:1;', '3 ab x', false],
    ['byte_jump:2,0,string,dec; content:"x"; within:1;', '3_ab_ x', false],
    ['byte_jump:2,0,string,dec; content:"x"; within:1;', '03ab_x', true],
    // text: from behind the digits that were read
    ['byte_jump:2,0,string,dec; content:"x"; within:1;', '3_abx', true],
    ['byte_jump:1,0,bitmask 0xf0; content:"x"; within:1;', '\x2fabx', true],
    // retried: the first length leads nowhere
    ['content:"L"; byte_jump:1,0,relative; content:"x"; within:1;', 'L\x01abL\x01ax', true],
    ['content:"L"; byte_jump:1,0,relative; content:!"y"; within:1;', 'L\x01ay L\x01ax', true],
    ['content:"L"; byte_jump:1,0,relative; byte_jump:1,0,relative; isdataat:!2,relative;', 'L\x00\x00abc L\x00\x00a', true],
    ['byte_extract:1,0,n; byte_jump:n,1; content:"x"; within:1;', '\x02\0\x01ax', true],
  ]);
});

describe('byte_extract, byte_math and their variables', () => {
  cases([
    ['byte_extract:1,0,n; content:"ab"; offset:n;', '\x02_ab', true],
    ['byte_extract:1,0,n; content:"ab"; offset:n;', '\x03_ab', false],
    ['byte_extract:1,0,n; content:"ab"; depth:n;', '\x03ab', true],
    ['byte_extract:1,0,n; content:"ab"; depth:n;', '\x02ab', false],
    ['byte_extract:1,0,n; content:"ab"; offset:1; depth:n;', '\x02ab', true],
    ['byte_extract:1,0,n; content:"a"; content:"b"; distance:n; within:1;', '\x02a__b', true],
    ['byte_extract:1,0,n; content:"a"; content:"b"; within:n;', '\x01a__b', false],
    ['byte_extract:1,0,n,multiplier 2; content:"ab"; offset:n; depth:2;', '\x01_ab', true],
    ['byte_extract:1,0,n,align 4; content:"ab"; offset:n; depth:2;', '\x01___ab', true],
    ['byte_extract:2,0,n,string,dec; content:"ab"; offset:n; depth:2;', '04__ab', true],
    ['byte_extract:1,0,n; content:"|02|"; within:1;', '\x01\x02', true],
    // another choice of the content before gives another value
    ['content:"n="; byte_extract:1,0,n,relative; content:"ab"; offset:n; depth:2;', 'n=\x01n=\x06ab', true],
    ['content:"n="; byte_extract:1,0,n,relative; content:!"ab"; offset:n; depth:2;', 'n=\x06n=\x06ab', false],
    ['byte_math:bytes 1, offset 0, oper +, rvalue 1, result n; content:"ab"; offset:n; depth:2;', '\x01_ab', true],
    ['byte_math:bytes 1, offset 0, oper -, rvalue 3, result n; content:"a"; content:"|01|"; distance:n; within:1;', '\x01a', true],
    ['byte_math:bytes 1, offset 0, oper *, rvalue 2, result n; byte_test:1,=,n,1;', '\x04\x08', true],
    ['byte_math:bytes 1, offset 0, oper /, rvalue 2, result n; byte_test:1,=,n,1;', '\x09\x04', true],
    ['byte_math:bytes 1, offset 0, oper <<, rvalue 2, result n; byte_test:1,=,n,1;', '\x02\x08', true],
    ['byte_math:bytes 1, offset 0, oper >>, rvalue 2, result n; byte_test:1,=,n,1;', '\x09\x02', true],
    ['byte_math:bytes 1, offset 0, oper +, rvalue 1, result n, bitmask 0xf0; byte_test:1,=,n,1;', '\x2f\x03', true],
    ['byte_extract:1,0,z; byte_math:bytes 1, offset 1, oper /, rvalue z, result n;', '\0\x05', false],
    ['byte_extract:1,0,z; byte_math:bytes 1, offset 1, oper /, rvalue z, result n, bitmask 0xf; byte_test:1,=,n,2;', '\x02\x05\x02', true],
    [
      'byte_extract:8,0,big; byte_math:bytes 1, offset 8, oper +, rvalue big, result n; byte_test:1,=,n,9;',
      `${'\xff'.repeat(8)}\x03\x02`,
      true,
    ],
  ]);
});

describe('base64_decode, entropy, asn1, rpc', () => {
  const encoded = Buffer.from('hello world').toString('base64');
  cases([
    ['base64_decode; base64_data; content:"hello"; startswith; content:"world"; endswith;', encoded, true],
    ['content:"="; base64_decode:relative; base64_data; content:"world"; bsize:11;', `x=${encoded}`, true],
    ['content:"="; base64_decode:offset 1,relative; base64_data; content:"hello";', `x=_${encoded}`, true],
    ['base64_decode:bytes 4; base64_data; content:"hello";', encoded, false],
    ['base64_decode:bytes 2; base64_data; content:"h"; bsize:1;', encoded, true],
    ['base64_decode; base64_data; content:"hell"; isdataat:!1,relative;', 'aGVs bG8=', false],
    ['base64_decode; base64_data; content:!"x";', '!!!!', false],
    ['base64_decode; base64_data; pcre:"/^h.*d$/";', encoded, true],
    ['base64_decode; base64_data; content:"hello"; pkt_data; content:"aGVs";', encoded, true],
    ['content:"k="; base64_decode:relative; base64_data; content:"hello";', `k=!k=${encoded}`, true],
    ['byte_extract:1,0,n; base64_decode:offset 1; base64_data; content:"world"; offset:n; depth:5;', `\x06${encoded}`, true],
    ['entropy:value < 1;', 'aaaaaaaa', true],
    ['entropy:= 1;', 'abababab', true],
    ['entropy:offset 4, bytes 4, value 0;', 'abcdaaaaxyz', true],
    ['entropy:value !1-3;', 'abcd', false],
    ['asn1:bitstring_overflow;', '\x03\x01\xff', true],
    ['asn1:bitstring_overflow;', '\x03\x01\x07', false],
    ['asn1:oversize_length 132, absolute_offset 0;', `\x60\x81\x85${'\0'.repeat(133)}`, true],
    ['asn1:oversize_length 133, absolute_offset 0;', `\x60\x81\x85${'\0'.repeat(133)}`, false],
    ['content:"AA"; asn1:oversize_length 5, relative_offset 0;', 'AA\x30\x08\x04\x06abcdef', true],
    ['content:"AA"; asn1:oversize_length 8, relative_offset 0;', 'AA\x30\x08\x04\x06abcdef', false],
    ['asn1:double_overflow;', `\x09\x82\x01\x01${'\x05'.repeat(257)}`, true],
    ['rpc:100000,*,3;', `xid_\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x02\0\0\0\x03`, true],
    ['rpc:100000,3,*;', `xid_\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x02\0\0\0\x03`, false],
  ]);
});

describe('sticky buffers', () => {
  const FTP = 2;
  const matches = (options: string, named: Record<string, string | undefined>): boolean => {
    const bench = new Bench(rules(`alert ftp any any -> any any (${options})`));
    const p = packet({ proto: 6, dport: 21, payload: 'x', appProto: FTP, flow: 0 });
    const found = bench.transaction(p, buffers(named)) !== '';
    assert.deepEqual(bench.detector.broken, []);
    bench.detector.close();
    return found;
  };
  const user = { 'ftp.command': 'USER', 'ftp.command_data': 'anonymous' };
  for (const [options, named, expected] of [
    ['ftp.command; content:"USER"; bsize:4;', user, true],
    ['ftp.command; content:"US"; bsize:>4;', user, false],
    ['ftp.command; bsize:<5; ftp.command_data; bsize:8<>10;', user, true],
    ['ftp.command_data; absent;', { 'ftp.command': 'QUIT' }, true],
    ['ftp.command_data; absent;', user, false],
    ['ftp.command; content:"USER"; ftp.command_data; absent:or_else; content:!"root";', user, true],
    ['ftp.command; content:"QUIT"; ftp.command_data; absent:or_else; content:!"root";', { 'ftp.command': 'QUIT' }, true],
    ['ftp.command_data; absent:or_else; content:"root";', user, false],
    ['ftp.command; byte_extract:1,0,c; ftp.command_data; byte_test:1,!=,c,0;', user, true],
    ['ftp.command_data; content:"mous"; isdataat:!1,relative; byte_test:1,=,97,0;', user, true],
  ] as [string, Record<string, string | undefined>, boolean][]) {
    test(`${options} ${JSON.stringify(named)}`, () => assert.equal(matches(options, named), expected));
  }
});

test('ftpbounce: PORT with an address that is not the client', () => {
  const rule = 'alert tcp any any -> any any (ftpbounce;)';
  const spec = { proto: 6, dport: 21, flow: 0, appProto: 2, src: '10.0.0.1' };
  assert.equal(hits(rule, { ...spec, payload: 'PORT 10,0,0,9,0,80\r\n' }), true);
  assert.equal(hits(rule, { ...spec, payload: 'PORT 10,0,0,1,0,80\r\n' }), false);
  assert.equal(hits(rule, { ...spec, payload: 'USER x\r\nport 192,0,2,1,0,80\r\n' }), true);
  assert.equal(hits(rule, { ...spec, payload: 'PORT 10,0,0' }), false);
  assert.equal(hits(rule, { ...spec, appProto: 0, payload: 'PORT 10,0,0,9,0,80\r\n' }), false);
});

test('retries of jumps and decodings stay within the budget', () => {
  const [rule] = rules(
    'alert udp any any -> any any (content:"a"; byte_jump:1,0,relative; content:"a"; distance:0; byte_jump:1,0,relative; content:"b"; distance:0; base64_decode:relative; base64_data; content:"x"; sid:1;)',
  );
  const bench = new Bench([rule]);
  assert.equal(bench.sids(packet({ payload: `${'a\0'.repeat(700)}b${'A'.repeat(600)}` })), '');
  assert.equal(bench.counters[Counter.InspectionLimit], 1, 'each try is a step, and steps are few');
  bench.detector.close();
});
