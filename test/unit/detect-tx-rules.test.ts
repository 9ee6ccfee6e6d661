import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto, type Buffers } from '../../src/app-layer/buffers.js';
import { bufferSpec } from '../../src/app-layer/catalogue.js';
import { Transactions, Tx, TxFlag } from '../../src/app-layer/transactions.js';
import { IpProto } from '../../src/decode/packet.js';
import { Known, MOST_REMEMBERED, MOST_WAITING, TxRules } from '../../src/detect/tx-rules.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { Bench, buffers, packet, rules } from '../support/detect.js';

const id = (name: string) => bufferSpec(name).id;
const dns = (direction: 0 | 1 = 0) =>
  packet({ proto: IpProto.Udp, appProto: AppProto.Dns, flow: 0, established: 1, dport: 53, payload: 'x', direction });
const http = (direction: 0 | 1 = 0) =>
  packet({ proto: IpProto.Tcp, appProto: AppProto.Http, flow: 0, established: 1, dport: 80, payload: 'x', direction });

const MEMORY = new Uint8Array(1 << 16);
const REGION = native.region(MEMORY.buffer);

/** Several instances of one buffer, beside others. */
function several(name: string, texts: string[], others: Record<string, string> = {}): Buffers {
  const found = buffers(others);
  let at = 64;
  for (const text of texts) {
    const bytes = Buffer.from(text, 'latin1');
    MEMORY.set(bytes, at);
    found.add(id(name), MEMORY, REGION, at, bytes.length);
    at += bytes.length + 3;
  }
  return found;
}

describe('buffers that are there several times', () => {
  const cases: [options: string, names: string[], expected: boolean][] = [
    ['dns.query; content:"example"; content:".net";', ['example.net', 'b.com'], true],
    ['dns.query; content:"example"; content:".com";', ['example.net', 'b.com'], false],
    ['dns.query; content:"example"; dns.query; content:".com";', ['example.net', 'b.com'], true],
    ['dns.query; content:"b.com"; endswith;', ['example.net', 'b.com'], true],
    ['dns.query; content:"b.com"; endswith;', ['example.net'], false],
    ['dns.query; content:!"example";', ['example.net'], false],
    ['dns.query; content:!"example";', ['example.net', 'b.com'], true],
    ['dns.query; bsize:5;', ['example.net', 'b.com'], true],
    ['dns.query; pcre:"/^b/";', ['example.net', 'a.org', 'b.com'], true],
    ['dns.query; to_uppercase; content:"B.COM"; bsize:5;', ['example.net', 'b.com'], true],
    ['dns.query; to_uppercase; content:"EXAMPLE"; content:"COM";', ['example.net', 'b.com'], false],
    ['dns.query; byte_extract:1,0,n; byte_test:1,=,n,0; content:"b";', ['a', 'b'], true],
  ];
  for (const [options, names, expected] of cases) {
    it(`${options} ${expected ? 'matches' : 'does not match'} ${names}`, () => {
      const bench = new Bench(rules(`alert dns any any -> any any (${options})`));
      assert.equal(bench.transaction(dns(), several('dns.query', names)), expected ? '1' : '');
      assert.deepEqual(bench.detector.broken, []);
      bench.detector.close();
    });
  }

  it('many instances that name many rules: each rule once', () => {
    const set = rules(...Array.from({ length: 50 }, (_, i) => `alert dns any any -> any any (dns.query; content:"abc"; sid:${i + 1};)`));
    const bench = new Bench(set);
    const found = several(
      'dns.query',
      Array.from({ length: 500 }, () => 'xabcx'),
    );
    assert.equal(bench.transaction(dns(), found).split(' ').length, 50);
  });

  it('no more than there is room for; the rest is counted', () => {
    const found = several('dns.query', ['a']);
    for (let i = 0; i < 10000; i++) found.add(id('dns.query'), MEMORY, REGION, 0, 1);
    assert.ok(found.lost > 0);
    assert.equal(found.count[id('dns.query')] + found.lost, 10001);
    let n = 0;
    for (let at = id('dns.query'); at >= 0; at = found.next[at]) n++;
    assert.equal(n, found.count[id('dns.query')]);
    found.clear();
    assert.equal(found.len[id('dns.query')], -1);
  });
});

/** One transaction that is inspected at several moments. */
class Story {
  readonly txs = new Transactions(64, 1 << 16, 64, 4);
  readonly known: TxRules;
  readonly tx: number;
  readonly bench: Bench;

  constructor(texts: string[], blocks?: number) {
    this.bench = new Bench(rules(...texts));
    this.known = new TxRules(this.txs, this.bench.counters, blocks);
    this.tx = this.txs.open(0, AppProto.Http, 0);
  }

  /** sids that match now; `old` names buffers that were there before. */
  moment(
    named: Record<string, string | undefined>,
    old: string[] = [],
    complete = false,
    direction: 0 | 1 = 0,
    established: 0 | 1 = 1,
  ): string {
    const found = buffers(named);
    for (const name of old) found.fresh[id(name)] = 0;
    const { detector } = this.bench;
    const p = http(direction);
    p.established = established;
    const n = detector.transactions.inspect(p, this.bench.flows, found, this.known, this.tx, complete);
    return Array.from(detector.matches.subarray(0, n), (r) => this.bench.rules[r].sid).join(' ');
  }
}

const on = (options: string) => `alert http any any -> any any (${options})`;

describe('a transaction that comes in pieces', () => {
  it('a rule whose literal was found waits for its other buffers', () => {
    const t = new Story([on('http.uri; content:"/abcdef"; http.request_body; content:"xy";')]);
    assert.equal(t.moment({ 'http.uri': '/abcdef' }), '');
    assert.equal(t.moment({ 'http.uri': '/abcdef', 'http.request_body': 'x' }, ['http.uri']), '');
    assert.equal(t.moment({ 'http.uri': '/abcdef', 'http.request_body': 'xy' }, ['http.uri']), '1');
    assert.equal(t.moment({ 'http.uri': '/abcdef', 'http.request_body': 'xyz' }, ['http.uri']), '', 'once');
  });

  it('without that literal it is not even looked at', () => {
    const t = new Story([on('http.uri; content:"/abcdef"; http.request_body; content:"xy";')]);
    t.moment({ 'http.uri': '/other' });
    t.moment({ 'http.uri': '/other', 'http.request_body': 'xy' }, ['http.uri'], true);
    assert.equal(t.bench.counters[Counter.RulesEvaluated], 0);
  });

  it('a rule matches once per transaction and direction, whatever it is found by', () => {
    const t = new Story([on('http.uri; content:"a";'), on('http.request_body; content:"body";'), on('http.header; pcre:"/x/";')]);
    assert.equal(t.moment({ 'http.uri': 'a', 'http.header': 'x' }), '1 3');
    assert.equal(t.moment({ 'http.uri': 'a', 'http.header': 'x', 'http.request_body': 'body' }, ['http.uri']), '2');
    assert.equal(t.moment({ 'http.uri': 'a', 'http.header': 'x', 'http.request_body': 'body body' }, ['http.uri'], true), '');
    assert.equal(t.moment({ 'http.header': 'x' }, [], true, 1), '3', 'the other direction has its own');
  });

  it('absent means: it does not come any more', () => {
    const t = new Story([
      on('http.uri; content:"a"; http.referer; absent;'),
      on('http.referer; absent: or_else; content:"r"; http.uri; content:"a";'),
    ]);
    assert.equal(t.moment({ 'http.uri': 'a' }), '');
    assert.equal(t.moment({ 'http.uri': 'a' }, ['http.uri'], true), '1 2');
    const other = new Story([
      on('http.uri; content:"a"; http.referer; absent;'),
      on('http.referer; absent: or_else; content:"r"; http.uri; content:"a";'),
    ]);
    assert.equal(other.moment({ 'http.uri': 'a', 'http.referer': 'r' }), '2', 'or_else need not wait when it is there');
    assert.equal(other.moment({ 'http.uri': 'a', 'http.referer': 'r' }, ['http.uri', 'http.referer'], true), '');
  });

  it('a rule on one buffer waits for its flow to be established', () => {
    const uri = { 'http.uri': '/abcdef' };
    const t = new Story([on('flow:established; http.uri; content:"/abcdef";')]);
    assert.equal(t.moment(uri, [], false, 0, 0), '');
    assert.equal(t.moment(uri, ['http.uri']), '1');
    assert.equal(t.moment(uri, ['http.uri']), '', 'once');
  });

  it('a rule on one buffer waits for a flowbit, be it the first of its flow or one among others', () => {
    const rule = (sid: number, test: string) => `alert http any any -> any any (${test} http.uri; content:"/abcdef"; sid:${sid};)`;
    const set = (sid: number, bit: string, literal: string) =>
      `alert http any any -> any any (http.request_body; content:"${literal}"; flowbits:set,${bit}; sid:${sid};)`;
    const t = new Story([
      rule(1, 'flowbits:isset,a;'),
      rule(2, 'flowbits:isset,b;'),
      rule(3, 'flowbits:isset,c;'),
      set(4, 'a', 'first'),
      set(5, 'b', 'second'),
    ]);
    assert.equal(t.moment({ 'http.uri': '/abcdef' }), '');
    const later = (body: string) => t.moment({ 'http.uri': '/abcdef', 'http.request_body': body }, ['http.uri']);
    const matched = ['first', 'x', 'second', 'x'].flatMap((body) => later(body).split(' ')).filter((sid) => sid !== '');
    assert.deepEqual(matched.sort(), ['1', '2', '4', '5']);
  });

  it('a rule on one buffer that was found, and whose buffer says no, is not tried again', () => {
    const t = new Story([on('flow:established,to_server; http.uri; content:"/abcdef"; content:"other";')]);
    t.moment({ 'http.uri': '/abcdef' });
    t.moment({ 'http.uri': '/abcdef' }, ['http.uri']);
    assert.equal(t.bench.counters[Counter.RulesEvaluated], 1);
  });

  it('no room to remember: everything is scanned again, counted once', () => {
    const t = new Story([on('http.uri; content:"/abcdef"; http.request_body; content:"xy";')], 0);
    assert.equal(t.moment({ 'http.uri': '/abcdef' }), '');
    assert.equal(t.bench.counters[Counter.AppRescans], 1);
    assert.equal(t.moment({ 'http.uri': '/abcdef', 'http.request_body': 'xy' }, ['http.uri']), '1');
  });

  it('urilen, app-layer-event and tls.version are tests of transactions', () => {
    const t = new Story([on('urilen:>4;'), on('urilen:<3,raw; http.uri; content:"b";'), on('app-layer-event:http.missing_host_header;')]);
    assert.equal(t.moment({ 'http.uri': '/abcdef' }, [], true), '1');
    assert.equal(t.moment({ 'http.uri': 'b', 'http.uri.raw': 'b' }, [], true), '2');
  });
});

describe('rules on both directions of a transaction', () => {
  const both = (options: string, header = 'http any any => any any') => `alert ${header} (${options})`;
  const uriAndCode = both('http.uri; content:"/abcdef"; http.stat_code; content:"200";');

  it('match when the second direction does, once', () => {
    const t = new Story([uriAndCode]);
    assert.equal(t.moment({ 'http.uri': '/abcdef' }, [], true), '');
    assert.equal(t.moment({ 'http.stat_code': '200' }, [], false, 1), '1');
    assert.equal(t.moment({ 'http.stat_code': '200' }, [], true, 1), '');
    assert.equal(t.moment({ 'http.uri': '/abcdef' }, [], true), '');
  });

  it('match in the request when the answer came first', () => {
    const t = new Story([both('http.request_body; content:"abcdef"; http.stat_code; content:"200";')]);
    assert.equal(t.moment({ 'http.request_body': 'abc' }), '');
    assert.equal(t.moment({ 'http.stat_code': '200' }, [], true, 1), '');
    assert.equal(t.moment({ 'http.request_body': 'abcdef' }, [], true), '1');
  });

  it('need both', () => {
    const t = new Story([uriAndCode]);
    assert.equal(t.moment({ 'http.uri': '/abcdefx' }, [], true), '');
    assert.equal(t.moment({ 'http.stat_code': '404' }, [], true, 1), '');
    const other = new Story([uriAndCode]);
    assert.equal(other.moment({ 'http.uri': '/other' }, [], true), '');
    assert.equal(other.moment({ 'http.stat_code': '200' }, [], true, 1), '');
  });

  it('another transaction of the flow completes nothing', () => {
    const t = new Story([uriAndCode]);
    t.moment({ 'http.uri': '/abcdef' }, [], true);
    const next = t.txs.open(0, AppProto.Http, 1);
    const { detector, flows } = t.bench;
    assert.equal(detector.transactions.inspect(http(1), flows, buffers({ 'http.stat_code': '200' }), t.known, next, true), 0);
  });

  it('sides of one buffer, negated contents and absent buffers', () => {
    const t = new Story([
      both('http.connection:to_server; content:"eep"; http.connection:to_client; content:"lose"; sid:1;'),
      both('http.uri; content:!"x"; http.stat_code; content:"200"; sid:2;'),
      both('http.uri; content:"a"; http.server; absent; sid:3;'),
    ]);
    assert.equal(t.moment({ 'http.uri': 'a', 'http.connection': 'keep' }, [], true), '');
    assert.equal(t.moment({ 'http.connection': 'close', 'http.stat_code': '200' }, [], true, 1), '1 2 3');
  });

  it('ports and addresses are those of the flow, in either direction', () => {
    for (const [header, expected] of [
      ['http 10.0.0.1 any => any 80', '1'],
      ['http any any => 10.0.0.2 80', '1'],
      ['http any 80 => any any', ''],
      ['http 10.0.0.2 any => any any', ''],
    ]) {
      const t = new Story([both('http.uri; content:"/abcdef"; http.stat_code; content:"200";', header)]);
      const { detector, flows } = t.bench;
      const toServer = packet({
        proto: IpProto.Tcp,
        appProto: AppProto.Http,
        flow: 0,
        established: 1,
        src: '10.0.0.1',
        dst: '10.0.0.2',
        sport: 999,
        dport: 80,
        direction: 0,
      });
      const toClient = packet({
        proto: IpProto.Tcp,
        appProto: AppProto.Http,
        flow: 0,
        established: 1,
        src: '10.0.0.2',
        dst: '10.0.0.1',
        sport: 80,
        dport: 999,
        direction: 1,
      });
      assert.equal(detector.transactions.inspect(toServer, flows, buffers({ 'http.uri': '/abcdef' }), t.known, t.tx, true), 0);
      assert.equal(
        String(detector.transactions.inspect(toClient, flows, buffers({ 'http.stat_code': '200' }), t.known, t.tx, true) || ''),
        expected,
        header,
      );
    }
  });

  it('flowbits are looked at and set when the rule matches', () => {
    const t = new Story([
      both('http.uri; content:"/abcdef"; http.stat_code; content:"200"; flowbits:isset,seen; sid:1;'),
      'alert http any any -> any any (http.method; content:"PUT"; flowbits:set,seen; sid:2;)',
    ]);
    assert.equal(t.moment({ 'http.uri': '/abcdef', 'http.method': 'PUT' }, [], true), '2');
    assert.equal(t.moment({ 'http.stat_code': '200' }, [], true, 1), '1');
  });

  it('what cannot be told apart is refused', () => {
    for (const options of [
      'http.uri; content:"a";',
      'http.uri; content:"a"; http.connection; content:"b";',
      'content:"a"; http.uri; content:"a"; http.stat_code; content:"b";',
    ])
      assert.throws(() => rules(both(options)), /=>/);
  });
});

describe('what is remembered of rules', () => {
  function remembering(blocks?: number) {
    const txs = new Transactions(8, 1 << 16, 8, 4);
    const counters = new Float64Array(Counter.Count);
    const known = new TxRules(txs, counters, blocks);
    return { txs, counters, known, tx: txs.open(0, 1, 0) };
  }

  it('directions and ranks are told apart, waiting becomes matched', () => {
    const { known, tx } = remembering();
    known.remember(tx, 0, 5, 0);
    known.remember(tx, 1, 5, 1);
    known.remember(tx, 0, 0, 0);
    assert.deepEqual(
      [known.known(tx, 0, 5), known.known(tx, 1, 5), known.known(tx, 0, 0), known.known(tx, 1, 0)],
      [Known.Waits, Known.Matched, Known.Waits, Known.Nothing],
    );
    known.remember(tx, 0, 5, 1);
    assert.equal(known.known(tx, 0, 5), Known.Matched);
    const out = new Int32Array(MOST_WAITING);
    assert.deepEqual([...out.subarray(0, known.collect(tx, 0, out, 0))], [0]);
    assert.equal(known.collect(tx, 1, out, 0), 0);
  });

  it('many are kept, too many make the transaction be scanned anew; all room comes back', () => {
    const { txs, known, tx, counters } = remembering(9);
    for (let rank = 0; rank <= MOST_WAITING; rank++) known.remember(tx, 0, rank, 0);
    assert.ok(known.rescans(tx));
    assert.equal(known.collect(tx, 0, new Int32Array(MOST_WAITING), 0), MOST_WAITING);
    txs.close(tx);
    txs.clearEnded();
    const next = txs.open(0, 1, 1);
    assert.ok(known.isEmpty(next));
    for (let rank = 0; rank < MOST_WAITING; rank++) known.remember(next, 0, rank, 0);
    assert.ok(!known.rescans(next));
    assert.equal(counters[Counter.AppRescans], 1);
  });

  it('behind many that wait there is still room for what has matched', () => {
    const { known, tx } = remembering();
    for (let rank = 0; rank <= MOST_WAITING; rank++) known.remember(tx, 0, rank, 0);
    assert.equal(known.known(tx, 0, MOST_WAITING), Known.Nothing);
    for (let rank = MOST_WAITING; rank < MOST_REMEMBERED; rank++) known.remember(tx, 0, rank, 1);
    assert.equal(known.known(tx, 0, MOST_REMEMBERED - 1), Known.Matched);
    known.remember(tx, 0, MOST_REMEMBERED, 1);
    assert.equal(known.known(tx, 0, MOST_REMEMBERED), Known.Nothing);
    assert.equal(known.collect(tx, 0, new Int32Array(MOST_REMEMBERED), 0), MOST_WAITING);
  });

  it('new rules: nothing of the old ones is left, and live transactions are scanned anew', () => {
    const { txs, known, tx } = remembering(2);
    known.remember(tx, 0, 1, 1);
    known.clear();
    assert.ok(known.isEmpty(tx));
    assert.notEqual(txs.words[tx * Tx.Words + Tx.Flags] & TxFlag.Rescan, 0);
    for (let rank = 0; rank < 28; rank++) known.remember(tx, 0, rank, 0);
    assert.equal(known.known(tx, 0, 27), Known.Waits);
  });
});
