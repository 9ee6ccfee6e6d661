import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PACKAGE_ROOT } from '../../src/config/paths.js';

/** bin/sluice beside a link to the compiled tree this test belongs to. */
const folder = mkdtempSync(join(tmpdir(), 'sluice-main-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'bin'));
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
cpSync(join(PACKAGE_ROOT, 'bin/sluice'), join(folder, 'bin/sluice'));
cpSync(join(folder, 'bin'), join(folder, 'bare/bin'), { recursive: true });
writeFileSync(join(folder, 'bare/package.json'), '{"type":"module"}');
symlinkSync(resolve(fileURLToPath(import.meta.url), '../../..'), join(folder, 'dist'));

function sluice(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(join(folder, 'bin/sluice'), argv, { encoding: 'utf8', cwd: folder });
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const lines = (text: string) => text.split('\n').filter(Boolean);

test('-V holds the version of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  const { status, stdout, stderr } = sluice('-V');
  assert.equal(status, 0);
  assert.equal(/version (\d+\.\d+\.\d+)/.exec(stdout)?.[1], version);
  assert.equal(lines(stdout).length, 1);
  assert.equal(stderr, '');
});

test('an answered question is exit status 0', () => {
  for (const [flag, expected] of [
    ['--help', /Usage: sluice/],
    ['--build-info', /^Features: .*NFQ.*^ {2}NFQueue support: {25}yes\n {2}NFLOG support: {27}yes$/ms],
    ['--list-keywords', /^- content: /m],
    ['--list-runmodes', /^\| AF_PACKET .*^\| NFQ .*^\| NFLOG .*^\| PCAP_FILE /ms],
    ['--list-app-layer-protos', /^ftp$/m],
  ] as const) {
    const { status, stdout, stderr } = sluice(flag);
    assert.equal(status, 0, flag + stderr);
    assert.match(stdout, expected);
  }
});

test('a wrong command line is one line on stderr and exit status 1', () => {
  for (const [argv, expected] of [
    [['--foo'], /unknown flag --foo/],
    [[], /no source of packets/],
    [['-r', 'x', '-i', 'y'], /more than one run mode/],
    [['-q', '65536'], /-q 65536: the highest queue is 65535/],
    [['-q', '3:1'], /the range runs backwards; write it as -q 1:3/],
    [['--nflog=0'], /group 0 belongs to the kernel/],
    [['-r', 'x', '-q', '0'], /more than one run mode/],
    [['-q', '0', '-nflog', '-c', write('plain.yaml', '')], /--nflog: no group is configured; add .* or name one: --nflog=2/],
    [['-q', '0', '-c', write('repeat.yaml', 'nfq: { mode: repeat }')], /nfq: mode is repeat, .*set repeat-mark: 1/],
    [['-r', 'x', '-c', '/gone.yaml'], /\/gone\.yaml: no such file/],
    [['-r', 'x', '-c', write('plain.yaml', ''), 'port', '22'], /BPF filters are not built yet/],
    [['-T', '-l', '/gone/log'], /logging folder \/gone\/log does not exist/],
  ] as const) {
    const { status, stdout, stderr } = sluice(...argv);
    assert.equal(status, 1, argv.join(' '));
    assert.equal(stdout, '');
    assert.equal(lines(stderr).length, 1, stderr);
    assert.match(stderr, /^Error: sluice: SLUICE_/);
    assert.match(stderr, expected);
  }
});

test('--dump-config prints the merged configuration, --set included', () => {
  const config = write('dump.yaml', 'vars: { address-groups: { HOME_NET: any } }\n');
  const { status, stdout } = sluice('--dump-config', '-c', config, '--set', 'stats.interval=3');
  assert.equal(status, 0);
  assert.deepEqual(lines(stdout), [
    'vars = (null)',
    'vars.address-groups = (null)',
    'vars.address-groups.HOME_NET = any',
    'stats = (null)',
    'stats.interval = 3',
  ]);
});

test('-T: sound configuration and rules', () => {
  const rules = write('good.rules', 'alert tcp $HOME_NET any -> any any (msg:"m"; content:"x"; pcre:"/a+b/i"; sid:1;)\n');
  const { status, stderr } = sluice('-T', '-v', '-S', rules);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Notice: sluice: Configuration provided was successfully loaded\. Exiting\.$/m);
  assert.match(stderr, /1 rules successfully loaded, 0 rules failed/);
});

test('-T: each rule that does not load is a line with file, line, option and reason', () => {
  const rules = write(
    'bad.rules',
    'alert tcp any any -> any any (msg:"ok"; sid:1;)\nalert tcp any any -> any any (msg:"m"; frobnicate:1; sid:2;)\nalert tcp any any -> any any (msg:"m"; pcre:"/(/"; sid:3;)\n',
  );
  const { status, stderr } = sluice('-T', '-S', rules);
  assert.equal(status, 1);
  const said = lines(stderr);
  assert.equal(said.length, 3, stderr);
  assert.match(said[0], new RegExp(`^Error: sluice: SLUICE_RULE: ${rules}:2: frobnicate: .* \\(sid 2\\)$`));
  assert.match(said[1], new RegExp(`^Error: sluice: SLUICE_RULE: ${rules}:3: pcre: .* \\(sid 3\\)$`));
  assert.match(said[2], /2 problems in rules/);
  assert.ok(!stderr.includes('successfully'));
});

test('-T: a bad configuration, a bridge that cannot be, an unknown key', () => {
  const bad = sluice('-T', '-c', write('bad.yaml', 'stats:\n  interval: soon\n'));
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /^Error: sluice: SLUICE_CONFIG: .*bad\.yaml:2: stats\.interval is 'soon'; allowed: a whole number/);
  const bridge = sluice('-T', '-c', write('bridge.yaml', 'af-packet: [ { interface: a, copy-mode: ips } ]\n'));
  assert.equal(bridge.status, 1);
  assert.match(bridge.stderr, /a has copy-mode ips but no copy-iface/);
  const unknown = sluice('-T', '-c', write('unknown.yaml', 'bogus: 1\n'));
  assert.equal(unknown.status, 0, unknown.stderr);
  assert.match(unknown.stderr, /^Warning: sluice: .*unknown\.yaml:1: unknown key 'bogus' is ignored$/m);
});

test('-T checks what -q and --nflog would use, and the rest of the file as well', () => {
  const rules = write('none.rules', '');
  const test = (yaml: string, ...argv: string[]) => sluice('-T', '-S', rules, '-c', write('netfilter.yaml', yaml), ...argv);
  const sound = test('nflog: [ { group: 2 } ]\nnfq:\n  mode: accept\n', '-q', '0', '-nflog');
  assert.equal(sound.status, 0, sound.stderr);
  for (const [yaml, argv, message] of [
    ['nfq: { mode: repeat }', [], /nfq: mode is repeat/],
    ['nflog: [ { group: 0 } ]', [], /nflog\.0\.group is 0, which belongs to the kernel/],
    ['nfq: { mode: accept }', ['--nflog'], /no group is configured/],
    ['af-packet: [ { interface: a, copy-mode: ips } ]', ['-q', '0'], /a has copy-mode ips but no copy-iface/],
  ] as const) {
    const { status, stderr } = test(yaml, ...argv);
    assert.equal(status, 1, yaml);
    assert.equal(lines(stderr).length, 1, stderr);
    assert.match(stderr, message);
  }
});

test('-T without -c tests the shipped configuration', () => {
  const { status, stderr } = sluice('-T', '--disable-detection');
  assert.equal(status, 0, stderr);
});

test('a reader that leaves early is no error', async () => {
  const child = spawn(join(folder, 'bin/sluice'), ['--dump-config'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const status = await new Promise((done) => child.on('close', done));
  assert.equal(said, '');
  assert.equal(status, 0);
});

test('without dist/: one line with the mend, exit status 1', () => {
  const { status, stderr } = spawnSync(join(folder, 'bare/bin/sluice'), ['-V'], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.equal(lines(stderr).length, 1);
  assert.match(stderr, /npm run setup/);
});
