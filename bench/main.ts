import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { errorLine } from '../src/errors.js';
import { format, type Row } from './inline.js';

const USAGE = `npm run bench -- <name> [options]
  micro    functions of the packet path, ns per call (tinybench)
  inline   the bridge in namespaces, each device against the floor in the same run
options
  --json FILE        the results as JSON
  --peer 'COMMAND'   inline: put another program in the same rig; it runs in the bridge namespace and
                     finds its interfaces there as eth0 and eth1
  --seconds N        inline: length of one measurement (default 4)
  --rounds N         inline: measurements per device, medians are shown (default 3)
  --only A,B         inline: udp-64 udp-1500 tcp-gso latency-20k latency-100k heap
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
  } else if (positionals[0] === 'inline') {
    const { inline } = await import('./inline.js');
    const rows = await inline(
      {
        peer: values.peer,
        seconds: Number(values.seconds),
        rounds: Number(values.rounds),
        only: values.only === '' ? [] : values.only.split(','),
      },
      (line) => process.stderr.write(`${line}\n`),
    );
    table(rows);
    result = rows;
  } else {
    process.stderr.write(USAGE);
    return 1;
  }
  process.stdout.write(`${machine.cores} cores, ${machine.cpu}, kernel ${machine.kernel}, Node ${machine.node}, ${machine.date}\n`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, result }, null, 2)}\n`);
  return 0;
}

/** Every value, and in brackets its ratio to the floor's of the same test. */
function table(rows: Row[]): void {
  for (const test of new Set(rows.map((row) => row.test))) {
    const mine = rows.filter((row) => row.test === test);
    const floor = mine.find((row) => row.device.startsWith('floor'));
    const keys = Object.keys(mine[0].values);
    const lines = [
      [test, ...keys],
      ...mine.map((row) => [
        row.device,
        ...keys.map((key) => {
          const base = floor?.values[key];
          const ratio = base && row !== floor && !key.includes('%') ? ` (${(row.values[key] / base).toFixed(2)})` : '';
          return `${format(row.values[key])}${ratio}`;
        }),
      ]),
    ];
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    for (const line of lines)
      process.stdout.write(`${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   ')}\n`);
    process.stdout.write('\n');
  }
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
