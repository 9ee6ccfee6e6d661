import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { NfqConfig } from '../../src/config/config.js';
import { dumpConfig } from '../../src/config/dump.js';
import { defaultConfig, type Loaded, loadConfig } from '../../src/config/load.js';
import { checkNfq, chooseGroups } from '../../src/config/netfilter.js';
import { DEFAULT_CONFIG_FILE } from '../../src/config/paths.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-netfilter-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'suricata.yaml');

function load(yaml: string): Loaded {
  writeFileSync(file, yaml);
  return loadConfig(file);
}

const nfq = (yaml: string): NfqConfig => load(yaml).config.nfq;

function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: Error) => {
    assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG', error.stack);
    assert.match(error.message, message);
    assert.ok(!error.message.includes('\n'));
    return true;
  });
}

/** Warnings without the place they speak of, which must be this file. */
function warnings(yaml: string): string[] {
  return load(yaml).warnings.map((warning) => {
    assert.ok(warning.startsWith(`${file}:`), warning);
    return warning.replace(/^\S+ /, '');
  });
}

const DEFAULTS: NfqConfig = {
  queues: [],
  mode: 'accept',
  repeatMark: 0,
  repeatMask: 0,
  bypassMark: 0,
  bypassMask: 0,
  routeQueue: 0,
  batchCount: 64,
  failOpen: false,
  queueLength: 8192,
  receiveBuffer: 32 << 20,
  copyRange: 65_535,
  gso: true,
  verdictDeadline: 1000,
};

test('without nfq and nflog, or with empty ones, the defaults stand', () => {
  for (const yaml of ['', 'nfq:\nnflog:\n', 'nfq: {}\nnflog: []\n']) {
    const { config, warnings, engine } = load(yaml);
    assert.deepEqual(config.nfq, DEFAULTS);
    assert.deepEqual(config.nflog, []);
    assert.equal(config.hostMode, 'auto');
    assert.equal(config.sluice.rejectRate, 1000);
    assert.deepEqual(engine.nflogDefaults, { group: 0, bufferSize: 18_432, qthreshold: 1, qtimeout: 100, maxSize: 20_000 });
    assert.deepEqual(warnings, []);
  }
  assert.deepEqual(defaultConfig().nfq, DEFAULTS);
});

test('nfq: every key of Suricata, and what is our own', () => {
  const { config, warnings } = load(`
nfq:
  mode: repeat
  repeat-mark: 1
  repeat-mask: 0xff
  bypass-mark: 0x80000000
  bypass-mask: 4294967295
  route-queue: 2
  batchcount: 20
  fail-open: yes
host-mode: sniffer-only
sluice:
  nfq: { queue-length: 100, receive-buffer: 1mb, copy-range: 256, gso: no, verdict-deadline: 0 }
  reject-rate: 7
`);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.nfq, {
    queues: [],
    mode: 'repeat',
    repeatMark: 1,
    repeatMask: 255,
    bypassMark: 0x80000000 | 0,
    bypassMask: -1,
    routeQueue: 2,
    batchCount: 20,
    failOpen: true,
    queueLength: 100,
    receiveBuffer: 1 << 20,
    copyRange: 256,
    gso: false,
    verdictDeadline: 0,
  });
  assert.equal(config.hostMode, 'sniffer-only');
  assert.equal(config.sluice.rejectRate, 7);
  checkNfq(config);
});

test('marks are 32 bits, kept as int32, whatever way they are written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.boolean(), (mark, hex) => {
      const { repeatMark } = nfq(`nfq: { repeat-mark: ${hex ? `0x${mark.toString(16)}` : mark} }`);
      assert.equal(repeatMark, mark | 0);
      assert.equal(repeatMark >>> 0, mark);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('batchcount: 0 and 1 are a verdict per packet; above 255 it is brought down, and said', () => {
  for (const [text, count] of [
    ['0', 1],
    ['1', 1],
    ['2', 2],
    ['255', 255],
  ] as const)
    assert.equal(nfq(`nfq: { batchcount: ${text} }`).batchCount, count);
  assert.equal(nfq('nfq: { batchcount: 256 }').batchCount, 255);
  assert.deepEqual(warnings('nfq: { batchcount: 1000 }'), ['nfq.batchcount is 1000: 255 is used, the most one verdict may cover']);
});

test('sluice.nfq.gso follows sluice.gso unless it says otherwise', () => {
  assert.equal(nfq('sluice: { gso: no }').gso, false);
  assert.equal(nfq('sluice: { gso: auto }').gso, true);
  assert.equal(nfq('sluice: { gso: no, nfq: { gso: yes } }').gso, true);
  assert.equal(nfq('sluice: { gso: yes, nfq: { gso: no } }').gso, false);
  assert.equal(nfq('sluice: { gso: yes, nfq: { gso: auto } }').gso, true);
});

test('bad values are one line with what is allowed', () => {
  const bad = (yaml: string, message: RegExp) => refuses(() => load(yaml), message);
  bad('nfq: { mode: drop }', /:1: nfq\.mode is 'drop'; allowed: one of accept, repeat, route$/);
  bad('nfq: { repeat-mark: 4294967296 }', /nfq\.repeat-mark is '4294967296'; allowed: a whole number from 0 to 4294967295/);
  bad('nfq: { bypass-mask: -1 }', /nfq\.bypass-mask is '-1'/);
  bad('nfq: { route-queue: 65536 }', /nfq\.route-queue is '65536'/);
  bad('nfq: { batchcount: many }', /nfq\.batchcount is 'many'/);
  bad('nfq: { fail-open: maybe }', /nfq\.fail-open is 'maybe'; allowed: yes or no/);
  bad('nfq: [ 1 ]', /nfq is a list/);
  bad('host-mode: bridge', /host-mode is 'bridge'; allowed: one of auto, router, sniffer-only/);
  bad('sluice: { nfq: { copy-range: 65536 } }', /sluice\.nfq\.copy-range is '65536'/);
  bad('sluice: { nfq: { queue-length: 0 } }', /sluice\.nfq\.queue-length is '0'/);
  bad('sluice: { nfq: { receive-buffer: 1kb } }', /sluice\.nfq\.receive-buffer is '1kb'; allowed: a size such as .* from 64kb to 1gb/);
  bad('sluice: { reject-rate: -5 }', /sluice\.reject-rate is '-5'/);
  assert.deepEqual(warnings('nfq: { batch-count: 3 }'), [`unknown key 'nfq.batch-count' is ignored`]);
});

test('mode repeat needs marks that tell an inspected packet from a new one', () => {
  for (const keys of [
    '',
    ', repeat-mark: 1',
    ', repeat-mask: 1',
    ', repeat-mark: 2, repeat-mask: 1',
    ', repeat-mark: 0, repeat-mask: 0xffffffff',
  ])
    refuses(
      () => checkNfq(load(`nfq: { mode: repeat${keys} }`).config),
      /nfq: mode is repeat, .*set repeat-mark: 1 and repeat-mask: 1.*-m mark ! --mark 1\/1 -j NFQUEUE/,
    );
  checkNfq(load('nfq: { mode: repeat, repeat-mark: 0x80000000, repeat-mask: 0xf0000000 }').config);
});

test('mode route: not back into a queue of this run', () => {
  const { config } = load('nfq: { mode: route, route-queue: 2 }');
  checkNfq(config);
  config.nfq.queues = [0, 1];
  checkNfq(config);
  config.nfq.queues = [0, 2];
  refuses(
    () => checkNfq(config),
    /mode is route with route-queue 2, which -q reads as well.*give route-queue the queue of the next program/,
  );
  assert.deepEqual(warnings('nfq: { mode: route }'), [`nfq.mode is 'route' without route-queue: packets go on to queue 0`]);
});

test('a bypass mark that the mask takes away is told', () => {
  assert.match(warnings('nfq: { bypass-mark: 2 }')[0], /nfq\.bypass-mark has no bit that bypass-mask lets through.*set bypass-mask/);
  assert.match(warnings('nfq: { bypass-mark: 2, bypass-mask: 1 }')[0], /set bypass-mask/);
  assert.deepEqual(warnings('nfq: { bypass-mark: 3, bypass-mask: 1 }'), []);
});

/** From the slides of the seed, as they stand. */
const SLIDES = `
#nflog support
nflog:
  # netlink multicast group
  # (the same as the iptables --nflog-group param)
  # Group 0 is used by the kernel, so you can't use it
- group: 2
  # netlink buffer size
  buffer-size: 18432
  # put default value here
- group: default
  # set number of packet to queue inside kernel
  qthreshold: 1
  # set the delay before flushing packet in the queue inside kernel
  qtimeout: 100
  # netlink max buffer size
  max-size: 20000
`;

test('nflog: the fragment of the slides', () => {
  const { config, warnings } = load(SLIDES);
  assert.deepEqual(config.nflog, [{ group: 2, bufferSize: 18_432, qthreshold: 1, qtimeout: 100, maxSize: 20_000 }]);
  assert.deepEqual(warnings, []);
});

test('nflog: group default gives what an entry leaves out, wherever it stands', () => {
  const { config, engine, tree } = load(`
nflog:
  - { group: default, qthreshold: 10, qtimeout: 50, max-size: 64kb }
  - { group: 7, qtimeout: 5 }
  - { group: 3, qthreshold: , buffer-size: 1mb }
`);
  assert.deepEqual(config.nflog, [
    { group: 7, bufferSize: 18_432, qthreshold: 10, qtimeout: 5, maxSize: 65_536 },
    { group: 3, bufferSize: 1 << 20, qthreshold: 10, qtimeout: 50, maxSize: 65_536 },
  ]);
  assert.deepEqual(engine.nflogDefaults, { group: 0, bufferSize: 18_432, qthreshold: 10, qtimeout: 50, maxSize: 65_536 });
  assert.ok(!dumpConfig(tree).includes('nflog.1.max-size'), 'what default lends is not in the dump');
  assert.ok(dumpConfig(tree).includes('nflog.2.qthreshold = \n'), 'an empty key stays empty');
});

test('nflog: bad entries are refused', () => {
  const bad = (list: string, message: RegExp) => refuses(() => load(`nflog: ${list}`), message);
  bad('{ group: 2 }', /nflog is not a list/);
  bad('2', /nflog is not a list/);
  bad('[ { qtimeout: 3 } ]', /nflog\.0\.group is missing/);
  bad('[ { group: 0 } ]', /nflog\.0\.group is 0, which belongs to the kernel; allowed: a whole number from 1 to 65535, or default/);
  bad('[ { group: 65536 } ]', /nflog\.0\.group is '65536'/);
  bad('[ { group: web } ]', /nflog\.0\.group is 'web'/);
  bad('[ { group: 2 }, { group: 0x2 } ]', /nflog\.1\.group is '0x2' a second time/);
  bad('[ { group: default }, { group: default } ]', /nflog\.1\.group is 'default' a second time/);
  bad('[ { group: 2, qthreshold: 0 } ]', /nflog\.0\.qthreshold is '0'/);
  bad('[ { group: default, max-size: 2 }, { group: 2 } ]', /max-size is '2'/);
  assert.deepEqual(warnings('nflog: [ { group: 2, qtreshold: 3 } ]'), [`unknown key 'nflog.0.qtreshold' is ignored`]);
});

test('chooseGroups: configured ones, named ones, both; each once', () => {
  const { config, engine } = load('nflog: [ { group: 2, qtimeout: 1 }, { group: 5 }, { group: default, qtimeout: 9 } ]');
  const chosen = (named: number[], all: boolean) =>
    chooseGroups(config.nflog, engine.nflogDefaults, named, all).map((one) => [one.group, one.qtimeout]);
  assert.deepEqual(chosen([], false), []);
  assert.deepEqual(chosen([], true), [
    [2, 1],
    [5, 9],
  ]);
  assert.deepEqual(chosen([7, 2], false), [
    [7, 9],
    [2, 1],
  ]);
  assert.deepEqual(chosen([2, 7], true), [
    [2, 1],
    [5, 9],
    [7, 9],
  ]);
});

test('the shipped file shows all of it in --dump-config', () => {
  const { tree, config } = loadConfig(DEFAULT_CONFIG_FILE);
  const lines = dumpConfig(tree).split('\n');
  for (const line of [
    'nfq.mode = accept',
    'nfq.batchcount = 64',
    'nfq.fail-open = no',
    'nflog.0.group = 2',
    'nflog.1.group = default',
    'host-mode = auto',
    'sluice.nfq.queue-length = 8192',
    'sluice.nfq.verdict-deadline = 1000',
    'sluice.reject-rate = 1000',
  ])
    assert.ok(lines.includes(line), line);
  assert.deepEqual(config.nfq, DEFAULTS);
  assert.deepEqual(
    config.nflog.map((one) => one.group),
    [2],
  );
});

test('whatever stands in nfq and nflog, the loader returns int32 marks and groups in range, or one line', () => {
  const value = fc.oneof(
    fc.constantFrom(
      'accept',
      'repeat',
      'route',
      'default',
      'yes',
      '',
      '0',
      '1',
      '0xffffffff',
      '255',
      '256',
      '65535',
      '65536',
      '-1',
      '64kb',
      '~',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const keys = ['mode', 'repeat-mark', 'bypass-mark', 'bypass-mask', 'route-queue', 'batchcount', 'fail-open', 'group'];
  const section = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 });
  const group = fc.dictionary(fc.constantFrom('group', 'buffer-size', 'qthreshold', 'qtimeout', 'max-size'), value, { maxKeys: 4 });
  let good = 0;
  let bad = 0;
  fc.assert(
    fc.property(section, fc.oneof(value, fc.array(group, { maxLength: 3 })), (nfq, nflog) => {
      try {
        const { config } = load(JSON.stringify({ nfq, nflog }));
        good++;
        for (const mark of [config.nfq.repeatMark, config.nfq.bypassMark, config.nfq.bypassMask]) assert.equal(mark, mark | 0);
        assert.ok(config.nfq.batchCount >= 1 && config.nfq.batchCount <= 255);
        for (const { group, qthreshold, maxSize } of config.nflog)
          assert.ok(group >= 1 && group <= 65_535 && qthreshold >= 1 && maxSize >= 1024);
        assert.equal(new Set(config.nflog.map((one) => one.group)).size, config.nflog.length);
        checkNfq(config);
      } catch (error) {
        assert.ok(error instanceof SluiceError, (error as Error).stack);
        assert.ok(!/[\n\r]/.test(error.message));
        bad++;
      }
    }),
    { numRuns: 1500, seed: 5 },
  );
  assert.ok(good > 50 && bad > 50, `${good} good, ${bad} bad: both sides must be met`);
});
