import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorLine, SluiceError } from '../src/errors.js';
import { table } from './rounds.js';

const USAGE = `npm run bench -- <name> [options]
  micro    functions of the packet path, ns per call (tinybench)
  inline   the bridge in namespaces, each device against the floor in the same run
  nfqueue  a netfilter queue of a router in namespaces, each device against the floor in the same run
  replay   a capture in memory through the whole engine, ns per packet by stage
  load     ET Open: cold, warm from the cache, by phase
  idle     memory per idle TCP flow
  fidelity alerts on the reference capture against the reference's
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
  --capture FILE     replay, fidelity: pcap, pcapng, also .xz (default the reference capture)
  --rules A,B        replay, fidelity, load (one): rule files, also .xz (default ET Open)
  --config FILE      replay, fidelity: suricata.yaml (default the reference's)
  --workers single|N replay: in one thread (default), or N threads with the packets split by flow beforehand
  --laps N, --warm N replay: laps measured (default 3) and before that (default 1)
  --payload          replay: application layer keywords taken off the rules, so that all of them run
  --take N           replay: only N of the rules
  --curve            replay: 1,000, 5,000 and 25,000 rules
  --checksums        replay: checksums validated
  --flows N          idle: how many flows (default 100000)
  --variant NAME     replay: one variant only, in this thread, for a profiler
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
      capture: { type: 'string', default: '' },
      rules: { type: 'string', default: '' },
      config: { type: 'string', default: '' },
      workers: { type: 'string', default: 'single' },
      laps: { type: 'string', default: '3' },
      warm: { type: 'string', default: '1' },
      payload: { type: 'boolean', default: false },
      take: { type: 'string', default: '0' },
      curve: { type: 'boolean', default: false },
      checksums: { type: 'boolean', default: false },
      variant: { type: 'string', default: '' },
      flows: { type: 'string', default: '100000' },
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
  } else if (positionals[0] === 'load') {
    const [{ loadBench, printLoad }, { ET_OPEN, PEER_YAML }] = await Promise.all([import('./load-rules.js'), import('./replay-rules.js')]);
    const rows = await loadBench(values.rules === '' ? ET_OPEN : values.rules, values.config || PEER_YAML, Number(values.rounds));
    printLoad(rows);
    result = rows;
  } else if (positionals[0] === 'replay') {
    const [{ replay, printReplay }, { REFERENCE }, { ET_OPEN, PEER_YAML }, { VARIANTS }] = await Promise.all([
      import('./replay.js'),
      import('./replay-capture.js'),
      import('./replay-rules.js'),
      import('./replay-run.js'),
    ]);
    const variant = VARIANTS.find((one) => one === values.variant);
    if (values.variant !== '' && variant === undefined) throw new SluiceError('SLUICE_USAGE', `--variant: one of ${VARIANTS.join(', ')}`);
    const rows = await replay(
      {
        capture: values.capture || (positionals[1] ?? join(REFERENCE, 'mixed-a.pcap.xz')),
        config: values.config || PEER_YAML,
        rules: values.rules === '' ? [ET_OPEN] : values.rules.split(','),
        workers: values.workers === 'single' ? 0 : Number(values.workers),
        laps: Number(values.laps),
        warm: Number(values.warm),
        checksums: values.checksums,
        asPayload: values.payload || values.curve,
        take: Number(values.take),
        variant: variant ?? '',
        curve: values.curve,
      },
      (line) => process.stderr.write(`${line}\n`),
    );
    printReplay(rows);
    result = rows;
  } else if (positionals[0] === 'idle') {
    const [{ idleFlows, printIdle }, { ET_OPEN, PEER_YAML }] = await Promise.all([import('./idle-flows.js'), import('./replay-rules.js')]);
    const rules = values.rules === '' ? [ET_OPEN] : values.rules.split(',');
    const rows = idleFlows(values.config || PEER_YAML, rules, Number(values.flows), (line) => process.stderr.write(`${line}\n`));
    printIdle(rows);
    result = rows;
  } else if (positionals[0] === 'fidelity') {
    const [{ fidelity, printFidelity }, { REFERENCE }, { ET_OPEN, PEER_YAML }] = await Promise.all([
      import('./fidelity.js'),
      import('./replay-capture.js'),
      import('./replay-rules.js'),
    ]);
    const compared = fidelity(
      {
        capture: values.capture || join(REFERENCE, 'mixed-a.pcap.xz'),
        config: values.config || PEER_YAML,
        rules: values.rules === '' ? [ET_OPEN] : values.rules.split(','),
      },
      (line) => process.stderr.write(`${line}\n`),
    );
    printFidelity(compared);
    result = compared;
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
