import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.js';
import { ruleContext } from '../../src/rules/context.js';
import { type DatasetsConfig, DEFAULT_DATASETS } from '../../src/rules/datasets.js';
import { finishRules, NO_ASIDE } from '../../src/rules/finish.js';
import { loadRuleText } from '../../src/rules/loader.js';
import { parseRule } from '../../src/rules/parser.js';
import { printRule } from '../../src/rules/print.js';
import { RuleError } from '../../src/rules/rule-error.js';
import { RuleCache } from '../../src/supervisor/rule-cache.js';
import { buildImage, cachedImage, openImage, storeImage } from '../../src/supervisor/rule-image.js';

const context = ruleContext();
const place = { file: '/rules/f.rules', line: 1 };
const rule = (options: string) => parseRule(`alert ip any any -> any any (${options} sid:1;)`, place, context);
const refused = (options: string, option: string, reason: RegExp) =>
  assert.throws(
    () => rule(options),
    (error: unknown) => {
      assert.ok(error instanceof RuleError, `${options}: ${String(error)}`);
      assert.equal(error.option, option, options);
      assert.match(error.reason, reason, options);
      return true;
    },
  );
const folder = mkdtempSync(join(tmpdir(), 'sluice-rules-datasets-'));

test('dataset and datarep: what they say', () => {
  const [entry] = rule('ip.src; dataset: set  ,ip-list, type ip, state ip.lst,memcap 10mb, hashsize 1024;').buffers;
  assert.deepEqual(entry.tests, [
    { kind: 'dataset', op: 'set', name: 'ip-list', type: 'ip', state: 'ip.lst', memcap: 10 << 20, hashsize: 1024 },
  ]);
  assert.deepEqual(rule('ip.src; datarep:r, >, 200, load a b.rep, type ipv4;').buffers[0].tests, [
    { kind: 'datarep', op: '>', value: 200, name: 'r', load: 'a b.rep', type: 'ipv4' },
  ]);
  assert.deepEqual(rule('pkt_data; dataset:isset,x;').payload, [{ kind: 'dataset', op: 'isset', name: 'x' }]);
  refused('dataset:isset,x;', 'dataset', /sticky buffer/);
  refused('ip.src; dataset:"",x;', 'dataset', /takes set, unset/);
  refused('ip.src; dataset:toggle,x;', 'dataset', /takes set, unset/);
  refused('ip.src; dataset:set;', 'dataset', /needs the name/);
  refused('ip.src; dataset:set,a b;', 'dataset', /no spaces/);
  refused(`ip.src; dataset:set,${'n'.repeat(64)};`, 'dataset', /at most 63/);
  refused('ip.src; dataset:set,a,type ipx;', 'dataset', /type is one of/);
  refused('ip.src; dataset:set,a,type;', 'dataset', /take a value/);
  refused('ip.src; dataset:set,a,color red;', 'dataset', /no parameter "color"/);
  refused('ip.src; dataset:set,a,save x,save y;', 'dataset', /twice/);
  refused('ip.src; dataset:set,a,save x,state y;', 'dataset', /state is load and save/);
  refused('ip.src; dataset:set,a,memcap 10tb;', 'dataset', /takes? a size/);
  refused('ip.src; dataset:isset,a,type ip,load x,format json,value_key ip;', 'dataset', /json/);
  refused('ip.src; datarep:a,=,1;', 'datarep', /operator/);
  refused('ip.src; datarep:a,>,65536;', 'datarep', /out of range/);
});

test('printed and parsed again they are the same', () => {
  for (const options of [
    'ip.src; dataset:set,ip-list,type ip,save ip.lst,load x,memcap 10mb,hashsize 1kb;',
    'ip.dst; datarep:r,==,7,type ipv4,load a.rep;',
    'pkt_data; to_md5; dataset:isnotset,d,type md5,state d.lst; dataset:set,d;',
  ]) {
    const first = rule(options);
    const again = parseRule(printRule(first), place, context);
    assert.deepEqual({ ...again, text: '' }, { ...first, text: '' });
  }
});

/** Reasons of the problems, and the sets. */
function load(text: string, datasets: Partial<DatasetsConfig> = {}) {
  const own = ruleContext({ datasets: { ...DEFAULT_DATASETS, dataDir: '/data', ...datasets } });
  const lines = text.split('\n').map((options, i) => `alert ip any any -> any any (${options} sid:${i + 1};)`);
  const set = loadRuleText(lines.join('\n'), '/rules/f.rules', own);
  finishRules(set, NO_ASIDE, own);
  return { set, problems: set.problems.map(({ sid, reason }) => `${sid}: ${reason}`), sets: set.datasets ?? [] };
}

test('which sets there are, where their files lie, and which live on', () => {
  const { problems, sets } = load(
    [
      'ip.src; dataset:set,S,type ip,state s.lst;',
      'ip.src; dataset:isset,s;',
      'ip.src; dataset:isset,l,type ipv4,load l.lst;',
      'ip.src; dataset:set,n,type ip;',
      'ip.src; dataset:set,w,type ip,save sub/w.lst,memcap 1mb;',
    ].join('\n'),
  );
  assert.deepEqual(problems, []);
  const common = { memcap: 16 << 20, hashsize: 4096, load: '', save: '' };
  assert.deepEqual(sets, [
    { ...common, name: 's', type: 'ip', load: '/data/s.lst', save: '/data/s.lst', dynamic: true, changes: true },
    { ...common, name: 'l', type: 'ipv4', load: join(process.cwd(), 'l.lst'), dynamic: false, changes: false },
    { ...common, name: 'n', type: 'ip', dynamic: true, changes: true },
    { ...common, name: 'w', type: 'ip', save: '/data/sub/w.lst', dynamic: true, changes: true, memcap: 1 << 20 },
  ]);
});

test('what a rule may write, and what contradicts another rule', () => {
  const out = load(
    'ip.src; dataset:set,a,type ip,save /etc/passwd;\nip.src; dataset:set,b,type ip,state ../../etc/x;\nip.src; dataset:set,c,type ip,state a..b;',
  );
  assert.deepEqual(
    out.set.rules.map((r) => r.sid),
    [3],
  );
  assert.match(out.problems[0], /1: .*allow-absolute-filenames is no/);
  assert.match(out.problems[1], /2: .*allow-absolute-filenames is no/);
  assert.deepEqual(load('ip.src; dataset:set,a,type ip,save /x/y;', { allowAbsolute: true }).sets[0].save, '/x/y');
  assert.match(load('ip.src; dataset:set,a,type ip,state x;', { allowWrite: false }).problems[0], /allow-write is no/);
  assert.match(load('ip.src; dataset:isset,a;').problems[0], /not defined/);
  assert.match(load('ip.src; dataset:set,a,type ip;\nip.src; dataset:set,a,type ipv4;').problems[0], /2: .*has type ip/);
  assert.match(load('ip.src; dataset:set,a,type ip,state x;\nip.src; dataset:set,a,type ip,state y;').problems[0], /other files/);
  assert.match(load('ip.src; dataset:set,a,type ip,hashsize 65537;').problems[0], /single-hashsize/);
  assert.match(
    load('ip.src; dataset:set,a,type ip;\nip.src; dataset:set,b,type ip;', { totalHashsizes: 5000 }).problems[0],
    /2: .*total-hashsizes/,
  );
});

test('suricata.yaml: sets, defaults, limits; --data-dir is where they lie', () => {
  const path = join(folder, 'suricata.yaml');
  writeFileSync(
    path,
    '%YAML 1.1\n---\ndatasets:\n  defaults:\n    memcap: 1mb\n    hashsize: 1kb\n  limits:\n    single-hashsize: 2048\n  rules:\n    allow-write: no\n  UA:\n    type: string\n    state: ua.lst\n  bl:\n    type: md5\n    load: bl.lst\n    memcap: 2mb\n',
  );
  const { config, warnings } = loadConfig(path, { set: [['default-data-dir', folder]], includes: [] });
  assert.deepEqual(warnings, []);
  const { datasets } = config;
  assert.deepEqual([datasets.dataDir, datasets.allowWrite, datasets.allowAbsolute, datasets.singleHashsize], [folder, false, false, 2048]);
  assert.deepEqual(
    datasets.sets.map((s) => [s.name, s.type, s.save, s.memcap, s.hashsize]),
    [
      ['ua', 'string', join(folder, 'ua.lst'), 1 << 20, 1024],
      ['bl', 'md5', '', 2 << 20, 1024],
    ],
  );
  assert.throws(() => loadConfig(path, { set: [['datasets.UA.type', 'text']], includes: [] }), /datasets\.UA\.type/);
  const own = ruleContext({ datasets });
  const set = loadRuleText('alert ip any any -> any any (pkt_data; dataset:set,ua; sid:1;)', 'f', own);
  finishRules(set, NO_ASIDE, own);
  assert.deepEqual(set.problems, []);
});

test('a set that cannot be read takes its rules with it; a cached image reads the files anew', () => {
  const list = join(folder, 'l.lst');
  const own = ruleContext({ datasets: DEFAULT_DATASETS });
  const make = (cache?: RuleCache) => {
    const text = 'alert ip any any -> any any (ip.src; dataset:isset,l,type ipv4,load l.lst; sid:1;)\nalert ip any any -> any any (sid:2;)';
    const set = loadRuleText(text, join(folder, 'f.rules'), own);
    finishRules(set, NO_ASIDE, own);
    return buildImage(set, own, undefined, 1, cache, {});
  };
  const without = openImage(make().bytes);
  assert.deepEqual([without.rules.map((r) => r.sid), without.report.problems[0].sid], [[2], 1]);
  assert.match(without.report.problems[0].reason, /cannot be read/);
  writeFileSync(list, '10.0.0.1\n');
  const cache = RuleCache.open(mkdtempSync(join(tmpdir(), 'sluice-dataset-cache-')), 'v');
  assert.ok(cache instanceof RuleCache, String(cache));
  const image = make(cache);
  assert.equal(image.datasets?.length, 1);
  const key = 'a'.repeat(64);
  storeImage(cache, key, image);
  writeFileSync(list, '10.0.0.1\n10.0.0.2\n');
  const again = cachedImage(cache, key);
  assert.notDeepEqual(again?.datasets?.[0].used, image.datasets?.[0].used);
  assert.ok((again?.datasets?.[0].used.length ?? 0) > (image.datasets?.[0].used.length ?? 0));
  writeFileSync(list, 'rubbish\n');
  assert.equal(cachedImage(cache, key), undefined);
});
