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
  is('--nflog --nflog=2', { nflog: [-1, 2] });
  is('-nflog', { nflog: [-1] });
  is('-nflog=7', { nflog: [7] });
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
  is('--list-keywords=all', { listKeywords: true });
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
  refused('-q x', /from 0 to 65535/);
  refused('-q 5:3', /from 0 to 65535/);
  refused('-q 0:65536', /from 0 to 65535/);
  refused('-q 0:65535', /more than 1024/);
  refused('--nflog=0', /from 1 to 65535/);
  refused('--runmode fast', /autofp, workers, single/);
  refused('-r a -r b', /-r is given twice/);
  refused('-i a -i a', /given twice/);
});

test('modes that exclude each other', () => {
  refused('-r x -i eth0', /more than one run mode has been specified \(-r and -i/);
  refused('-r x --af-packet', /more than one run mode/);
  refused('-q 0 -i eth0', /more than one run mode/);
  refused('-S a -s b -r x', /choose one/);
  refused('--pcap-file-recursive -i eth0', /belongs to -r/);
  refused('-r x --pcap-file-recursive --pcap-file-continuous', /cannot be combined/);
  refused('--af-packet -i eth0', /all configured interfaces/);
  refused('', /no source of packets/);
});

test('NFQUEUE and NFLOG are refused honestly', () => {
  refused('-q 0', /NFQUEUE is not built yet/);
  refused('--nflog=2', /NFLOG is not built yet/);
  refused('-nflog', /NFLOG is not built yet/);
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
      ...'-c -S -r -i -q -k -T -v -vvv -V -D -h --set --af-packet --af-packet=eth0 --nflog -nflog --runmode --include a=b eth0 none 0:3 -- - --='.split(
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
