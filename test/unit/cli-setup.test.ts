import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseFlags } from '../../src/cli/flags.js';
import { createLog } from '../../src/cli/log.js';
import { prepare, type RunSetup, runSetup } from '../../src/cli/setup.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-setup-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'rules'));
mkdirSync(join(folder, 'log'));
for (const name of ['rules/a.rules', 'rules/b.rules', 'x.rules']) writeFileSync(join(folder, name), '');
const file = join(folder, 'suricata.yaml');
writeFileSync(
  file,
  `
default-log-dir: ${folder}/made/log
default-rule-path: rules
rule-files: [ "*.rules", a.rules, "none*.rules" ]
pid-file: ${folder}/configured.pid
run-as: { user: conf }
af-packet:
  - { interface: a0, cluster-id: 98, copy-mode: ips, copy-iface: a1, threads: 2 }
  - { interface: a1, cluster-id: 97, copy-mode: ips, copy-iface: a0, threads: auto }
  - { interface: w0, cluster-id: 96, threads: 1 }
  - { interface: default, cluster-id: 98, threads: 4, ring-size: 512 }
nflog:
  - { group: 2, qtimeout: 7 }
  - { group: 4 }
  - { group: default, qthreshold: 5 }
`,
);

function setup(...argv: string[]): RunSetup {
  const flags = parseFlags(['-c', file, ...argv]);
  return runSetup(flags, prepare(flags), createLog({ write: () => {} }));
}

const refuses = (message: RegExp, ...argv: string[]) =>
  assert.throws(
    () => setup(...argv),
    (error: Error) => {
      assert.ok(error instanceof SluiceError, error.stack);
      assert.match(error.message, message);
      return true;
    },
  );

test('--af-packet uses all entries, threads resolved, equal on a pair', () => {
  const { config, source, runAs, pidFile } = setup('--af-packet');
  assert.equal(source, 'live');
  assert.deepEqual(
    config.afPacket.map((one) => [one.interface, one.threads]),
    [
      ['a0', 2],
      ['a1', 2],
      ['w0', 1],
    ],
  );
  assert.deepEqual(runAs, { user: 'conf', group: '' });
  assert.equal(pidFile, '', 'pid-file of the configuration is for daemons');
  assert.ok(existsSync(join(folder, 'made/log')), 'default-log-dir is made');
});

test('-i: a configured entry, with its peer; an unknown one gets an IDS entry from the defaults', () => {
  const names = (...argv: string[]) => setup(...argv).config.afPacket.map((one) => one.interface);
  assert.deepEqual(names('-i', 'w0'), ['w0']);
  assert.deepEqual(names('-i', 'a1'), ['a1', 'a0']);
  const [, , made] = setup('-i', 'a0', '--af-packet=z9').config.afPacket;
  assert.deepEqual([made.interface, made.copyMode, made.copyIface, made.threads, made.ringSize], ['z9', 'none', '', 4, 512]);
  assert.notEqual(made.clusterId, 98, 'the default cluster-id is taken by a0');
});

test('-q and --nflog: what the command line asks for, and nothing else', () => {
  const asked = (...argv: string[]) => {
    const { config, source } = setup(...argv);
    assert.equal(source, 'live');
    return [config.afPacket.map((one) => one.interface), config.nfq.queues, config.nflog.map((one) => one.group)];
  };
  assert.deepEqual(asked('-q', '0'), [[], [0], []]);
  assert.deepEqual(asked('-q', '2:3', '-q', '0', '-q', '3'), [[], [0, 2, 3], []]);
  assert.deepEqual(asked('--nflog'), [[], [], [2, 4]]);
  assert.deepEqual(asked('-nflog=9', '--nflog=4'), [[], [], [9, 4]]);
  assert.deepEqual(asked('--nflog', '--nflog=9'), [[], [], [2, 4, 9]]);
  assert.deepEqual(asked('-q', '0', '-nflog', '-v'), [[], [0], [2, 4]]);
  assert.deepEqual(asked('-i', 'w0', '-q', '0', '--nflog=2'), [['w0'], [0], [2]]);
  assert.deepEqual(asked('--af-packet', '-q', '0:1', '--nflog'), [
    ['a0', 'a1', 'w0'],
    [0, 1],
    [2, 4],
  ]);
  assert.deepEqual(asked('--af-packet', '-i', 'z9', '-i', 'w0'), [['a0', 'a1', 'w0', 'z9'], [], []]);
  assert.deepEqual(asked('--af-packet'), [['a0', 'a1', 'w0'], [], []]);
  const [two, nine] = setup('--nflog=2', '--nflog=9').config.nflog;
  assert.deepEqual(two, { group: 2, bufferSize: 18_432, qthreshold: 5, qtimeout: 7, maxSize: 20_000 });
  assert.deepEqual(nine, { group: 9, bufferSize: 18_432, qthreshold: 5, qtimeout: 100, maxSize: 20_000 }, 'from the default entry');
});

test('-q needs no af-packet section, --nflog a group', () => {
  const bare = ['--set', 'af-packet=', '--set', 'nflog='];
  const { config } = setup('-q', '0', '--nflog=5', ...bare);
  assert.deepEqual([config.afPacket, config.nfq.queues, config.nflog.map((one) => one.group)], [[], [0], [5]]);
  refuses(
    /suricata\.yaml: --nflog: no group is configured; add 'nflog: \[ \{ group: 2 \} \]', or name one: --nflog=2$/,
    '--nflog',
    ...bare,
  );
  refuses(/af-packet: no interface is configured/, '-q', '0', '--af-packet', ...bare);
  // A bridge that cannot be is no obstacle to a queue.
  assert.deepEqual(setup('-q', '0', '--set', 'af-packet.0.copy-iface=gone').config.afPacket, []);
});

test('what would go round for ever is refused once there are queues', () => {
  refuses(/nfq: mode is repeat, .*set repeat-mark: 1/, '-q', '0', '--set', 'nfq.mode=repeat');
  refuses(/route-queue 3, which -q reads as well/, '-q', '0:3', '--set', 'nfq.mode=route', '--set', 'nfq.route-queue=3');
  setup('-q', '0:2', '--set', 'nfq.mode=route', '--set', 'nfq.route-queue=3');
  refuses(/runmode single reads capture files only; use autofp or workers/, '-q', '0', '--runmode', 'single');
  assert.equal(setup('-q', '0', '--runmode', 'workers').config.runmode, 'workers');
});

test('-r: single unless --runmode says otherwise, absolute paths', () => {
  assert.equal(setup('-r', 'x.pcap').config.runmode, 'single');
  assert.equal(setup('-r', 'x.pcap', '--runmode', 'autofp').config.runmode, 'autofp');
  assert.equal(setup('-r', 'x.pcap', '--set', 'runmode=workers').config.runmode, 'single');
  const { pcap, source } = setup('-r', '/f/x.pcap', '--pcap-file-continuous');
  assert.equal(source, 'pcap-file');
  assert.deepEqual(pcap, { path: '/f/x.pcap', continuous: true, recursive: false });
  refuses(/runmode single/, '--af-packet', '--runmode', 'single');
});

test('rule files: configured with patterns and -s, or -S alone', () => {
  const [a, b, x] = ['rules/a.rules', 'rules/b.rules', 'x.rules'].map((name) => join(folder, name));
  const plain = setup('-r', 'x');
  assert.deepEqual(plain.ruleFiles, [a, b]);
  assert.deepEqual(plain.configWarnings, [`no rule file matches ${folder}/rules/none*.rules`]);
  assert.deepEqual(setup('-r', 'x', '-s', x).ruleFiles, [a, b, x]);
  assert.deepEqual(setup('-r', 'x', '-S', x).ruleFiles, [x]);
  assert.deepEqual(setup('-r', 'x', '-S', join(folder, '*.rules')).ruleFiles, [x]);
  assert.deepEqual(setup('-r', 'x', '-S', '/gone.rules').ruleFiles, ['/gone.rules'], 'the loader reports what is missing');
});

test('-l must be a folder that exists and can be written', () => {
  assert.equal(setup('-r', 'x', '-l', join(folder, 'log')).config.logDir, join(folder, 'log'));
  refuses(/-l: the logging folder .*\/gone does not exist/, '-r', 'x', '-l', join(folder, 'gone'));
  refuses(/is not a folder/, '-r', 'x', '-l', file);
});

test('-l refuses a folder without write permission', { skip: process.getuid?.() === 0 && 'root may write anywhere' }, () => {
  mkdirSync(join(folder, 'closed'));
  chmodSync(join(folder, 'closed'), 0o555);
  refuses(/cannot be written/, '-r', 'x', '-l', join(folder, 'closed'));
});

test('-k, --simulate-ips and the other flags reach the setup', () => {
  const none = setup('--af-packet', '-k', 'none', '--simulate-ips', '--init-errors-fatal');
  assert.equal(none.config.stream.checksumValidation, false);
  assert.equal(none.checksumValidation, 'none');
  assert.ok(none.simulateIps && none.initErrorsFatal);
  refuses(/'port 22' on the command line: BPF filters are not built yet/, '-r', 'x', 'port', '22');
  assert.equal(setup('-r', 'x', '-k', 'all', '--set', 'stream.checksum-validation=no').config.stream.checksumValidation, true);
  assert.equal(setup('-r', 'x').checksumValidation, 'configured');
  const daemon = setup('-r', 'x', '-D', '--user', 'u', '--group', 'g');
  assert.deepEqual([daemon.pidFile, daemon.runAs], [join(folder, 'configured.pid'), { user: 'u', group: 'g' }]);
  assert.equal(setup('-r', 'x', '--pidfile', '/p.pid').pidFile, '/p.pid');
});

test('af-packet is checked, and must not be empty', () => {
  refuses(/a0 has threads 3, its peer a1 has threads 5/, '--af-packet', '--set', 'af-packet.0.threads=3', '--set', 'af-packet.1.threads=5');
  refuses(/no interface is configured/, '--af-packet', '--set', 'af-packet=');
});
