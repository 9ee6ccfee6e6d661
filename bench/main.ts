import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { errorLine } from '../src/errors.js';
import { table } from './rounds.js';

const USAGE = `npm run bench -- <name> [options]
  micro    functions of the packet path, ns per call (tinybench)
  inline   the bridge in namespaces, each device against the floor in the same run
  nfqueue  a netfilter queue of a router in namespaces, each device against the floor in the same run
options
  --json FILE        the results as JSON
  --peer 'COMMAND'   inline, nfqueue: put another program in the same rig; it runs in the middle namespace,
                     where it finds its interfaces as eth0 and eth1, or answers queue 0
  --seconds N        inline, nfqueue: length of one measurement (default 4)
  --rounds N         inline, nfqueue: measurements per device, medians are shown (default 3)
  --set KEY=VALUE    nfqueue: another value in Sluice's configuration, as often as wanted
  --only A,B         inline: udp-64 udp-1500 tcp-gso latency-20k latency-100k heap
                     nfqueue: udp-64 batch-1 batch-20 batch-64 batch-255 tcp
                     micro: parts of names, such as 'inspect: UDP; ring'
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      peer: { type: 'string', default: '' },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      set: { type: 'string', multiple: true, default: [] },
    },
  });
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    date: new Date().toISOString(),
  };
  let result: unknown;
  if (positionals[0] === 'micro') {
    const { micro } = await import('./micro.js');
    result = await micro(values.only);
  } else if (positionals[0] === 'inline' || positionals[0] === 'nfqueue') {
    const options = {
      peer: values.peer,
      seconds: Number(values.seconds),
      rounds: Number(values.rounds),
      only: values.only === '' ? [] : values.only.split(','),
    };
    const say = (line: string) => process.stderr.write(`${line}\n`);
    const rows =
      positionals[0] === 'inline'
        ? await (await import('./inline.js')).inline(options, say)
        : await (await import('./nfqueue.js')).nfqueue({ ...options, set: values.set }, say);
    process.stdout.write(table(rows));
    result = rows;
  } else {
    process.stderr.write(USAGE);
    return 1;
  }
  process.stdout.write(`${machine.cores} cores, ${machine.cpu}, kernel ${machine.kernel}, Node ${machine.node}, ${machine.date}\n`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, result }, null, 2)}\n`);
  return 0;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error) => {
    process.stderr.write(`bench: ${errorLine(error)}\n`);
    process.exitCode = 1;
  },
);
