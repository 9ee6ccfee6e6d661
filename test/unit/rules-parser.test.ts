import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RuleError } from '../../src/rules/rule-error.js';
import { CONTEXT, parse, refused, withOptions } from '../support/rules.js';

describe('rule header', () => {
  it('takes the parts in order, whatever the white space', () => {
    const rule = parse('  drop\ttcp  [10.0.0.0/8, !10.1.0.0/16] 1024:  ->  $HOME_NET $HTTP_PORTS(sid:5;)  ');
    assert.equal(rule.action, 'drop');
    assert.equal(rule.proto, 'tcp');
    assert.equal(rule.bidirectional, false);
    assert.equal(rule.src.ranges.length, 2);
    assert.deepEqual(rule.srcPorts, { any: false, ranges: [[1024, 65535]] });
    assert.equal(rule.dst.ranges.length, 2);
    assert.deepEqual(rule.dstPorts, { any: false, ranges: [[80, 80]] });
    assert.deepEqual([rule.file, rule.line, rule.sid], ['test.rules', 1, 5]);
  });

  it('keeps `! 1.1.1.1` together', () => {
    assert.equal(parse('alert ip ! 1.1.1.1 any <> any ! 80 (sid:1;)').bidirectional, true);
  });

  it('shares the set of equal texts, so that a thousand rules hold one $HOME_NET', () => {
    const a = parse('alert ip $HOME_NET any -> any any (sid:1;)');
    const b = parse('alert ip any any -> $HOME_NET any (sid:2;)');
    assert.equal(a.src, b.dst);
  });

  for (const action of ['alert', 'pass', 'drop', 'DROP', 'reject', 'rejectsrc', 'rejectdst', 'RejectBoth']) {
    it(`action ${action}`, () => assert.equal(parse(`${action} ip any any -> any any (sid:1;)`).action, action.toLowerCase()));
  }
  const protos = ['ip', 'ipv4', 'ipv6', 'tcp', 'tcp-pkt', 'tcp-stream', 'udp', 'icmp', 'icmpv4', 'icmpv6', 'sctp', 'pkthdr'];
  for (const proto of protos) it(`protocol ${proto}`, () => assert.equal(withOptions('', proto).proto, proto));
  it('protocol aliases', () => {
    assert.equal(withOptions('', 'ip4').proto, 'ipv4');
    assert.equal(withOptions('', 'TCP').proto, 'tcp');
  });

  const bad: [text: string, reason: RegExp][] = [
    ['', /an action is missing/],
    ['alert', /a protocol is missing/],
    ['alert tcp any any -> any', /destination ports is missing/],
    ['alert tcp any any -> any (sid:1;)', /destination ports is missing/],
    ['alert tcp any any -> any any', /parentheses/],
    ['alert tcp any any -> any any any (sid:1;)', /parentheses/],
    ['alert tcp any any -> any any (sid:1;', /does not end/],
    ['alert tcp any any -> any any (sid:1;) # note', /does not end/],
    ['alert tcp any any <- any any (sid:1;)', /<- does not exist.*exchange/],
    ['alert tcp any any ~> any any (sid:1;)', /->, <> or =>/],
    ['alert tcp [1.1.1.1 any -> any any (sid:1;)', /not closed/],
    ['alert tcp $NOWHERE any -> any any (sid:1;)', /\$NOWHERE is not defined/],
    ['alert tcp any $NOWHERE -> any any (sid:1;)', /\$NOWHERE is not defined/],
    ['block tcp any any -> any any (sid:1;)', /unknown action "block"/],
    ['config tcp any any -> any any (sid:1;)', /config is not supported yet/],
    ['rejectall tcp any any -> any any (sid:1;)', /unknown action "rejectall", use alert, pass, drop or reject/],
    ['alert arp any any -> any any (sid:1;)', /arp is not supported yet/],
    ['alert smoke any any -> any any (sid:1;)', /unknown protocol "smoke"/],
    ['alert tcp any any -> any any (sid:1;\0)', /NUL/],
  ];
  for (const [text, reason] of bad) it(`refuses ${JSON.stringify(text)}`, () => refused(() => parse(text), '', reason));
});

describe('rule options', () => {
  it('an option needs its semicolon, and quotes do not protect one', () => {
    refused(() => parse('alert ip any any -> any any (sid:1)'), 'sid', /no closing ;/);
    refused(() => parse('alert ip any any -> any any (sid:1; msg:"a;b";)'), 'msg', /not closed/);
    refused(() => parse('alert ip any any -> any any (msg:"a\\;)'), 'msg', /no closing ;/);
    assert.equal(withOptions('msg:"a\\;b";').msg, 'a;b');
  });
  it('a parenthesis may stand in a value', () => assert.equal(withOptions('msg:"a) (b";').msg, 'a) (b'));
  it('white space around names, values and semicolons does not matter', () => {
    assert.equal(parse('alert ip any any -> any any ( msg : "x" ;rev:2;  sid : 1 ; )').rev, 2);
  });
});

/** Any text at all ends in a rule or a RuleError. */
function onlyRuleErrors(text: string): void {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof RuleError, `${JSON.stringify(text)}: ${String(error)}`);
    assert.ok(error.message.length < 2000, 'a message stays readable whatever the rule');
  }
}

const SEEDS = [
  'alert tcp $HOME_NET any -> [10.0.0.0/8,!10.1.0.0/16] [80:90,!85] (msg:"x\\; y"; flow:established,to_server; content:"a|0d 0A|b"; nocase; offset:1; depth:9; content:!"c"; distance:-1; within:4; pcre:"/a\\/b/Rsmi"; threshold: type limit, track by_src, count 1, seconds 60; reference:url,a.b; metadata:k v, l w; classtype:misc-attack; sid:1; rev:2;)',
  'drop ip ![fe80::/10,1.1.1.1-1.1.1.9] any <> any any (ip_proto:!6; ttl:1<>5; dsize:>4; content:"abcd"; fast_pattern:1,2; priority:3; gid:4; noalert; sid:9;)',
  'reject ftp any any -> any 21 (flow:to_server; content:"ab"; pkt_data; ftp.command ;content:"USER"; ftp.command_data; content:"anonymous";nocase; fast_pattern; pcre:"/x/Ri"; bypass; nfq_set_mark:0x10/0xff; sid:4;)',
  'alert tcp any any -> any any (content:"abc"; replace:"x|00|z"; offset:1; content:"d"; distance:1; replace:"e"; sid:5;)',
  'pass icmp any any -> any any (itype:8; icode:!0; flags:SA+,CE; content:"x"; startswith; endswith; rawbytes; sid:3;)',
];
const TOKENS = [
  '"',
  ';',
  ':',
  '|',
  '\\',
  '!',
  '(',
  ')',
  '[',
  ']',
  ',',
  '$HOME_NET',
  '$',
  '-',
  '<>',
  '/',
  '0',
  '99999999999',
  '\xff',
  '→',
  ' ',
  '\t',
  '\0',
  '#',
];

describe('hostile rules', () => {
  it('random text gives a rule or a RuleError', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), onlyRuleErrors), { numRuns: 1000 });
  });
  it('random option text behind a good header gives a rule or a RuleError', () => {
    const piece = fc.oneof(
      fc.constantFrom(...TOKENS),
      fc.constantFrom('content', 'pcre', 'msg', 'sid', 'flow', 'flags', 'threshold', 'metadata', 'depth'),
      fc.constantFrom('replace', 'ftp.command', 'pkt_data', 'nfq_set_mark', 'bypass'),
      fc.string({ maxLength: 4 }),
    );
    const text = fc.array(piece, { maxLength: 30 }).map((parts) => `alert tcp any any -> any any (${parts.join('')})`);
    fc.assert(fc.property(text, onlyRuleErrors), { numRuns: 2000 });
  });
  it('mutated rules give a rule or a RuleError', () => {
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(5), put: fc.constantFrom('', ...TOKENS) });
    fc.assert(
      fc.property(fc.constantFrom(...SEEDS), fc.array(edit, { minLength: 1, maxLength: 6 }), (seed, edits) => {
        let text = seed;
        for (const { at, cut, put } of edits) {
          const from = Math.floor(at * text.length);
          text = text.slice(0, from) + put + text.slice(from + cut);
        }
        onlyRuleErrors(text);
      }),
      { numRuns: 3000 },
    );
  });
  it('the seeds themselves load', () => {
    for (const seed of SEEDS) assert.ok(parse(seed, CONTEXT).sid > 0);
  });
  it('megabytes of brackets, backslashes, bangs and quotes end in a RuleError', () => {
    for (const char of ['[', '!', '\\', '"', '(', '$', ',', ':', ';']) {
      const long = char.repeat(1 << 20);
      onlyRuleErrors(long);
      onlyRuleErrors(`alert tcp ${long} any -> any any (sid:1;)`);
      onlyRuleErrors(`alert tcp any any -> any any (content:"${long}"; sid:1;)`);
      onlyRuleErrors(`alert tcp any any -> any any (metadata:${long}; sid:1;)`);
    }
  });
});
