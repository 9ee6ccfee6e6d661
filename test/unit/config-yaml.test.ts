import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { dumpConfig } from '../../src/config/dump.js';
import { expandGlob } from '../../src/config/glob.js';
import { type Loaded, loadConfig, loadTree } from '../../src/config/load.js';
import { SluiceError } from '../../src/errors.js';

const root = mkdtempSync(join(tmpdir(), 'sluice-yaml-'));
after(() => rmSync(root, { recursive: true }));
let serial = 0;

/** Writes files into a folder of their own; returns the folder. */
function files(contents: Record<string, string>): string {
  const folder = join(root, String(++serial));
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function load(contents: Record<string, string>, set: [string, string][] = [], includes: string[] = []): Loaded {
  const folder = files(contents);
  return loadConfig(join(folder, 'suricata.yaml'), { set, includes: includes.map((name) => join(folder, name)) });
}

function dump(contents: Record<string, string>, set: [string, string][] = []): string[] {
  return dumpConfig(loadTree(join(files(contents), 'suricata.yaml'), { set, includes: [] }).tree).split('\n');
}

const refuses = (contents: Record<string, string>, message: RegExp, set: [string, string][] = []) =>
  assert.throws(
    () => load(contents, set),
    (error: Error) =>
      error instanceof SluiceError && error.code === 'SLUICE_CONFIG' && message.test(error.message) && !error.message.includes('\n'),
  );

test('an include replaces what came before it and is replaced by what comes after', () => {
  const { config } = load({
    'suricata.yaml': 'stats: { interval: 1 }\nflow: { hash-size: 1 }\ninclude: other.yaml\nflow: { hash-size: 3 }\n',
    'other.yaml': '%YAML 1.1\n---\nstats: { interval: 2 }\nflow: { hash-size: 2, prealloc: 5 }\n',
  });
  assert.equal(config.stats.interval, 2);
  assert.equal(config.flow.hashSize, 3);
  assert.equal(config.flow.prealloc, 10_000, 'a section written again is replaced, not merged');
});

test('includes: a list, under a key, several times, nested, relative to the including file or to the main one', () => {
  const { config } = load({
    'suricata.yaml': 'include: [ a.yaml, sub/b.yaml ]\nvars:\n  address-groups:\n    include: groups.yaml\ninclude: c.yaml\n',
    'a.yaml': 'stats: { interval: 11 }\n',
    'sub/b.yaml': 'include: inner.yaml\ninclude: main-side.yaml\n',
    'sub/inner.yaml': 'flow: { hash-size: 22 }\n',
    'main-side.yaml': 'defrag: { timeout: 33 }\n',
    'c.yaml': 'runmode: workers\n',
    'groups.yaml': '%YAML 1.1\n---\nHOME_NET: "10.0.0.0/8"\n',
  });
  assert.equal(config.stats.interval, 11);
  assert.equal(config.flow.hashSize, 22);
  assert.equal(config.defrag.timeout, 33);
  assert.equal(config.runmode, 'workers');
  assert.deepEqual(config.vars.addressGroups, { HOME_NET: '10.0.0.0/8' });
});

test('includes: a pattern, the !include tag, --include last', () => {
  const { config, warnings } = load(
    {
      'suricata.yaml': 'include: conf.d/*.yaml\ninclude: none.d/*.yaml\noutputs: !include outputs.yaml\nstats: { interval: 1 }\n',
      'conf.d/1.yaml': 'flow: { hash-size: 1 }\n',
      'conf.d/2.yaml': 'flow: { hash-size: 2 }\n',
      'outputs.yaml': '- fast: { enabled: yes, filename: x.log }\n',
      'last.yaml': 'stats: { interval: 9 }\n',
    },
    [],
    ['last.yaml'],
  );
  assert.equal(config.flow.hashSize, 2);
  assert.equal(config.outputs.fast.filename, 'x.log');
  assert.equal(config.stats.interval, 9);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /include 'none\.d\/\*\.yaml' matches no file/);
});

test('include loops, missing files and files that are no configuration are refused in one line', () => {
  refuses({ 'suricata.yaml': 'include: suricata.yaml\n' }, /a loop/);
  refuses({ 'suricata.yaml': 'include: a.yaml\n', 'a.yaml': 'include: suricata.yaml\n' }, /a\.yaml: includes .*suricata\.yaml.* a loop/);
  refuses({ 'suricata.yaml': 'x: 1\ninclude: gone.yaml\n' }, /suricata\.yaml:2: include: .*gone\.yaml: no such file/);
  refuses({ 'other.yaml': '' }, /read the configuration: .*suricata\.yaml: no such file/);
  refuses({ 'suricata.yaml/x': '' }, /it is a folder/);
  refuses({ 'suricata.yaml': 'include: { a: b }\n' }, /a file name or a list of file names/);
  refuses({ 'suricata.yaml': '- a\n- b\n' }, /not a configuration/);
  refuses({ 'suricata.yaml': 'just words' }, /not a configuration/);
  refuses({ 'suricata.yaml': 'a: [ 1\nb: 2\n' }, /suricata\.yaml:\d+: not YAML/);
  refuses({ 'suricata.yaml': 'a: 1\n\tb: 2\n' }, /not YAML/);
});

test('aliases work, and cannot be used to blow the tree up', () => {
  assert.equal(load({ 'suricata.yaml': 'flow: &f { hash-size: 4 }\nx-flow: *f\n' }).config.flow.hashSize, 4);
  refuses({ 'suricata.yaml': 'a: &a [ *a ]\n' }, /nested deeper than 64|not YAML/);
  const lines = ['a0: &a0 [ x, x, x, x, x, x, x, x, x, x ]'];
  for (let i = 1; i < 9; i++)
    lines.push(
      `a${i}: &a${i} [ ${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')} ]`,
    );
  refuses({ 'suricata.yaml': lines.join('\n') }, /more than 500000 values/);
});

test('scalars stay text: no octal, sexagesimal or date surprises; comment lines inside text survive', () => {
  const { config } = load({
    'suricata.yaml': 'vars:\n  address-groups: { A: 1:2, B: 010, C: 2001-01-01, D: !!int 7 }\n  port-groups: { P: 1:2 }\n',
  });
  assert.deepEqual(config.vars.addressGroups, { A: '1:2', B: '010', C: '2001-01-01', D: '7' });
  assert.equal(config.vars.portGroups.P, '1:2');
  assert.deepEqual(dump({ 'suricata.yaml': 'a: |\n  x\n  # y\nb: "p\n  # q"\n' }), ['a = x', '# y', '', 'b = p # q']);
});

test('dotted keys are paths, underscores are old spellings except in names of variables', () => {
  const { config, warnings } = load({ 'suricata.yaml': 'vars.address-groups.HOME_NET: 10.0.0.0/8\ndefault_log_dir: /tmp\n' });
  assert.equal(config.vars.addressGroups.HOME_NET, '10.0.0.0/8');
  assert.equal(config.logDir, '/tmp');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /'default_log_dir' is an old spelling; write 'default-log-dir'/);
});

test('--dump-config prints the merged tree in Suricata lines', () => {
  const lines = dump(
    {
      'suricata.yaml': 'foobar:\n  include: [ ./af.yaml ]\noutputs:\n  - fast:\n      enabled: yes\nrule-files:\nempty: ~\n',
      'af.yaml': 'af-packet:\n  - interface: enp10s0\n    defrag: yes\n',
    },
    [['stats.interval', '3']],
  );
  assert.deepEqual(lines, [
    'foobar = (null)',
    'foobar.af-packet = (null)',
    'foobar.af-packet.0 = interface',
    'foobar.af-packet.0.interface = enp10s0',
    'foobar.af-packet.0.defrag = yes',
    'outputs = (null)',
    'outputs.0 = fast',
    'outputs.0.fast = (null)',
    'outputs.0.fast.enabled = yes',
    'rule-files = ',
    'empty = ',
    'stats = (null)',
    'stats.interval = 3',
  ]);
});

test('--set changes values, in lists by index, adds keys, and does not add list entries', () => {
  const yaml = {
    'suricata.yaml': 'outputs:\n  - fast: { enabled: no }\n  - eve-log: { enabled: no, types: [ alert, { drop: { flows: start } } ] }\n',
  };
  const { config } = load(yaml, [
    ['outputs.1.eve-log.enabled', 'yes'],
    ['outputs.1.eve-log.types.1.drop.flows', 'all'],
    ['stream.midstream', ' true '],
    ['default-rule-path', '/a=b'],
  ]);
  assert.equal(config.outputs.eve.enabled, true);
  assert.equal(config.outputs.eve.drop.flows, 'all');
  assert.equal(config.outputs.fast.enabled, false);
  assert.equal(config.stream.midstream, true);
  refuses(yaml, /--set 'outputs\.2\.stats\.enabled=yes': no entry '2': the list 'outputs' has the entries 0 to 1/, [
    ['outputs.2.stats.enabled', 'yes'],
  ]);
  refuses(yaml, /the key has an empty part/, [['a..b', 'c']]);
});

test('a scalar list entry gets a section by --set', () => {
  const yaml = { 'suricata.yaml': 'outputs:\n  - eve-log:\n      enabled: yes\n      types: [ alert ]\n' };
  const { config } = load(yaml, [['outputs.0.eve-log.types.0.alert.packet', 'yes']]);
  assert.equal(config.outputs.eve.alert.enabled, true);
  assert.equal(config.outputs.eve.alert.packet, true);
});

test('rule files: under default-rule-path, relative to the configuration file', () => {
  const folder = files({
    'suricata.yaml': 'default-rule-path: rules\nrule-files: [ a.rules, "*.rules", /abs/b.rules ]\n',
    'rules/a.rules': '',
  });
  const { config } = loadConfig(join(folder, 'suricata.yaml'));
  assert.deepEqual(config.ruleFiles, [join(folder, 'rules/a.rules'), join(folder, 'rules/*.rules'), '/abs/b.rules']);
});

test('globs as a shell reads them', () => {
  const folder = files({ 'a.rules': '', 'b.rules': '', '.h.rules': '', 'x/1/c.rules': '', 'x/2/c.rules': '', 'a+b.rules': '' });
  const names = (pattern: string) => expandGlob(join(folder, pattern)).map((path) => path.slice(folder.length + 1));
  assert.deepEqual(names('*.rules'), ['a+b.rules', 'a.rules', 'b.rules']);
  assert.deepEqual(names('[!a].rules'), ['b.rules']);
  assert.deepEqual(names('?.rules'), ['a.rules', 'b.rules']);
  assert.deepEqual(names('x/*/c.rules'), ['x/1/c.rules', 'x/2/c.rules']);
  assert.deepEqual(names('.*.rules'), ['.h.rules']);
  assert.deepEqual(names('a+?.rules'), ['a+b.rules']);
  assert.deepEqual(names('none/*.rules'), []);
  assert.deepEqual(names('[z-a].rules'), []);
  assert.deepEqual(names('plain.rules'), ['plain.rules']);
});
