import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { IpProto } from '../../src/decode/packet.js';
import { literalOf } from '../../src/detect/literal.js';
import { Bench, buffers, packet, rules } from '../support/detect.js';

const rule = (options: string) => `alert dns any any -> any any (${options})`;

describe('the literal of a rule whose buffer is transformed', () => {
  const cases: [options: string, expected: string | null][] = [
    ['dns.query; dotprefix; content:".rce.ee"; endswith;', 'rce.ee'],
    ['dns.query; dotprefix; content:"abc";', 'abc'],
    ['dns.query; dotprefix; content:".";', null],
    ['dns.query; dotprefix; content:".rce.ee"; nocase;', 'rce.ee nocase'],
    ['dns.query; to_lowercase; content:"abc";', 'abc nocase'],
    ['dns.query; to_uppercase; content:"ABC";', 'abc nocase'],
    ['dns.query; dotprefix; to_lowercase; content:".abc";', 'abc nocase'],
    ['dns.query; to_md5; content:"abc";', null],
    ['dns.query; strip_whitespace; dotprefix; content:".abc";', null],
    ['dns.query; pcrexform:"^(.*)$"; content:"abc";', 'abc'],
  ];
  for (const [options, expected] of cases) {
    it(options, () => {
      const found = literalOf(rules(rule(options))[0]);
      assert.equal(found === null ? null : Buffer.from(found.bytes).toString() + (found.nocase ? ' nocase' : ''), expected);
    });
  }

  it('finds what it found without one', () => {
    const p = packet({ proto: IpProto.Udp, appProto: AppProto.Dns, flow: 0, established: 1, dport: 53 });
    const texts = cases.map(([options]) => rule(options));
    for (const name of ['rce.ee', 'x.rce.ee', 'xrce.ee', 'abc', 'ABC', 'x.abc', 'xabc', '.abc']) {
      const all = new Bench(rules(...texts));
      const each = texts.flatMap((text, i) => {
        const one = new Bench(rules(text.replace(/\)$/, ` sid:${i + 1};)`)));
        const hit = one.transaction(p, buffers({ 'dns.query': name }));
        one.detector.close();
        return hit === '' ? [] : [hit];
      });
      assert.equal(all.transaction(p, buffers({ 'dns.query': name })), each.join(' '), name);
      all.detector.close();
    }
    const hit = (options: string, name: string) => new Bench(rules(rule(options))).transaction(p, buffers({ 'dns.query': name }));
    assert.deepEqual(
      ['rce.ee', 'x.rce.ee', 'xrce.ee'].map((name) => hit(cases[0][0], name)),
      ['1', '1', ''],
    );
    assert.deepEqual([hit(cases[4][0], 'xABCx'), hit(cases[5][0], 'xabcx')], ['1', '1']);
  });
});
