import { REASON_NAMES } from '../ring/verdict.js';
import { Counter } from './counters.js';
import { isLogGroup, isQueue } from './definitions.js';
import type { MetricsSources } from './registry.js';
import { batchCounts } from './snapshot.js';

/** The page at `/`: what one wants to know first, in plain HTML without scripts or anything fetched. */
export function statusPage(sources: MetricsSources): string {
  const blocks = sources.blocks;
  const up = Math.max(0, Math.trunc((Date.now() - sources.startMs) / 1000));
  const latency = blocks.latency();
  const rules = sources.rules();
  const facts: [string, string, boolean?][] = [
    ['Engine', sources.up() ? 'up' : 'NOT UP', !sources.up()],
    ['Version', `${sources.version}, Node ${process.version}, runmode ${sources.runmode}`],
    ['Up for', `${Math.trunc(up / 86400)} d ${Math.trunc(up / 3600) % 24} h ${Math.trunc(up / 60) % 60} min ${up % 60} s`],
    ['Rules', `${rules.loaded} loaded, ${rules.failed} failed`, rules.failed > 0],
    ['Packets in', number(blocks.total(Counter.Packets))],
    ['Packets sent on a peer interface', number(blocks.total(Counter.Transmitted))],
    ['Verdicts', `${number(blocks.total(Counter.VerdictPass))} pass, ${number(blocks.total(Counter.VerdictDrop))} drop`],
    ['Alerts', number(blocks.total(Counter.Alerts))],
    [
      'Rejects',
      `${number(blocks.total(Counter.RejectsSent))} sent, ${number(blocks.total(Counter.RejectsLimited))} held back, ${number(blocks.total(Counter.RejectsFailed))} failed`,
    ],
    ['Flows', number(blocks.total(Counter.FlowsActive))],
    [
      'Verdict latency',
      latency.count === 0 ? 'no verdict yet' : `p50 ${micro(latency.p50)}, p99 ${micro(latency.p99)}, max ${micro(latency.max)}`,
    ],
    alarming('Lost in the kernel', blocks.total(Counter.KernelDrops)),
    alarming('Lost by netfilter queues', blocks.total(Counter.QueueDrops) + blocks.total(Counter.QueueUserDrops)),
    alarming('Let through uninspected (fail-open)', blocks.total(Counter.FailOpen)),
    alarming('Lost by log groups', blocks.total(Counter.LogLost)),
    alarming('Ring full', blocks.total(Counter.RingFull)),
    alarming('Decided without a worker', blocks.total(Counter.WorkerLost)),
    alarming('Send errors', blocks.total(Counter.SendErrors) + blocks.total(Counter.SendBusy) + blocks.total(Counter.SendTooLong)),
    alarming('Verdicts the kernel refused', blocks.total(Counter.VerdictErrors)),
    alarming('Event records lost', blocks.total(Counter.EventsLost)),
  ];
  for (const [log, lost] of Object.entries(sources.lostLines())) facts.push(alarming(`Lines lost of ${log}`, lost));
  const processes = sources.processes().map((p) => [p.name, p.up ? `up, pid ${p.pid}` : 'DOWN', number(p.restarts)]);
  const drops = REASON_NAMES.map((name, i) => [name, number(blocks.total(Counter.DropReason + i))]).filter(
    (row, i) => i > 0 && row[1] !== '0',
  );
  const all = blocks.perThread();
  const limit = sources.queueLimit ? ` of ${number(sources.queueLimit)}` : '';
  const queues = all
    .filter((t) => isQueue(t.interface))
    .map((t) => {
      const batches = batchCounts(t.counters);
      return [
        t.interface,
        t.name,
        number(t.counters[Counter.Packets]),
        `${number(t.counters[Counter.QueueDepth])}${limit}`,
        batches.count === 0 ? '-' : (batches.sum / batches.count).toFixed(1),
        number(t.counters[Counter.QueueDrops]),
        number(t.counters[Counter.QueueUserDrops]),
        number(t.counters[Counter.Overruns]),
        number(t.counters[Counter.FailOpen]),
      ];
    });
  const groups = all
    .filter((t) => isLogGroup(t.interface))
    .map((t) => [
      t.interface,
      t.name,
      number(t.counters[Counter.Packets]),
      number(t.counters[Counter.LogLost]),
      number(t.counters[Counter.Overruns]),
    ]);
  const threads = all.map((t) => [
    t.name,
    t.interface,
    // In run mode workers a thread has both, of the same packets.
    number(Math.max(t.counters[Counter.Packets], t.counters[Counter.DetectPackets])),
    number(t.counters[Counter.KernelDrops]),
    number(t.counters[Counter.RingFull]),
    number(t.counters[Counter.FlowsActive]),
  ]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Sluice</title>
<style>body{font:16px/1.4 sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse;margin-bottom:1.5em}td,th{padding:.2em 1em .2em 0;text-align:left;vertical-align:top}.bad{color:#b00020;font-weight:bold}</style>
</head><body><h1>Sluice</h1>
<table>${facts.map(([name, value, bad]) => `<tr><th>${escapeHtml(name)}</th><td${bad === true ? ' class="bad"' : ''}>${escapeHtml(value)}</td></tr>`).join('\n')}</table>
${table('Processes', ['process', 'state', 'restarts'], processes)}
${table('Drops by reason', ['reason', 'packets'], drops)}
${queues.length === 0 ? '' : table('Netfilter queues', QUEUE_HEADS, queues)}
${groups.length === 0 ? '' : table('Netfilter log groups', ['group', 'thread', 'packets', 'lost', 'overruns'], groups)}
${table('Threads', ['thread', 'interface', 'packets', 'lost in the kernel', 'ring full', 'flows'], threads)}
<p><a href="/metrics">metrics</a> for Prometheus, <a href="/healthz">healthz</a>. Counts are since the start.</p>
</body></html>
`;
}

const QUEUE_HEADS = [
  'queue',
  'thread',
  'packets',
  'waiting',
  'packets per verdict',
  'dropped, queue full',
  'dropped, receive buffer',
  'overruns',
  'fail-open',
];
const number = (n: number) => Math.round(n).toLocaleString('en-US');
const micro = (seconds: number) => `${(seconds * 1e6).toFixed(1)} µs`;
const alarming = (name: string, n: number): [string, string, boolean] => [name, number(n), n > 0];

function table(title: string, heads: string[], rows: string[][]): string {
  if (rows.length === 0) return `<h2>${title}</h2><p>none</p>`;
  const head = heads.map((h) => `<th>${escapeHtml(h)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('\n');
  return `<h2>${title}</h2><table><tr>${head}</tr>\n${body}</table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
