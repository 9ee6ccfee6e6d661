import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { Detector } from '../../src/detect/detector.js';
import { AddressTable, Entry, Kind } from '../../src/detect/state/address-table.js';
import { FlowVars } from '../../src/detect/state/flow-vars.js';
import { evaluationOrder } from '../../src/detect/state/order.js';
import { StateStore } from '../../src/detect/state/store.js';
import { Counter } from '../../src/metrics/counters.js';
import { Bench, flows, type PacketSpec, packet, rules } from '../support/detect.js';

const any = 'alert udp any any -> any any';
const bench = (...options: string[]) => new Bench(rules(...options.map((o) => `${any} (${o})`)));
const on = (b: Bench, payload: string, spec: PacketSpec = {}) => b.sids(packet({ flow: 0, payload, ...spec }));

test('flowbits: set by one packet, seen by the next of the same flow', () => {
  const b = bench('content:"s"; flowbits:set,a; noalert;', 'content:"t"; flowbits:isset,a;', 'content:"t"; flowbits:isnotset,a;');
  assert.equal(on(b, 't'), '3');
  assert.equal(on(b, 's'), '~1');
  assert.equal(on(b, 't'), '2');
  assert.equal(on(b, 't', { flow: 1 }), '3');
  assert.equal(b.detector.broken.length, 0);
});

test('flowbits: a packet without a flow passes neither test, and sets nothing', () => {
  const b = bench('content:"s"; flowbits:set,a;', 'content:"t"; flowbits:isset,a;', 'content:"t"; flowbits:isnotset,a;');
  assert.equal(on(b, 's', { flow: -1 }), '1');
  assert.equal(on(b, 't', { flow: -1 }), '');
});

test('flowbits: unset, toggle, or-lists', () => {
  const b = bench(
    'content:"s"; flowbits:set,a;',
    'content:"u"; flowbits:unset,a;',
    'content:"x"; flowbits:toggle,a;',
    'content:"t"; flowbits:isset,b|a;',
    'content:"t"; flowbits:isnotset,a|b;',
    'content:"t"; flowbits:isset,b|c;',
  );
  on(b, 's');
  assert.equal(on(b, 't'), '4 5');
  on(b, 'u');
  assert.equal(on(b, 't'), '5');
  on(b, 'x');
  assert.equal(on(b, 't'), '4 5');
  on(b, 'x');
  assert.equal(on(b, 't'), '5');
});

test('flowbits: what one rule sets, a later one of the same packet sees; chains in order of dependence', () => {
  // Written back to front.
  const b = bench(
    'content:"s"; flowbits:isset,c;',
    'content:"s"; flowbits:isset,b; flowbits:set,c;',
    'content:"s"; flowbits:isset,a; flowbits:set,b;',
    'content:"s"; flowbits:set,a;',
  );
  assert.equal(on(b, 's'), '4 3 2 1');
});

test('flowint: add makes it, subtract does not, compare needs it, 32 bits', () => {
  const b = bench(
    'content:"+"; flowint:n,+,3;',
    'content:"-"; flowint:n,-,1;',
    'content:"0"; flowint:n,=,0;',
    'content:"t"; flowint:n,notset;',
    'content:"t"; flowint:n,==,3;',
    'content:"t"; flowint:n,>,4;',
    'content:"t"; flowint:n,<,m;',
    'content:"m"; flowint:m,=,n;',
    'content:"t"; flowint:n,==,4294967295;',
  );
  on(b, '-');
  assert.equal(on(b, 't'), '4');
  on(b, '+');
  assert.equal(on(b, 't'), '5');
  on(b, 'm');
  on(b, '+');
  assert.equal(on(b, 't'), '6');
  on(b, '-');
  on(b, '-');
  on(b, '-');
  on(b, '-');
  assert.equal(on(b, 't'), '7');
  on(b, '0');
  on(b, '-');
  assert.equal(on(b, 't'), '6 9');
});

test('state outlives the detector; a flow that ends takes its own along', () => {
  const store = new StateStore({ flows: 4 });
  const table = flows();
  const options = { pcreMatchLimit: 3500, pcreDepthLimit: 1500, thresholdEntries: 64 };
  const run = (text: string, slot: number) =>
    new Detector(rules(text), options, new Float64Array(Counter.Count), store).inspect(packet({ flow: slot, payload: 'x' }), table);
  run(`${any} (content:"x"; flowbits:set,keep; sid:1;)`, 0);
  const asks = `${any} (content:"x"; flowbits:isset,keep; sid:2;)`;
  assert.equal(run(asks, 0), 1);
  store.flowEnded(0);
  assert.equal(run(asks, 0), 0);
  const limited = `${any} (content:"x"; threshold:type threshold,track by_src,count 3,seconds 60; sid:3; rev:1;)`;
  assert.deepEqual([run(limited, 1), run(limited, 1), run(limited, 1)], [0, 0, 1]);
  // A new revision counts anew.
  assert.deepEqual([run(limited, 1), run(limited, 1), run(limited.replace('rev:1', 'rev:2'), 1)], [0, 0, 0]);
});

test('xbits: addresses, pairs, and the time they last', () => {
  const b = bench(
    'content:"s"; xbits:set,x,track ip_src,expire 10;',
    'content:"p"; xbits:set,y,track ip_pair;',
    'content:"u"; xbits:unset,x,track ip_dst;',
    'content:"t"; xbits:isset,x,track ip_src;',
    'content:"t"; xbits:isset,x,track ip_dst;',
    'content:"t"; xbits:isset,y,track ip_pair;',
    'content:"t"; hostbits:isset,x,both;',
    'content:"t"; xbits:isnotset,x,track ip_src;',
  );
  const forth: PacketSpec = { src: '10.0.0.1', dst: '10.0.0.2', sec: 100 };
  const back: PacketSpec = { src: '10.0.0.2', dst: '10.0.0.1', sec: 100 };
  assert.equal(on(b, 't', forth), '8');
  on(b, 's', forth);
  assert.equal(on(b, 't', forth), '4 7');
  assert.equal(on(b, 't', { ...back, flow: 2 }), '5 7 8');
  assert.equal(on(b, 't', { ...forth, sec: 110, nsec: 999 }), '4 7');
  assert.equal(on(b, 't', { ...forth, sec: 111 }), '8');
  on(b, 's', forth);
  on(b, 'u', back);
  assert.equal(on(b, 't', forth), '8');
  on(b, 'p', forth);
  assert.equal(on(b, 't', back), '8 6');
  assert.equal(on(b, 't', { ...back, src: '10.0.0.3' }), '8');
  // The same words as IPv6 address are another address.
  on(b, 's', forth);
  assert.equal(on(b, 't', { src: 'a00:1::', dst: 'fd00::1', sec: 100 }), '8');
});

test('hostbits toggle, and bits of packets without IP', () => {
  const b = new Bench(
    rules(
      'alert pkthdr any any -> any any (hostbits:toggle,z,dst; sid:1;)',
      'alert pkthdr any any -> any any (hostbits:isset,z,dst; sid:2;)',
    ),
  );
  assert.equal(b.sids(packet({ notIp: true })), '1');
  assert.equal(b.sids(packet({ notIp: true })), '1');
  assert.equal(b.sids(packet({})), '1 2');
  assert.equal(b.sids(packet({})), '1');
});

test('detection_filter: matches above the count in the time', () => {
  const b = new Bench(rules(`drop udp any any -> any any (content:"x"; detection_filter:track by_src,count 2,seconds 10;)`));
  const seen = [0, 1, 2, 3, 11, 12, 13].map((s) => (on(b, 'x', { sec: 1000 + s }) === '1' ? 'A' : '-')).join('');
  assert.equal(seen, '--AA--A');
});

test('backoff: at the count and each multiple by the multiplier; others act silently, the first not at all', () => {
  const run = (count: number, multiplier: number, n: number) => {
    const b = bench(`content:"x"; threshold:type backoff,track by_flow,count ${count},multiplier ${multiplier};`);
    return Array.from({ length: n }, () => ({ '': '-', '1': 'A', '~1': 's' })[on(b, 'x')]).join('');
  };
  assert.equal(run(1, 2, 9), 'AAsAsssAs');
  assert.equal(run(2, 2, 9), '-AsAsssAs');
});

test('rate filter: another action above the count, for as long as it lasts', () => {
  const [rule] = rules(`${any} (content:"x"; sid:1;)`);
  rule.rateFilter = { track: 'by_src', count: 2, seconds: 10, action: 'drop', timeout: 30 };
  const b = new Bench([rule]);
  const actions = [0, 1, 2, 3, 32, 33, 34].map((s) => {
    assert.equal(on(b, 'x', { sec: 1000 + s }), '1');
    return b.detector.actions[0];
  });
  assert.deepEqual(actions, [0, 0, 2, 2, 2, 0, 0]);
});

test('suppression: no alert for these addresses, the match and what it sets stay', () => {
  const [rule, asks] = rules(`drop udp any any -> any any (content:"x"; flowbits:set,sup;)`, `${any} (content:"x"; flowbits:isset,sup;)`);
  rule.suppressions = [
    {
      track: 'by_either',
      addresses: { any: false, ranges: [{ family: 4, first: Uint8Array.of(192, 0, 2, 0), last: Uint8Array.of(192, 0, 2, 255) }] },
    },
  ];
  const b = new Bench([rule, asks]);
  assert.equal(on(b, 'x'), '~1 2');
  assert.equal(on(b, 'x', { dst: '10.9.9.9' }), '1 2');
  assert.equal(b.counters[Counter.AlertsSuppressed], 1);
});

test('a pool of flow variables that is full sets nothing more, and counts it', () => {
  const counters = new Float64Array(Counter.Count);
  const vars = new FlowVars(1, counters);
  for (let k = 1; k <= 6; k++) vars.set(0, k, k);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((k) => vars.has(0, k)),
    [1, 1, 1, 1, 0, 0],
  );
  assert.equal(counters[Counter.FlowVarsFull], 2);
  vars.clear(0);
  vars.set(0, 9, -1);
  assert.deepEqual([vars.get(0, 9), vars.has(0, 1), vars.has(-1, 9), vars.has(7, 9)], [0xffffffff, 0, 0, 0]);
  vars.set(7, 1, 1);
  assert.equal(counters[Counter.FlowVarsFull], 3);
});

test('flow variables behave as a map of maps', () => {
  const command = fc.record({
    op: fc.constantFrom('set', 'remove', 'clear'),
    slot: fc.nat(3),
    key: fc.integer({ min: 1, max: 6 }),
    value: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const vars = new FlowVars(4, new Float64Array(Counter.Count));
      const model = [0, 1, 2, 3].map(() => new Map<number, number>());
      let used = 0;
      for (const { op, slot, key, value } of commands) {
        if (op === 'clear') {
          vars.clear(slot);
          model[slot].clear();
        } else if (op === 'remove') {
          vars.remove(slot, key);
          model[slot].delete(key);
        } else if (model[slot].has(key) || used < 16) {
          vars.set(slot, key, value);
          model[slot].set(key, value);
        }
        used = model.reduce((sum, m) => sum + m.size, 0);
      }
      for (let s = 0; s < 4; s++)
        for (let k = 1; k <= 6; k++) assert.equal(vars.has(s, k) === 1 ? vars.get(s, k) : -1, model[s].get(k) ?? -1);
    }),
  );
});

test('order: action, then setters before readers, then priority, then sid', () => {
  const list = rules(
    'alert ip any any -> any any (priority:1; sid:9;)',
    'alert ip any any -> any any (flowbits:isset,a; priority:9; sid:8;)',
    'alert ip any any -> any any (flowbits:set,a; priority:9; sid:7;)',
    'alert ip any any -> any any (flowint:n,>,1; sid:6;)',
    'alert ip any any -> any any (flowint:n,+,1; sid:5;)',
    'drop ip any any -> any any (flowbits:isset,a; sid:4;)',
    'pass ip any any -> any any (sid:3;)',
    'alert ip any any -> any any (priority:1; sid:2;)',
    'alert ip any any -> any any (xbits:isset,a,track ip_src; sid:10;)',
    'alert ip any any -> any any (hostbits:set,a; sid:11;)',
  );
  const sids = (actions?: string[]) => Array.from(evaluationOrder(list, actions), (i) => list[i].sid).join(' ');
  assert.equal(sids(), '3 4 7 8 5 6 11 10 2 9');
  assert.equal(sids(['alert', 'drop', 'pass', 'reject']), '7 8 5 6 11 10 2 9 4 3');
});

test('order: rules in a circle come last, none is lost', () => {
  const list = rules(
    'alert ip any any -> any any (flowbits:isset,a; flowbits:set,b; sid:1;)',
    'alert ip any any -> any any (flowbits:isset,b; flowbits:set,a; sid:2;)',
    'alert ip any any -> any any (flowbits:isnotset,c; flowbits:set,c; sid:3;)',
  );
  assert.deepEqual(
    Array.from(evaluationOrder(list), (i) => list[i].sid),
    [3, 1, 2],
  );
});

test('two threads count in one table without losing any', { timeout: 60_000 }, async () => {
  const buffer = AddressTable.create(8, true);
  const url = new URL('../../src/detect/state/address-table.js', import.meta.url).href;
  const each = 20_000;
  const source = `
    const { workerData } = require('node:worker_threads');
    import(workerData.url).then(({ AddressTable }) => {
      const table = new AddressTable(workerData.buffer, new Float64Array(256), 0);
      const p = { tsSec: 5, tsNsec: 0 };
      for (let i = 0; i < workerData.each; i++) {
        table.key(1, 1, 1, 1);
        const e = table.claim(p);
        const n = table.words[e + 15];
        table.words[e + 15] = n < 0 ? 1 : n + 1;
        table.release();
      }
    });`;
  await Promise.all(
    [0, 1].map(
      () =>
        new Promise((resolve, reject) =>
          new Worker(source, { eval: true, workerData: { url, buffer, each } }).once('exit', resolve).once('error', reject),
        ),
    ),
  );
  const table = new AddressTable(buffer, new Float64Array(Counter.Count), Counter.ThresholdEvicted);
  table.key(Kind.Limit, 1, 1, 1);
  const e = table.find(packet({ sec: 5 }));
  assert.equal(table.words[e + Entry.Count], 2 * each);
  table.release();
});

test('tag: the packets after the match, of a flow or a host, as many or as long as it says', () => {
  const tagged = (option: string, ...specs: PacketSpec[]) => {
    const store = new StateStore({ flows: 4 });
    const detector = new Detector(
      rules(`${any} (content:"x"; ${option}; sid:1;)`),
      { pcreMatchLimit: 3500, pcreDepthLimit: 1500, thresholdEntries: 64 },
      new Float64Array(Counter.Count),
      store,
    );
    const table = flows();
    return specs
      .map((spec) => {
        const p = packet({ flow: 0, ...spec });
        p.wireLen = 100;
        const used = store.tags.use(p, table);
        detector.inspect(p, table);
        return used;
      })
      .join('');
  };
  const x: PacketSpec = { payload: 'x' };
  assert.equal(tagged('tag:session,3,packets', {}, x, {}, {}, {}), '00110');
  assert.equal(tagged('tag:session', x, {}, { flow: 1 }, { flow: -1 }, {}), '01001');
  assert.equal(tagged('tag:session,250,bytes', x, {}, {}), '010');
  assert.equal(tagged('tag:session,5,seconds', x, { sec: 1005 }, { sec: 1006 }), '010');
  const other: PacketSpec = { src: '192.0.2.1', dst: '10.9.9.9', flow: 1 };
  assert.equal(tagged('tag:host,9,packets,dst', x, other, { flow: 1, dst: '10.9.9.9' }), '010');
  assert.equal(tagged('tag:host,9,packets,src', x, other, { flow: 1, dst: '10.9.9.9' }), '001');
  // Below the threshold it is no match, so nothing is tagged.
  assert.equal(tagged('tag:session; threshold:type threshold,track by_src,count 2,seconds 9', x, x, {}), '001');
});
