import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyFlags, type Flags, parseFlags, validateFlags } from '../../src/cli/flags.js';
import { SluiceError } from '../../src/errors.js';

const parse = (line: string) => parseFlags(line.split(' ').filter(Boolean));
const is = (line: string, expected: Partial<Flags>) => assert.deepEqual(parse(line), { ...emptyFlags(), ...expected }, line);

function refused(line: string, message: RegExp): void {
  assert.throws(
    () => validateFlags(parse(line)),
    (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_USAGE', error.stack);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n'));
      return true;
    },
    line,
  );
}

test('every flag of the list', () => {
  is('-c a.yaml -S b.rules -l /tmp -r x.pcap', { configFile: 'a.yaml', rulesOnly: 'b.rules', logDir: '/tmp', pcapFile: 'x.pcap' });
  is('-s b.rules', { rulesAlso: 'b.rules' });
  is('-i eth0 -i eth1', { interfaces: ['eth0', 'eth1'] });
  is('--af-packet', { afPacket: true });
  is('--af-packet=eth0 --af-packet=eth1', { interfaces: ['eth0', 'eth1'] });
  is('-q 0 -q 3:5', { queues: [0, 3, 4, 5] });
  is('--nflog --nflog=2', { nflog: true, groups: [2] });
  is('-nflog', { nflog: true });
  is('-nflog=7', { groups: [7] });
  is('-k none', { checksums: 'none' });
  is('-knone', { checksums: 'none' });
  is('-k all', { checksums: 'all' });
  is('-T', { testConfig: true });
  is('-V', { version: true });
  is('-vvv -v', { verbosity: 4 });
  is('-Tv', { testConfig: true, verbosity: 1 });
  is('-Tcfoo.yaml', { testConfig: true, configFile: 'foo.yaml' });
  is('--build-info --dump-config --list-keywords --list-app-layer-protos --list-runmodes', {
    buildInfo: true,
    dumpConfig: true,
    listKeywords: true,
    listAppLayerProtos: true,
    listRunmodes: true,
  });
  is('--list-keywords=all', { listKeywords: true, listKeywordsOf: 'all' });
  is('--runmode workers', { runmode: 'workers' });
  is('--runmode=single', { runmode: 'single' });
  is('--simulate-ips --init-errors-fatal --disable-detection', { simulateIps: true, initErrorsFatal: true, disableDetection: true });
  is('--set a.b=c=d --set=e=', {
    set: [
      ['a.b', 'c=d'],
      ['e', ''],
    ],
  });
  is('--include a --include=b', { includes: ['a', 'b'] });
  is('-r f --pcap-file-continuous --pcap-file-recursive', { pcapFile: 'f', pcapFileContinuous: true, pcapFileRecursive: true });
  is('-D --pidfile /p --user u --group=g --data-dir /d', { daemon: true, pidFile: '/p', user: 'u', group: 'g', dataDir: '/d' });
  is('-h', { help: true });
  is('--help', { help: true });
  is('-r -', { pcapFile: '-' });
});

test('words after the flags are a BPF filter, wherever they stand', () => {
  is('-k none port 22', { checksums: 'none', bpf: 'port 22' });
  is('tcp -r x and port 1', { pcapFile: 'x', bpf: 'tcp and port 1' });
  is('-r x -- not -v', { pcapFile: 'x', bpf: 'not -v' });
});

test('what cannot be understood is one line', () => {
  refused('--foo', /^unknown flag --foo; see 'sluice --help'$/);
  refused('-x', /unknown flag -x/);
  refused('-Tx', /unknown flag -x in -Tx/);
  refused('--af-packet-foo=1', /unknown flag --af-packet-foo/);
  refused('-c', /-c needs a value/);
  refused('--set', /--set needs a value/);
  refused('--set abc', /write it as --set key=value/);
  refused('--set =abc', /write it as --set key=value/);
  refused('--pidfile=', /--pidfile needs a value/);
  refused('--simulate-ips=1', /takes no value/);
  refused('-k maybe', /'all' or 'none'/);
  refused('--runmode fast', /autofp, workers, single/);
  refused('-r a -r b', /-r is given twice/);
  refused('-i a -i a', /given twice/);
});

test('modes that exclude each other', () => {
  refused('-r x -i eth0', /more than one run mode has been specified: -r reads a file, -i\/--af-packet live packets; choose one/);
  refused('-r x --af-packet', /more than one run mode/);
  refused('-r x -q 0', /-r reads a file, -q live packets/);
  refused('-nflog -q 1 -r x', /-r reads a file, -q and --nflog live packets/);
  refused('-S a -s b -r x', /choose one/);
  refused('--pcap-file-recursive -i eth0', /belongs to -r/);
  refused('-r x --pcap-file-recursive --pcap-file-continuous', /cannot be combined/);
  refused('', /no source of packets: give -r FILE, -i INTERFACE, --af-packet, -q QUEUE or --nflog/);
});

test('queues: ranges, any order, each once', () => {
  is('-q0', { queues: [0] });
  is('-q 65535', { queues: [65_535] });
  is('-q 3 -q 0:2 -q 1:4', { queues: [0, 1, 2, 3, 4] });
  is('-q 10 -q 9 -q 10', { queues: [9, 10] });
  assert.equal(parse('-q 0:65535').queues.length, 65_536);
  refused('-q', /^-q needs a value; see/);
  refused('-q x', /^-q x: a queue is a number from 0 to 65535, or a range of them: -q 0:3;/);
  for (const bad of ['0:', ':3', '0:3:5', '-1', '1.5', '=0', '0x1', '0-3', '0,1', '1 2'])
    assert.throws(() => parseFlags(['-q', bad]), /a queue is a number from 0 to 65535, or a range/, bad);
  refused('-q 65536', /^-q 65536: the highest queue is 65535;/);
  refused('-q 0:65536', /^-q 0:65536: the highest queue is 65535;/);
  refused('-q 99999999999', /a queue is a number/);
  refused('-q 3:1', /^-q 3:1: the range runs backwards; write it as -q 1:3;/);
});

test('any list of queues and ranges is the set of its members, ascending', () => {
  const range = fc.tuple(fc.nat(300), fc.nat(40)).map(([first, more]) => ({ first, last: first + more }));
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 8 }), (ranges) => {
      const argv = ranges.flatMap(({ first, last }) => ['-q', first === last ? `${first}` : `${first}:${last}`]);
      const expected: number[] = [];
      for (let queue = 0; queue <= 340; queue++)
        if (ranges.some(({ first, last }) => queue >= first && queue <= last)) expected.push(queue);
      assert.deepEqual(parseFlags(argv).queues, expected);
    }),
    { numRuns: 300, seed: 2 },
  );
});

test('log groups: named ones, all configured ones, both; each once', () => {
  is('--nflog=2 --nflog=1 -nflog=2', { groups: [2, 1] });
  is('--nflog --nflog', { nflog: true });
  is('-nflog --nflog=65535', { nflog: true, groups: [65_535] });
  refused('--nflog=0', /^--nflog=0: group 0 belongs to the kernel; use another/);
  refused('-nflog=0', /group 0 belongs to the kernel/);
  refused('--nflog=65536', /^--nflog=65536: a group is a number from 1 to 65535;/);
  refused('--nflog=web', /a group is a number/);
});

test('live sources stand together, in any number', () => {
  for (const line of [
    '-q 0',
    '-q 0:3 -q 7',
    '--nflog',
    '-nflog',
    '-q 0 -nflog -v',
    '-c suricata.yaml -q 0 -nflog -v',
    '-c suricata.yaml -q 0 --af-packet=wlan0 -v',
    '-q 0 --nflog=2 --nflog=3 --af-packet -i eth2 -i eth3',
  ])
    validateFlags(parse(line));
});

test('a source of packets is not needed to answer a question', () => {
  for (const line of [
    '-V',
    '-h',
    '-T',
    '--build-info',
    '--dump-config',
    '--list-keywords',
    '--list-runmodes',
    '--list-app-layer-protos',
    '-T -q 0',
  ]) {
    validateFlags(parse(line));
  }
  for (const line of ['-r x', '-i a', '--af-packet', '--af-packet=a']) validateFlags(parse(line));
});

test('any command line is parsed or refused with a one-line SLUICE_USAGE', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...'-c -S -r -i -q -k -T -v -vvv -V -D -h --set --af-packet --af-packet=eth0 --nflog -nflog --nflog=2 --nflog=0 --runmode --include a=b eth0 none 0:3 3:1 -- - --='.split(
        ' ',
      ),
    ),
    fc.string({ maxLength: 10 }),
  );
  let good = 0;
  let bad = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        validateFlags(parseFlags(argv));
        good++;
      } catch (error) {
        assert.ok(error instanceof SluiceError && error.code === 'SLUICE_USAGE', (error as Error).stack);
        bad++;
      }
    }),
    { numRuns: 3000, seed: 3 },
  );
  assert.ok(good > 10 && bad > 10, `${good} good, ${bad} bad`);
});
