import { Gauge, type Metric, Counter as PromCounter, Registry } from 'prom-client';
import { BATCH_BOUNDS } from './counters.js';
import { DEFINITIONS, type Definition, keeps } from './definitions.js';
import { batchCounts, type CounterBlocks, cumulate, LATENCY_BOUNDS } from './snapshot.js';

/** Where the metrics come from. Functions are called at each scrape. */
export interface MetricsSources {
  blocks: CounterBlocks;
  version: string;
  runmode: string;
  /** Milliseconds since 1970. */
  startMs: number;
  /** The child processes, e.g. `capture`, `detection`. */
  processes(): { name: string; up: boolean; restarts: number; pid: number }[];
  /** What became of the rules; `inert` are among the loaded. */
  rules(): { loaded: number; failed: number; skipped?: number; inert?: number; inertBy?: Record<string, number> };
  /** Files of the rule cache that were damaged or not to be trusted, since the start. */
  cacheRefused?(): number;
  /** Rule sets that detecting threads could not take, since the start. */
  reloadsRefused?(): number;
  /** Outputs.lostLines(). */
  lostLines(): Record<string, number>;
  /** Outputs.invalid. */
  invalidRecords(): number;
  /** Packets are forwarded and inspected: every process is up and past its start. */
  up(): boolean;
  /** Most packets a netfilter queue holds (nfq.queueLength); not given or 0 when there is no queue. */
  queueLimit?: number;
}

/** All metrics, collected from shared memory at each scrape. Names begin with `sluice_`, units are base units. */
export function buildRegistry(sources: MetricsSources): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const d of DEFINITIONS) threadMetric(registry, d, sources.blocks);

  registry.registerMetric(latencyMetric(sources.blocks));
  registry.registerMetric(batchMetric(sources.blocks));
  const limit = sources.queueLimit ?? 0;
  if (limit > 0)
    gauge('nfqueue_limit_packets', 'Most packets the kernel holds in each queue (sluice.nfq.queue-length).', [], (g) => g.set(limit));
  gauge('up', 'Whether the engine forwards and inspects: 1 = every process is up.', [], (g) => g.set(sources.up() ? 1 : 0));
  gauge('start_time_seconds', 'When the engine started, seconds since 1970.', [], (g) => g.set(sources.startMs / 1000));
  gauge('build_info', 'Always 1; the labels say what runs.', ['version', 'node', 'runmode'], (g) =>
    g.set({ version: sources.version, node: process.version, runmode: sources.runmode }, 1),
  );
  gauge('process_up', 'Whether a child process runs. detection at 0: packets go by sluice.worker-lost-policy.', ['process'], (g) => {
    for (const p of sources.processes()) g.set({ process: p.name }, p.up ? 1 : 0);
  });
  counter('process_restarts_total', 'Times a child process ended and was started again.', ['process'], (c) => {
    for (const p of sources.processes()) c.inc({ process: p.name }, p.restarts);
  });
  gauge(
    'rules',
    'Rules by what became of them: failed = in the rule file but not in force; inert = loaded, but what they look at has no parser yet; skipped = meant for another version or build.',
    ['state'],
    (g) => {
      const rules = sources.rules();
      g.set({ state: 'loaded' }, rules.loaded);
      g.set({ state: 'failed' }, rules.failed);
      g.set({ state: 'inert' }, rules.inert ?? 0);
      g.set({ state: 'skipped' }, rules.skipped ?? 0);
    },
  );
  gauge('rules_inert', 'Rules that loaded but cannot match yet, by the protocol or feature they wait for.', ['lacks'], (g) => {
    for (const [lacks, count] of Object.entries(sources.rules().inertBy ?? {})) g.set({ lacks }, count);
  });
  counter('rule_cache_refused_total', 'Files of the rule cache that were damaged or not to be trusted: removed, and made anew.', [], (c) =>
    c.inc(sources.cacheRefused?.() ?? 0),
  );
  counter('rule_reloads_refused_total', 'Reloads that a detecting thread could not carry out: it keeps the rules it has.', [], (c) =>
    c.inc(sources.reloadsRefused?.() ?? 0),
  );
  counter('log_lines_lost_total', 'Log lines that could not be written: disk full, directory gone, disk too slow.', ['log'], (c) => {
    for (const [log, lost] of Object.entries(sources.lostLines())) c.inc({ log }, lost);
  });
  counter(
    'event_records_invalid_total',
    'Records from the workers that made no sense and were refused. Above 0: a bug, or an attack on the detection process.',
    [],
    (c) => c.inc(sources.invalidRecords()),
  );
  return registry;

  function gauge(name: string, help: string, labelNames: string[], fill: (g: Gauge) => void): void {
    new Gauge({
      name: `sluice_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        fill(this);
      },
    });
  }

  function counter(name: string, help: string, labelNames: string[], fill: (c: PromCounter) => void): void {
    new PromCounter({
      name: `sluice_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        fill(this);
      },
    });
  }
}

function threadMetric(registry: Registry, d: Definition, blocks: CounterBlocks): void {
  const captures = d.kind !== 'detect' && d.kind !== 'any';
  const place = captures ? ['thread', 'interface'] : ['thread'];
  const labelNames = typeof d.series === 'number' ? place : [...place, d.series.label];
  const each = (report: (labels: Record<string, string>, value: number) => void) => {
    for (const thread of blocks.perThread()) {
      const labels: Record<string, string> = captures ? { thread: thread.name, interface: thread.interface } : { thread: thread.name };
      const series: [string, number][] = typeof d.series === 'number' ? [['', d.series]] : d.series.values;
      for (const [value, at] of series) {
        const n = thread.counters[at];
        // Another thread only where it did count: in runmode workers one thread does both.
        if (!keeps(d.kind, thread.kind, thread.interface) && n === 0) continue;
        report(typeof d.series === 'number' ? labels : { ...labels, [d.series.label]: value }, n);
      }
    }
  };
  const common = { name: `sluice_${d.name}`, help: d.help, labelNames, registers: [registry] };
  if (d.type === 'gauge') {
    new Gauge({
      ...common,
      collect() {
        this.reset();
        each((labels, value) => this.set(labels, value));
      },
    });
  } else {
    new PromCounter({
      ...common,
      collect() {
        this.reset();
        each((labels, value) => this.inc(labels, value));
      },
    });
  }
}

/**
 * The verdict latency as a Prometheus histogram. prom-client's own Histogram only observes single values;
 * ours come counted, so this is a metric object of the shape its Registry asks for.
 */
function latencyMetric(blocks: CounterBlocks): Metric {
  const name = 'sluice_verdict_latency_seconds';
  const help = 'Time from reception to verdict, per packet.';
  const get = async () => {
    const cumulative = cumulate(blocks.latencyCounts());
    const { count, sum } = blocks.latency();
    const bucket = (le: number | string, value: number) => ({ labels: { le }, value, metricName: `${name}_bucket` });
    const values = [
      ...LATENCY_BOUNDS.map((le, i) => bucket(le, cumulative[i])),
      bucket('+Inf', count),
      { labels: {}, value: sum, metricName: `${name}_sum` },
      { labels: {}, value: count, metricName: `${name}_count` },
    ];
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  };
  return { name, help, get, reset() {} } as unknown as Metric;
}

/** Packets per verdict message as a Prometheus histogram, one set of buckets per queue. */
function batchMetric(blocks: CounterBlocks): Metric {
  const name = 'sluice_nfqueue_batch_packets';
  const help = 'Packets answered by one verdict message. Mostly 1 under load: verdicts are not batched, see nfq.batchcount.';
  const get = async () => {
    const values: { labels: Record<string, string | number>; value: number; metricName: string }[] = [];
    for (const thread of blocks.perThread()) {
      const { cumulative, count, sum } = batchCounts(thread.counters);
      if (!keeps('queue', thread.kind, thread.interface) && count === 0) continue;
      const labels = { thread: thread.name, interface: thread.interface };
      for (let i = 0; i < BATCH_BOUNDS.length; i++)
        values.push({ labels: { ...labels, le: BATCH_BOUNDS[i] }, value: cumulative[i], metricName: `${name}_bucket` });
      values.push({ labels: { ...labels, le: '+Inf' }, value: count, metricName: `${name}_bucket` });
      values.push({ labels, value: sum, metricName: `${name}_sum` }, { labels, value: count, metricName: `${name}_count` });
    }
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  };
  return { name, help, get, reset() {} } as unknown as Metric;
}
