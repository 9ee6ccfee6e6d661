import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hits } from '../support/detect.js';

/** [payload options, payload, matches]. Semantics: user guide, "Payload Keywords". */
const CASES: [string, string, boolean][] = [
  ['content:"abc";', 'xxabcxx', true],
  ['content:"abc";', 'xxabx', false],
  ['content:"abc";', 'xxABCxx', false],
  ['content:"aBc"; nocase;', 'xxAbCxx', true],
  ['content:"|00 ff|";', 'x\x00\xffx', true],
  ['content:"abc"; content:"abc"; distance:0;', 'abc', false],
  ['content:"abc"; content:"abc";', 'abc', true],
  // offset and depth
  ['content:"def"; offset:3; depth:3;', 'abcdef', true],
  ['content:"def"; offset:3; depth:3;', 'abcxdef', false],
  ['content:"def"; offset:4;', 'abcdef', false],
  ['content:"abc"; depth:3;', 'abc', true],
  ['content:"abc"; depth:3;', 'xabc', false],
  ['content:"abc"; depth:4;', 'xabc', true],
  ['content:"abc"; startswith;', 'abcx', true],
  ['content:"abc"; startswith;', 'xabc', false],
  ['content:"abc"; endswith;', 'xabc', true],
  ['content:"abc"; endswith;', 'abcx', false],
  ['content:"abcdefghij"; nocase; endswith;', 'xABCDEFGHIJ', true],
  ['content:"abcdefghij"; startswith;', 'abcdefghij', true],
  ['content:"abc"; offset:5;', 'abc', false],
  // distance and within
  ['content:"abc"; content:"def"; distance:0;', 'abcdef', true],
  ['content:"abc"; content:"def"; distance:1;', 'abcdef', false],
  ['content:"abc"; content:"def"; distance:1;', 'abcxxdef', true],
  ['content:"abc"; content:"def"; within:3;', 'abcdef', true],
  ['content:"abc"; content:"def"; within:3;', 'abcxdef', false],
  ['content:"abc"; content:"def"; within:4;', 'abcxdef', true],
  ['content:"abc"; content:"def"; distance:2; within:3;', 'abcxxdef', true],
  ['content:"abc"; content:"def"; distance:2; within:3;', 'abcxxxdef', false],
  ['content:"abc"; content:"bcd"; distance:-2;', 'abcd', true],
  ['content:"def"; content:"abc"; distance:-6;', 'abcdef', true],
  ['content:"def"; content:"abc"; distance:-100;', 'abcdef', true],
  // retry from the next occurrence of the earlier content
  ['content:"ab"; content:"cd"; within:2;', 'abxabxabcd', true],
  ['content:"a"; content:"b"; within:1; content:"c"; within:1;', 'abxabdabc', true],
  ['content:"a"; content:"a"; within:2; content:"b"; within:1;', 'aaxaxab', true],
  ['content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:0;', 'axcaxb', false],
  // negated
  ['content:"abc"; content:!"def";', 'abcxyz', true],
  ['content:"abc"; content:!"def";', 'abcdef', false],
  ['content:"abc"; content:!"def"; distance:0;', 'defabc', true],
  ['content:"abc"; content:!"def"; distance:0; within:3;', 'abcxdef', true],
  ['content:"abc"; content:!"def"; within:3;', 'abcdef abcxyz', true],
  ['content:!"abc";', 'xyz', true],
  ['content:!"abc";', 'abc', false],
  ['content:!"abc";', '', false],
  ['content:!"abc"; depth:3;', 'xabc', true],
  ['content:!"abc"; endswith; content:"x";', 'abcx', true],
  // a negated test does not move the position
  ['content:"a"; content:!"z"; content:"b"; within:1;', 'ab', true],
  ['content:"a"; content:!"z"; distance:0; content:"b"; within:1;', 'ab', true],
  // relative without anything before: from the start
  ['content:"abc"; within:3;', 'abcx', true],
  ['content:"abc"; within:3;', 'xabc', false],
  ['content:"abc"; distance:1;', 'abc', false],
  ['content:"abc"; distance:1;', 'xabc', true],
  // two chains, each on its own
  ['content:"ab"; content:"cd"; distance:0; content:"xy"; content:"z"; within:1;', 'xyz abcd', true],
  ['content:"ab"; content:"cd"; distance:0; content:"xy"; content:"z"; within:1;', 'xy z abcd', false],
  // pcre
  ['pcre:"/a[0-9]+b/";', 'xa123b', true],
  ['pcre:"/A[0-9]+B/i";', 'xa123b', true],
  ['pcre:!"/a[0-9]+b/";', 'xab', true],
  ['pcre:!"/a[0-9]+b/";', 'xa1b', false],
  ['content:"id="; pcre:"/^[0-9]{3}$/R";', 'xid=123', true],
  ['content:"id="; pcre:"/^[0-9]{3}$/R";', 'xid=1234', false],
  ['content:"id="; pcre:"/^[0-9]{3}$/R";', 'id=1 id=123', true],
  ['pcre:"/a./"; content:"c"; within:1;', 'axxabc', true],
  ['pcre:"/a.*?b/"; content:"c"; within:1;', 'aab ab abc', true],
  ['content:"x"; pcre:!"/^y/R";', 'xyxz', true],
  ['content:"x"; pcre:!"/^y/R";', 'xyxy', false],
  ['pcre:"/./s"; content:"b"; distance:1;', 'a\nb', true],
];

for (const [options, payload, expected] of CASES) {
  test(`${options} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(payload)}`, () => {
    assert.equal(hits(`alert udp any any -> any any (${options})`, { payload }), expected);
  });
}

test('a fast_pattern:only content must occur and moves nothing', () => {
  const rule = 'alert udp any any -> any any (content:"evil"; fast_pattern:only; content:"abc"; content:"def"; within:3;)';
  assert.equal(hits(rule, { payload: 'abcdef evil' }), true);
  assert.equal(hits(rule, { payload: 'abcdef' }), false);
});

test('bytes around the payload are never part of it', () => {
  assert.equal(hits('alert udp any any -> any any (content:"Aab";)', { payload: 'ab' }), false);
  assert.equal(hits('alert udp any any -> any any (content:"aba";)', { payload: 'ab' }), false);
  assert.equal(hits('alert udp any any -> any any (content:"b"; content:"a"; distance:0;)', { payload: 'ab' }), false);
  assert.equal(hits('alert udp any any -> any any (content:"b"; content:"a"; within:1;)', { payload: 'ab' }), false);
  assert.equal(hits('alert udp any any -> any any (content:"a"; content:"A"; distance:-2;)', { payload: 'ab' }), false);
});
