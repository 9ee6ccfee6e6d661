import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUFFER_NAMES } from '../../src/app-layer/buffers.js';
import { BUFFERS, CATALOGUE } from '../../src/app-layer/catalogue.js';
import { SURICATA_KEYWORDS } from '../../src/rules/keywords.js';
import { OPTIONS } from '../../src/rules/options/table.js';
import { printRule } from '../../src/rules/print.js';
import type { Rule } from '../../src/rules/rule.js';
import { CONTEXT, parse, refused, withOptions } from '../support/rules.js';

/** The rule of the project's seed, its odd spacing kept. */
const SEED =
  'reject ftp any any -> any 21 (msg:"FTP anonymous login attempt"; flow:to_server,established; ftp.command ;content:"USER"; ftp.command_data; content:"anonymous";nocase; classtype:attempted-recon; sid:99999; rev:1;)';

/** What a rule looks at, short: `buffer[tests]`, the payload first. */
function shape(rule: Rule): string {
  const list = (tests: Rule['payload']) =>
    tests
      .map((t) => {
        if (t.kind === 'content') return `${t.negated ? '!' : ''}${Buffer.from(t.pattern).toString('latin1')}`;
        return t.kind === 'pcre' ? t.pattern : t.kind;
      })
      .join();
  return [`[${list(rule.payload)}]`, ...rule.buffers.map((b) => `${b.buffer}[${list(b.tests)}]`)].join(' ');
}

describe('sticky buffers', () => {
  it('the rule of the seed loads', () => {
    const rule = parse(SEED);
    assert.equal(rule.action, 'reject');
    assert.deepEqual([rule.proto, rule.appProto], ['tcp', 'ftp']);
    assert.equal(shape(rule), '[] ftp.command[USER] ftp.command_data[anonymous]');
    assert.equal(rule.buffers[1].tests[0].kind === 'content' && rule.buffers[1].tests[0].nocase, true);
    assert.equal(rule.buffers[0].tests[0].kind === 'content' && rule.buffers[0].tests[0].nocase, false);
    assert.deepEqual(rule.header, [{ kind: 'flow', direction: 'to_server', state: 'established' }]);
  });

  const cases: [options: string, shape: string][] = [
    ['content:"a"; ftp.command; content:"b"; pcre:"/c/";', '[a] ftp.command[b,c]'],
    ['ftp.command; content:"b"; pkt_data; content:"a";', '[a] ftp.command[b]'],
    [
      'ftp.command; content:"b"; ftp.command_data; content:"c"; ftp.command; content:!"d"; distance:0;',
      '[] ftp.command[b,!d] ftp.command_data[c]',
    ],
    ['ftp.command; content:"b"; ftp.command; content:"d";', '[] ftp.command[b,d]'],
    ['pkt_data; content:"a";', '[a]'],
    ['content:"a"; http_uri; nocase; content:"b"; http_header; content:"c"; content:"d"; http_uri;', '[c] http.uri[a,d] http.header[b]'],
    ['uricontent:"a"; content:"b"; http_uri; content:"c";', '[c] http.uri[a,b]'],
    ['content:"a"; pcre:"/x/U"; content:"b";', '[a,b] http.uri[x]'],
    ['http.uri; content:"a"; pcre:"/x/UR";', '[] http.uri[a,x]'],
    ['dns.query; content:"a"; dns_query; content:"b";', '[] dns.query[a] dns.query[b]'],
    ['frame:smb.pdu; content:"a";', '[] frame:smb.pdu[a]'],
    ['ftp.command; content:"b"; pkt_data;', '[] ftp.command[b]'],
    ['ftp.command; pcre:"/^USER/"; flow:to_server;', '[] ftp.command[^USER]'],
  ];
  for (const [options, expected] of cases) it(options, () => assert.equal(shape(withOptions(options)), expected));

  it('a buffer implies its protocol whatever transport the header names', () => {
    for (const proto of ['ftp', 'tcp', 'tcp-stream', 'ip', 'ipv4', 'ipv6']) {
      assert.equal(withOptions('ftp.command; content:"USER";', proto).buffers.length, 1);
    }
    assert.equal(withOptions('ftp.command; content:"USER";', 'tcp').appProto, undefined);
  });

  it('a header of an application protocol stands for its transport', () => {
    const rule = withOptions('', 'FTP');
    assert.deepEqual([rule.proto, rule.appProto, rule.buffers], ['tcp', 'ftp', []]);
    assert.equal(Object.hasOwn(withOptions('', 'tcp'), 'appProto'), false);
  });

  it('a content of any size may be looked for: dsize is of the payload', () => {
    assert.equal(shape(withOptions('dsize:2; content:"ab";')), '[ab]');
  });

  const bad: [options: string, option: string, reason: RegExp, proto?: string][] = [
    ['ftp.command;', 'ftp.command', /nothing looks at it/],
    ['ftp.command; ftp.command_data; content:"a";', 'ftp.command', /nothing looks at it/],
    ['ftp.command; pkt_data; content:"a";', 'ftp.command', /nothing looks at it/],
    ['ftp.command:1; content:"a";', 'ftp.command', /no value/],
    ['content:"a"; ftp.command; nocase;', 'nocase', /content before it/],
    ['ftp.command; content:"a"; pkt_data; offset:1;', 'offset', /content before it/],
    ['ftp.command; content:"a"; ftp.command_data; pcre:"/x/R";', 'pcre', /same buffer/],
    ['content:"a"; ftp.command; pcre:"/x/R";', 'pcre', /same buffer/],
    ['ftp.command; content:"a"; fast_pattern; ftp.command_data; content:"b"; fast_pattern;', 'fast_pattern', /only one/],
    ['content:"a"; fast_pattern; ftp.command_data; content:"b"; fast_pattern;', 'fast_pattern', /only one/],
    ['ftp.command; content:"abc"; depth:2;', 'depth', /smaller/],
    ['ftp.command; content:"a"; fast_pattern:only; content:"b"; distance:0;', 'distance', /fast_pattern:only/],
    ['ftp.command; content:"a";', 'ftp.command', /belongs to ftp, which runs over tcp: the header udp never has it/, 'udp'],
    ['ftp.command; content:"a";', 'ftp.command', /the header icmp never has it/, 'icmp'],
    ['ftp.command; content:"a";', 'ftp.command', /the header tcp-pkt never has it/, 'tcp-pkt'],
    ['ftp.command; content:"a";', 'ftp.command', /the header pkthdr never has it/, 'pkthdr'],
    ['ftp.command; content:"a"; flow:to_client;', 'ftp.command', /is sent to_server, flow:to_client the other way/],
    ['ftp.command; content:"a"; dsize:>3;', 'dsize', /cannot be combined with ftp.command/],
    ['ttl:3; ftp.command; content:"a";', 'ttl', /cannot be combined with ftp.command/],
    ['flags:A; ftp.command; content:"a";', 'flags', /cannot be combined with ftp.command/],
    ['http.uri; content:"a"; http_uri;', 'http_uri', /moves a content of the payload, this one belongs to http.uri/, 'http'],
    ['content:"a"; http_uri; http_method;', 'http_method', /belongs to another modifier/, 'http'],
    ['http_uri;', 'http_uri', /content before it/, 'http'],
    ['content:"a"; rawbytes; http_uri;', 'http_uri', /rawbytes/, 'http'],
    ['http.uri; uricontent:"a";', 'uricontent', /behind http.uri/, 'http'],
    ['http.uri:to_client; content:"a";', 'http.uri', /no value/, 'http'],
    ['frame:nonsense.pdu; content:"a";', 'frame', /unknown protocol/],
  ];
  for (const [options, option, reason, proto] of bad) {
    it(`refuses ${options} ${proto ?? ''}`, () => refused(() => withOptions(options, proto), option, reason));
  }

  it('one protocol and one direction', () => {
    const cases: [options: string, option: string, reason: RegExp, proto: string][] = [
      ['ftp.command; content:"a"; ftp.reply; content:"b";', 'ftp.reply', /sent to_client, ftp.command to_server/, 'ftp'],
      ['http.uri; content:"a";', 'http.uri', /belongs to http, and the rule's header says ftp/, 'ftp'],
      ['ftp.command; content:"a"; http.uri; content:"b";', 'http.uri', /no flow has both protocols/, 'tcp'],
      ['http.stat_code; content:"a"; flow:to_server;', 'http.stat_code', /sent to_client, flow:to_server the other way/, 'http'],
      ['http.connection:to_client; content:"a"; http.uri; content:"b";', 'http.uri', /a rule has one direction/, 'http'],
      ['tcp.hdr; content:"a"; http.uri; content:"b";', 'tcp.hdr', /tests one packet/, 'http'],
    ];
    for (const [options, option, reason, proto] of cases) refused(() => withOptions(options, proto), option, reason);
    for (const [options, proto] of [
      ['file.data; content:"a"; http.stat_code; content:"b";', 'tcp'],
      ['file_data; content:"a";', 'smtp'],
      ['file.name; content:"a"; dcerpc.stub_data; content:"b";', 'smb'],
      ['dns.query; content:"a";', 'udp'],
      ['dns.query; content:"a";', 'doh2'],
      ['http.header; content:"a"; flow:to_client;', 'http'],
      ['ip.src; content:"a"; dns.query; content:"b";', 'dns'],
    ])
      withOptions(options, proto);
    const both = parse('alert http any any => any any (http.uri; content:"a"; http.stat_code; content:"b"; sid:1;)');
    assert.equal(both.transactional, true);
  });

  it('every keyword with a handler is one Suricata documents, and every buffer has one', () => {
    assert.deepEqual(
      [...OPTIONS.keys()].filter((name) => !SURICATA_KEYWORDS.has(name)),
      [],
    );
    for (const name of CATALOGUE.keys()) assert.ok(OPTIONS.has(name), name);
    assert.deepEqual(
      BUFFERS.map(({ name, id }) => [name, id]),
      BUFFER_NAMES.map((name, id) => [name, id]),
    );
  });
});

describe('replace', () => {
  const replaced = (options: string) =>
    withOptions(options).payload.map((t) => (t.kind === 'content' && t.replace ? Buffer.from(t.replace).toString() : ''));
  it('belongs to the content before it, and modifiers may follow', () => {
    assert.deepEqual(replaced('content:"th"; replace:"TH"; offset:4; content:"patter"; nocase; replace:"|6d|atter";'), ['TH', 'matter']);
    assert.deepEqual(replaced('content:"a\\;b"; replace:"a\\"b"; content:"c";'), ['a"b', '']);
    assert.deepEqual(replaced('content:"a"; fast_pattern:only; replace:"b";'), ['b']);
  });
  it('keeps its case beside a nocase content', () => assert.deepEqual(replaced('content:"AbC"; nocase; replace:"XyZ";'), ['XyZ']));

  const bad: [options: string, option: string, reason: RegExp, proto?: string][] = [
    ['replace:"a";', 'replace', /content before it/],
    ['pcre:"/a/"; replace:"a";', 'replace', /content before it/],
    ['content:"ab"; replace:"a";', 'replace', /has 1 bytes, its content 2: both must have the same length/],
    ['content:"ab"; replace:"abc";', 'replace', /same length/],
    ['content:"ab"; replace:"";', 'replace', /empty/],
    ['content:"ab"; replace:ab;', 'replace', /double quotes/],
    ['content:"ab"; replace:!"cd";', 'replace', /cannot be negated/],
    ['content:"ab"; replace:"|4|";', 'replace', /odd number/],
    ['content:!"ab"; replace:"cd";', 'replace', /negated content/],
    ['content:"ab"; replace:"cd"; replace:"ef";', 'replace', /twice/],
    ['ftp.command; content:"ab"; replace:"cd";', 'replace', /cannot follow a content of ftp.command/],
    ['content:"ab"; replace:"cd"; ftp.command; content:"x";', 'replace', /cannot be combined with ftp.command/],
    ['content:"ab"; ftp.command; replace:"cd";', 'replace', /cannot follow a content of ftp.command/],
    ['content:"ab"; replace:"cd";', 'replace', /tcp-stream/, 'tcp-stream'],
    ['content:"ab"; replace:"cd"; flow:only_stream;', 'replace', /only_stream/],
  ];
  for (const [options, option, reason, proto] of bad) {
    it(`refuses ${options} ${proto ?? ''}`, () => refused(() => withOptions(options, proto), option, reason));
  }
});

describe('nfq_set_mark and bypass', () => {
  const marks: [value: string, mark: number, mask: number][] = [
    ['1/1', 1, 1],
    ['0x10/0xff', 16, 255],
    ['4', 4, -1],
    ['0', 0, -1],
    ['0xFFFFFFFF/4294967295', -1, -1],
    ['2147483648 / 0x80000000', -2147483648, -2147483648],
  ];
  for (const [value, mark, mask] of marks) {
    it(`nfq_set_mark:${value}`, () => assert.deepEqual(withOptions(`nfq_set_mark:${value};`).nfqMark, { mark, mask }));
  }
  for (const value of ['', 'x', '0x1g/0xff', '1/', '/1', '1/2/3', '-1', '0x/1', '017', '1.5']) {
    it(`refuses nfq_set_mark:${value}`, () =>
      refused(() => withOptions(`nfq_set_mark:${value};`), 'nfq_set_mark', value === '' ? /needs a value/ : /mark\/mask/));
  }
  it('refuses more than 32 bits, and a second mark', () => {
    refused(() => withOptions('nfq_set_mark:4294967296;'), 'nfq_set_mark', /32 bits/);
    refused(() => withOptions('nfq_set_mark:1/0x100000000;'), 'nfq_set_mark', /mark\/mask/);
    refused(() => withOptions('nfq_set_mark:1; nfq_set_mark:2;'), 'nfq_set_mark', /only once/);
  });
  it('bypass is a flag without a value; rules without either have none', () => {
    assert.equal(withOptions('bypass;').bypass, true);
    assert.equal(withOptions('').bypass, false);
    assert.equal(Object.hasOwn(withOptions(''), 'nfqMark'), false);
    refused(() => withOptions('bypass:1;'), 'bypass', /no value/);
  });
});

describe('printing them', () => {
  const cases: [text: string, printed: string][] = [
    [
      SEED,
      'reject ftp any any -> any 21 (msg:"FTP anonymous login attempt"; flow:to_server,established; ftp.command; content:"USER"; ftp.command_data; content:"anonymous"; nocase; classtype:attempted-recon; priority:3; sid:99999; rev:1;)',
    ],
    [
      'rejectboth tcp any any -> any any (ftp.command; content:"B"; pkt_data; content:"ab"; bypass; nfq_set_mark:16; sid:1;)',
      'rejectboth tcp any any -> any any (content:"ab"; ftp.command; content:"B"; bypass; nfq_set_mark:0x10/0xffffffff; priority:3; sid:1; rev:0;)',
    ],
    [
      'drop ip any any -> any any (content:"A|3b|"; replace:"|22|x"; nocase; offset:1; sid:1;)',
      'drop ip any any -> any any (content:"a|3B|"; nocase; offset:1; replace:"|22|x"; priority:3; sid:1; rev:0;)',
    ],
  ];
  for (const [text, printed] of cases) {
    it(text, () => {
      const rule = parse(text, CONTEXT);
      assert.equal(printRule(rule), printed);
      assert.deepEqual({ ...parse(printed), text: '' }, { ...rule, text: '' });
    });
  }
});
