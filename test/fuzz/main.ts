import { parseArgs } from 'node:util';
import { errorLine, SluiceError } from '../../src/errors.js';
import { read, write } from './finding.js';
import { fuzz, once, type Result } from './fuzz.js';
import { hostileTimes } from './hostile-times.js';
import { builtIn, seeds } from './seeds.js';
import { SIZE_NAMES, Slowness } from './slowness.js';
import { caseMaker, makeSubject, SUBJECTS } from './subjects.js';

const USAGE = `npm run fuzz -- <subject> [seconds] [options]
  ${SUBJECTS.join(' ')}
            a parser by itself, or by name of what is around it:
              stream  segments of changed streams through an engine: tracker, reassembly, detection of protocols, rules
              packet  changed frames of the capture through the same
  all       each of them, that long
  hostile   the packets that cost most, made by hand: their times, least of 30; [part of a name] for some of them
options
  --seed N         of the random numbers (default: the time); case n of a run is made by N + n alone. The summary
                   names that of the worst times in brackets
  --runs N         so many cases, however long they take
  --replay FILE    a finding's file once more, by itself
  --capture FILE   where the seeds come from, pcap, pcapng, also .xz (default the reference capture; where that is missing, those built in)
  --built-in       no capture
  --out FOLDER     where findings are written (default fuzz-findings)
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      replay: { type: 'string' },
      capture: { type: 'string' },
      'built-in': { type: 'boolean', default: false },
      out: { type: 'string', default: 'fuzz-findings' },
    },
  });
  if (values.replay !== undefined) return replay(values.replay);
  if (positionals[0] === 'hostile') {
    hostileTimes((line) => console.log(line), positionals[1]);
    return 0;
  }
  const names = positionals[0] === 'all' ? SUBJECTS : SUBJECTS.filter((name) => name === positionals[0]);
  if (names.length === 0) {
    process.stderr.write(USAGE);
    return 1;
  }
  const seed = number('--seed', values.seed ?? String(Math.floor(Date.now() / 1000)));
  const runs = values.runs === undefined ? Number.POSITIVE_INFINITY : number('--runs', values.runs);
  const seconds =
    positionals[1] === undefined ? (values.runs === undefined ? 60 : Number.POSITIVE_INFINITY) : number('seconds', positionals[1]);
  const from = values['built-in'] ? builtIn() : seeds(values.capture);
  const results: Result[] = [];
  for (const name of names) {
    const cases = caseMaker(name, from);
    if (cases === null) {
      console.log(`${name}: no seeds`);
      continue;
    }
    console.log(`${name}: ${cases.seeds} seeds, --seed ${seed}`);
    const result = fuzz(() => makeSubject(name), cases.make, {
      seed,
      seconds,
      runs,
      mostFindings: 20,
      found: (finding) => console.log(`FOUND ${name} --seed ${finding.seed} --runs 1: ${finding.what} -> ${write(values.out, finding)}`),
    });
    results.push(result);
    console.log(line(result));
  }
  return results.some(({ findings, slow }) => findings > 0 || slow.count.some((n) => n > 0)) ? 1 : 0;
}

function line({ subject, runs, packets, bytes, seconds, slow, findings }: Result): string {
  const over = Array.from(slow.count, (n, size) => `${n} slow ${SIZE_NAMES[size]}`).join(', ');
  return (
    `${subject}: ${runs} cases, ${packets} packets, ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(0)} s; ` +
    `${worst(slow)}; ${findings} findings, ${over}`
  );
}

const worst = ({ worstNs, worstSeed }: Slowness) =>
  `worst ${Array.from(worstNs, (ns, size) => `${(ns / 1e6).toFixed(2)} ms ${SIZE_NAMES[size]} (${worstSeed[size]})`).join(', ')}`;

function replay(path: string): number {
  const finding = read(path);
  const subject = makeSubject(finding.subject);
  const slow = new Slowness();
  const what = once(subject, finding.case, slow);
  console.log(what === '' ? `${path}: nothing wrong, ${worst(slow)}` : `FOUND ${finding.subject}: ${what}`);
  return what === '' ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new SluiceError('SLUICE_USAGE', `${name} ${text}: not a number; give one, 0 or more`);
  return value;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error) => {
    process.stderr.write(`fuzz: ${errorLine(error)}\n`);
    process.exitCode = 1;
  },
);
