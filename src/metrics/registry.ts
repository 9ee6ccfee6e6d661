import { Gauge, type Metric, Counter as PromCounter, Registry } from 'prom-client';
import { REASON_NAMES } from '../ring/verdict.js';
import { Counter } from './counters.js';
import { type CounterBlocks, cumulate, LATENCY_BOUNDS } from './snapshot.js';

/** Where the metrics come from. Functions are called at each scrape. */
export interface MetricsSources {
  blocks: CounterBlocks;
  version: string;
  runmode: string;
  /** Milliseconds since 1970. */
  startMs: number;
  /** The child processes, e.g. `capture`, `detection`. */
  processes(): { name: string; up: boolean; restarts: number; pid: number }[];
  rules(): { loaded: number; failed: number };
  /** Outputs.lostLines(). */
  lostLines(): Record<string, number>;
  /** Outputs.invalid. */
  invalidRecords(): number;
  /** Packets are forwarded and inspected: every process is up and past its start. */
  up(): boolean;
}

/** A per-thread counter: name without `sluice_`, help, its Counter, and the labels that set it apart. */
interface Definition {
  name: string;
  help: string;
  /** Which threads keep it; their series are there from the start, so that rate() sees the first event. */
  kind: 'capture' | 'detect' | 'any';
  type?: 'gauge';
  /** One series each; a plain number is a metric without a label of its own. */
  series: number | { label: string; values: [string, number][] };
}

const one = (kind: Definition['kind'], name: string, series: number, help: string, type?: 'gauge'): Definition => ({
  kind,
  name,
  series,
  help,
  type,
});

export const DEFINITIONS: readonly Definition[] = [
  one('capture', 'capture_packets_total', Counter.Packets, 'Packets a capture thread took from its interface.'),
  one('capture', 'capture_bytes_total', Counter.Bytes, 'Bytes of the packets a capture thread took from its interface.'),
  one('capture', 'kernel_packets_total', Counter.KernelPackets, 'Packets the kernel saw for us, those it dropped included.'),
  one(
    'capture',
    'kernel_drops_total',
    Counter.KernelDrops,
    'Packets lost in the kernel because the capture thread was too slow to take them. Inline, this is lost traffic: add threads or a larger ring-size.',
  ),
  one(
    'capture',
    'ring_full_total',
    Counter.RingFull,
    'Packets that found the ring to their worker full: the worker is too slow. They went by sluice.ring-full-policy, not by the rules.',
  ),
  one(
    'capture',
    'worker_lost_total',
    Counter.WorkerLost,
    'Packets decided without a worker because the detection process was gone. They went by sluice.worker-lost-policy, not by the rules.',
  ),
  one('capture', 'truncated_packets_total', Counter.Truncated, 'Packets longer than a receive slot: they could not be forwarded.'),
  one('capture', 'discarded_packets_total', Counter.Discarded, 'Packets that were not for the bridge, or came before it was up.'),
  one('capture', 'transmitted_packets_total', Counter.Transmitted, 'Packets sent out on the peer interface.'),
  one('capture', 'transmitted_bytes_total', Counter.TransmittedBytes, 'Bytes sent out on the peer interface.'),
  {
    kind: 'capture',
    name: 'send_errors_total',
    help: 'Packets that should have been forwarded but could not be sent: busy = the peer queue stayed full, too_long = above the peer MTU, link_down = the peer has no link, error = anything else.',
    series: {
      label: 'kind',
      values: [
        ['error', Counter.SendErrors],
        ['busy', Counter.SendBusy],
        ['too_long', Counter.SendTooLong],
        ['link_down', Counter.LinkDown],
      ],
    },
  },
  {
    kind: 'capture',
    name: 'verdicts_total',
    help: 'Packets by what was decided: pass = forwarded, drop = not forwarded.',
    series: {
      label: 'action',
      values: [
        ['pass', Counter.VerdictPass],
        ['drop', Counter.VerdictDrop],
      ],
    },
  },
  one('detect', 'detect_packets_total', Counter.DetectPackets, 'Packets a worker inspected.'),
  one('detect', 'detect_bytes_total', Counter.DetectBytes, 'Bytes of the packets a worker inspected.'),
  one('detect', 'invalid_packets_total', Counter.Invalid, 'Packets with a malformed header.'),
  one('detect', 'flows_active', Counter.FlowsActive, 'Flows in the table now.', 'gauge'),
  one('detect', 'flow_memory_bytes', Counter.FlowMemuse, 'Memory the flow table uses, to compare with flow.memcap.', 'gauge'),
  one('detect', 'flows_created_total', Counter.FlowsTotal, 'Flows seen since the start.'),
  one(
    'detect',
    'flow_memcap_total',
    Counter.FlowMemcap,
    'Packets that got no flow because flow.memcap is reached. They went by flow.memcap-policy: raise flow.memcap, or look for a flood.',
  ),
  one('detect', 'flow_emergency_total', Counter.FlowEmergencyEntered, 'Times the flow table ran full and shortened its timeouts.'),
  one('detect', 'alerts_total', Counter.Alerts, 'Alerts raised by rules.'),
  one('detect', 'alerts_suppressed_total', Counter.AlertsSuppressed, 'Alerts held back by thresholds and suppressions.'),
  one(
    'detect',
    'rules_evaluated_total',
    Counter.RulesEvaluated,
    'Rules tried on a packet after the prefilter: high per packet means expensive rules.',
  ),
  one(
    'detect',
    'pcre_limit_total',
    Counter.PcreMatchLimit,
    'Regular expressions given up at pcre.match-limit: the rule was taken not to match.',
  ),
  one(
    'detect',
    'inspection_limit_total',
    Counter.InspectionLimit,
    'Rules cut short by the inspection budget: taken not to match. Someone may be evading, or a rule is too expensive.',
  ),
  one(
    'detect',
    'events_lost_total',
    Counter.EventsLost,
    'Alerts and other records lost because the output writer was too slow. Verdicts are not affected; the logs are incomplete.',
  ),
  {
    kind: 'any',
    name: 'heap_used_bytes',
    help: 'JavaScript heap in use by a packet thread, read once a second. It must not grow with traffic.',
    type: 'gauge',
    series: Counter.HeapUsed,
  },
  {
    kind: 'any',
    name: 'drops_total',
    help: 'Packets not forwarded, by reason. rules and flow drop are the rules at work; all others are trouble.',
    series: { label: 'reason', values: REASON_NAMES.slice(1).map((name, i) => [name, Counter.DropReason + 1 + i]) },
  },
];

/** All metrics, collected from shared memory at each scrape. Names begin with `sluice_`, units are base units. */
export function buildRegistry(sources: MetricsSources): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const d of DEFINITIONS) threadMetric(registry, d, sources.blocks);

  registry.registerMetric(latencyMetric(sources.blocks));
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
  gauge('rules', 'Rules by what became of them: failed = in the rule file but not in force.', ['state'], (g) => {
    const rules = sources.rules();
    g.set({ state: 'loaded' }, rules.loaded);
    g.set({ state: 'failed' }, rules.failed);
  });
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
  const place = d.kind === 'capture' ? ['thread', 'interface'] : ['thread'];
  const labelNames = typeof d.series === 'number' ? place : [...place, d.series.label];
  const each = (report: (labels: Record<string, string>, value: number) => void) => {
    for (const thread of blocks.perThread()) {
      const labels: Record<string, string> =
        d.kind === 'capture' ? { thread: thread.name, interface: thread.interface } : { thread: thread.name };
      const series: [string, number][] = typeof d.series === 'number' ? [['', d.series]] : d.series.values;
      for (const [value, at] of series) {
        const n = thread.counters[at];
        // A thread of the other kind only where it did count: in runmode workers one thread does both.
        if (d.kind !== 'any' && thread.kind !== d.kind && n === 0) continue;
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
