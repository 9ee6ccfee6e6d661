import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CATALOGUE } from '../../src/app-layer/catalogue.js';
import { printRule } from '../../src/rules/print.js';
import { RuleError } from '../../src/rules/rule-error.js';
import type { Transform } from '../../src/rules/transform.js';
import { parse, refused, withOptions } from '../support/rules.js';

const chains = (options: string, proto = 'tcp') =>
  withOptions(options, proto).buffers.map(
    (b) => `${b.buffer}|${b.transforms.map((t) => `${t.name}:${t.value}`).join('|')}|${b.tests.length}`,
  );

describe('transforms in rules', () => {
  const cases: [options: string, chains: string[]][] = [
    ['ftp.command; dotprefix; to_lowercase; content:"a";', ['ftp.command|dotprefix:|to_lowercase:|1']],
    ['ftp.command; content:"a"; dotprefix; content:"b";', ['ftp.command||1', 'ftp.command|dotprefix:|1']],
    ['ftp.command; to_md5; content:"a"; ftp.command; to_md5; content:"b";', ['ftp.command|to_md5:|2']],
    ['ftp.command; xor:"0D0aC8ff"; content:"a";', ['ftp.command|xor:0d0ac8ff|1']],
    ['ftp.command; from_base64; content:"a";', ['ftp.command|from_base64:|1']],
    [
      'ftp.command; from_base64: bytes 6 , offset 2, mode rfc2045; content:"a";',
      ['ftp.command|from_base64:bytes 6, offset 2, mode rfc2045|1'],
    ],
    ['ftp.command; gunzip:max-size 1024; content:"a";', ['ftp.command|gunzip:|1']],
    ['ftp.command; zlib_deflate:max-size 2kb; content:"a";', ['ftp.command|zlib_deflate:max-size 2048|1']],
    ['ftp.command; subslice:1,-2; content:"a";', ['ftp.command|subslice:1,-2|1']],
    ['ftp.command; pcrexform:"a(.*)\\x3bz"; content:"a";', ['ftp.command|pcrexform:a(.*)\\x3bz|1']],
    ['pkt_data; to_uppercase; content:"A";', ['pkt_data|to_uppercase:|1']],
  ];
  for (const [options, expected] of cases) it(options, () => assert.deepEqual(chains(options), expected));

  const bad: [options: string, option: string, reason: RegExp][] = [
    ['dotprefix; content:"a";', 'dotprefix', /name one before/],
    ['content:"a"; to_md5;', 'to_md5', /name one before/],
    ['ftp.command; dotprefix; content:"a"; to_md5; content:"b";', 'to_md5', /right behind ftp.command/],
    ['ftp.command; dotprefix:1; content:"a";', 'dotprefix', /no value/],
    ['ftp.command; xor:0d0; content:"a";', 'xor', /pairs of hex/],
    ['ftp.command; from_base64:offset -1; content:"a";', 'from_base64', /out of range/],
    ['ftp.command; from_base64:mode x; content:"a";', 'from_base64', /strict, rfc4648 or rfc2045/],
    ['ftp.command; from_base64:offset 1, offset 2; content:"a";', 'from_base64', /twice/],
    ['ftp.command; gunzip:max-size 17mb; content:"a";', 'gunzip', /1 to 16mb/],
    ['ftp.command; subslice:a; content:"a";', 'subslice', /from,to/],
    ['ftp.command; to_md5;', 'ftp.command', /nothing looks at it/],
  ];
  for (const [options, option, reason] of bad) it(`refuses ${options}`, () => refused(() => withOptions(options), option, reason));

  it('an expression that does not compile is refused', () => {
    const context = { addressGroups: {}, portGroups: {}, classifications: new Map(), references: new Map(), checkPcre: () => 'no' };
    refused(
      () => parse('alert tcp any any -> any any (ftp.command; pcrexform:"("; content:"a"; sid:1;)', context),
      'pcrexform',
      /does not compile: no/,
    );
  });

  it('lua and unicode_decode wait', () => {
    assert.equal(withOptions('ftp.command; unicode_decode; content:"a";').inert, 'unicode_decode');
    assert.equal(withOptions('ftp.command; luaxform:x.lua; content:"a";').inert, 'lua');
    assert.equal(withOptions('ftp.command; to_md5; content:"a";').inert, undefined);
  });
});

const transform: fc.Arbitrary<Transform> = fc.oneof(
  fc.constantFrom('dotprefix', 'to_md5', 'to_sha1', 'url_decode', 'strip_whitespace', 'domain').map((name) => ({ name, value: '' })),
  fc.uint8Array({ minLength: 1, maxLength: 8 }).map((key) => ({ name: 'xor', value: Buffer.from(key).toString('hex') })),
  fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }))
    .map(([a, b]) => ({ name: 'subslice', value: `${a + 0},${b + 0}` })),
  fc.integer({ min: 1, max: 1000 }).map((n) => ({ name: 'gunzip', value: `max-size ${n}` })),
  fc.constantFrom('', 'bytes 5', 'offset 3', 'bytes 5, offset 3, mode strict').map((value) => ({ name: 'from_base64', value })),
  fc.constantFrom('a(.*)b', '/x', '!y').map((value) => ({ name: 'pcrexform', value })),
);

describe('properties', () => {
  it('print gives every buffer and transform back', () => {
    const names = [...CATALOGUE.keys()];
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(transform, { maxLength: 4 }),
        fc.stringMatching(/^[a-z]{1,8}$/),
        (name, list, text) => {
          if (list[0]?.name === 'pcrexform' && list[0].value.startsWith('!')) list.shift();
          const written = list.map((t) =>
            t.value === '' ? `${t.name};` : t.name === 'pcrexform' ? `pcrexform:"${t.value}";` : `${t.name}:${t.value};`,
          );
          const rule = withOptions(`${name}; ${written.join(' ')} content:"${text}";`, 'ip');
          const again = parse(printRule(rule));
          assert.deepEqual({ ...again, text: '' }, { ...rule, text: '' });
        },
      ),
      { numRuns: 400 },
    );
  });

  it('nothing but RuleError comes out', () => {
    const word = fc.oneof(
      fc.constantFrom(
        ...CATALOGUE.keys(),
        'http_uri',
        'uricontent',
        'frame',
        'xor',
        'from_base64',
        'gunzip',
        'subslice',
        'pcrexform',
        'urilen',
      ),
      fc.constantFrom('app-layer-protocol', 'app-layer-event', 'tls.version', 'filesize', 'content', 'pkt_data'),
    );
    const option = fc.tuple(word, fc.string({ maxLength: 12 })).map(([name, value]) => `${name}:${value}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(word, option, fc.constant('content:"x"')), { maxLength: 6 }), (options) => {
        try {
          withOptions(`${options.join('; ')};`, 'ip');
        } catch (error) {
          assert.ok(error instanceof RuleError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
