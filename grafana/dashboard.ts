import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  DashboardBuilder,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as SeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/**
 * Writes grafana/sluice.json: `node dist/grafana/dashboard.js`. The JSON is generated, this file is the source.
 * Rows answer questions in the order they are asked at night: does it forward, how late, who is busy, what is lost.
 */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own placeholder
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const ENGINE = 'instance=~"$instance"';

type Query = [expr: string, legend: string];

function series(title: string, description: string, unit: string, queries: Query[]): Builder<Panel> {
  const panel = new SeriesBuilder().title(title).description(description).unit(unit).min(0).span(12).height(8).datasource(DATASOURCE);
  for (const [expr, legend] of queries) panel.withTarget(new DataqueryBuilder().expr(expr).legendFormat(legend));
  return panel;
}

/** One number; red from `bad` on. `good` below instead: red under 1. */
function stat(
  title: string,
  description: string,
  unit: string,
  expr: string,
  legend: string,
  colour: 'zero-is-good' | 'one-is-good' | 'neutral',
): Builder<Panel> {
  const steps = {
    'zero-is-good': [
      { value: null, color: 'green' },
      { value: 0.001, color: 'red' },
    ],
    'one-is-good': [
      { value: null, color: 'red' },
      { value: 1, color: 'green' },
    ],
    neutral: [{ value: null, color: 'blue' }],
  }[colour];
  return new StatBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .span(6)
    .height(4)
    .datasource(DATASOURCE)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .withTarget(new DataqueryBuilder().expr(expr).legendFormat(legend));
}

const rate = (metric: string, labels = '') => `rate(sluice_${metric}{${ENGINE}${labels}}[$__rate_interval])`;
const sum = (metric: string, by = '') => (by === '' ? `sum(${rate(metric)})` : `sum by (${by}) (${rate(metric)})`);
const batchQuantile = (q: number) => `histogram_quantile(${q}, sum by (interface, le) (${rate('nfqueue_batch_packets_bucket')}))`;
const quantile = (q: number) => `histogram_quantile(${q}, sum by (le) (${rate('verdict_latency_seconds_bucket')}))`;

export function dashboard() {
  return new DashboardBuilder('Sluice')
    .uid('sluice')
    .description('Sluice, inline intrusion prevention')
    .tags(['sluice', 'generated'])
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(instanceVariable())

    .withRow(new RowBuilder('Is it forwarding?'))
    .withPanel(stat('Engine', '1: every process is up.', 'none', `min(sluice_up{${ENGINE}})`, '', 'one-is-good'))
    .withPanel(
      stat(
        'Detection process',
        '0: packets go by sluice.worker-lost-policy.',
        'none',
        `min(sluice_process_up{${ENGINE},process="detection"})`,
        '',
        'one-is-good',
      ),
    )
    .withPanel(stat('Rules in force', 'Rules loaded.', 'none', `sum(sluice_rules{${ENGINE},state="loaded"})`, '', 'neutral'))
    .withPanel(
      stat(
        'Rules that failed',
        'In the rule files but not in force.',
        'none',
        `sum(sluice_rules{${ENGINE},state="failed"})`,
        '',
        'zero-is-good',
      ),
    )
    .withPanel(
      series(
        'Packets in and out',
        'In an inline bridge the two lines lie on each other, drops aside. Queues and log groups have no line out: the kernel forwards.',
        'pps',
        [
          [sum('capture_packets_total', 'interface'), 'in {{interface}}'],
          [sum('transmitted_packets_total', 'interface'), 'out {{interface}}'],
        ],
      ),
    )
    .withPanel(
      series('Traffic in and out', 'Bytes received and sent.', 'Bps', [
        [sum('capture_bytes_total', 'interface'), 'in {{interface}}'],
        [sum('transmitted_bytes_total', 'interface'), 'out {{interface}}'],
      ]),
    )
    .withPanel(
      series('Drops by reason', 'rules and flow drop: the rules at work. All others: trouble.', 'pps', [
        [sum('drops_total', 'reason'), '{{reason}}'],
      ]),
    )
    .withPanel(
      series('Verdicts and alerts', 'What was decided.', 'pps', [
        [sum('verdicts_total', 'action'), '{{action}}'],
        [sum('alerts_total'), 'alerts'],
        [sum('alerts_suppressed_total'), 'alerts suppressed'],
      ]),
    )

    .withRow(new RowBuilder('How late?'))
    .withPanel(
      series('Verdict latency', 'From reception to verdict. An upper bound: at most 12.5 % and one bucket too much.', 's', [
        [quantile(0.5), 'p50'],
        [quantile(0.99), 'p99'],
      ]),
    )
    .withPanel(
      series('Verdicts later than 1 ms', 'Share of packets.', 'percentunit', [
        [
          `1 - sum(${rate('verdict_latency_seconds_bucket', ',le="0.001"')}) / sum(${rate('verdict_latency_seconds_count')})`,
          'later than 1 ms',
        ],
      ]),
    )

    .withRow(new RowBuilder('Who is busy?'))
    .withPanel(
      series('Packets per capture thread', 'Uneven: few flows, or the cluster type does not fit.', 'pps', [
        [sum('capture_packets_total', 'thread'), '{{thread}}'],
      ]),
    )
    .withPanel(series('Packets per worker', 'Uneven: a few heavy flows.', 'pps', [[sum('detect_packets_total', 'thread'), '{{thread}}']]))
    .withPanel(
      series('Rules tried per packet', 'Rises: expensive rules, or traffic made to be expensive.', 'none', [
        [`sum by (thread) (${rate('rules_evaluated_total')}) / sum by (thread) (${rate('detect_packets_total')})`, '{{thread}}'],
      ]),
    )
    .withPanel(
      series('Inspection cut short', 'Rules taken not to match because a limit was reached.', 'ops', [
        [sum('pcre_limit_total'), 'pcre.match-limit'],
        [sum('inspection_limit_total'), 'inspection budget'],
      ]),
    )

    .withRow(new RowBuilder('What is lost?'))
    .withPanel(
      series('Lost in the kernel', 'The capture thread was too slow. Inline, this is lost traffic.', 'pps', [
        [sum('kernel_drops_total', 'thread'), '{{thread}}'],
      ]),
    )
    .withPanel(
      series('Not inspected', 'Decided by policy instead of rules: ring full, worker lost.', 'pps', [
        [sum('ring_full_total', 'thread'), 'ring full {{thread}}'],
        [sum('worker_lost_total', 'thread'), 'worker lost {{thread}}'],
      ]),
    )
    .withPanel(
      series('Send errors', 'Should have been forwarded and could not be.', 'pps', [
        [sum('send_errors_total', 'kind'), '{{kind}}'],
        [sum('truncated_packets_total'), 'truncated'],
      ]),
    )
    .withPanel(
      series('Malformed and discarded', 'Malformed headers; packets not for the bridge.', 'pps', [
        [sum('invalid_packets_total'), 'malformed'],
        [sum('discarded_packets_total'), 'discarded'],
      ]),
    )

    .withRow(new RowBuilder('Netfilter queues'))
    .withPanel(
      series(
        'Queue depth',
        'Packets waiting in the kernel for a verdict. At the limit they are lost, or pass uninspected with fail-open.',
        'none',
        [
          [`sum by (interface) (sluice_nfqueue_depth_packets{${ENGINE}})`, '{{interface}}'],
          [`max(sluice_nfqueue_limit_packets{${ENGINE}})`, 'limit'],
        ],
      ),
    )
    .withPanel(
      series('Lost by queues and log groups', 'Queues: lost traffic. Log groups: not inspected, but not held up.', 'pps', [
        [sum('nfqueue_drops_total', 'interface, kind'), '{{interface}} {{kind}}'],
        [sum('nflog_lost_total', 'interface'), '{{interface}} lost'],
      ]),
    )
    .withPanel(
      series('Passed uninspected (fail-open)', 'The kernel let these through because we were behind. No rule saw them.', 'pps', [
        [sum('nfqueue_fail_open_total', 'interface'), '{{interface}}'],
      ]),
    )
    .withPanel(
      series(
        'Socket overruns and refused verdicts',
        'ENOBUFS: packets came faster than we took them. Refused: the kernel did not take our verdict.',
        'ops',
        [
          [sum('netlink_overruns_total', 'interface'), 'overrun {{interface}}'],
          [sum('nfqueue_verdict_errors_total', 'interface'), 'verdict refused {{interface}}'],
        ],
      ),
    )
    .withPanel(
      series('Packets per queue', 'Uneven: --queue-balance puts one pair of hosts on one queue, whatever its ports.', 'pps', [
        [
          `sum by (interface) (rate(sluice_capture_packets_total{${ENGINE},interface=~"NFQ#.*|NFLOG#.*"}[$__rate_interval]))`,
          '{{interface}}',
        ],
      ]),
    )
    .withPanel(
      series('Verdict messages', 'System work per queue. Fewer than packets: verdicts are batched.', 'ops', [
        [sum('nfqueue_verdict_messages_total', 'interface'), '{{interface}}'],
      ]),
    )
    .withPanel(
      series(
        'Packets per verdict message',
        'Near 1 under load: drops or marks break the batches, or nfq.batchcount is low. p99 is a bucket bound.',
        'none',
        [
          [
            `sum by (interface) (${rate('nfqueue_batch_packets_sum')}) / sum by (interface) (${rate('nfqueue_batch_packets_count')})`,
            'average {{interface}}',
          ],
          [batchQuantile(0.99), 'p99 {{interface}}'],
        ],
      ),
    )
    .withPanel(
      series(
        'Rejects and rewritten packets',
        'limited: held back by sluice.reject-rate. failed: not to be answered, or refused by the kernel.',
        'pps',
        [
          [sum('rejects_total', 'result'), 'reject {{result}}'],
          [sum('rewritten_packets_total'), 'rewritten'],
        ],
      ),
    )

    .withRow(new RowBuilder('Flows'))
    .withPanel(
      series('Flows', 'In the table, and new per second.', 'none', [
        [`sum(sluice_flows_active{${ENGINE}})`, 'active'],
        [sum('flows_created_total'), 'new per second'],
      ]),
    )
    .withPanel(
      series('Flow memory', 'Compare with flow.memcap.', 'bytes', [
        [`sum by (thread) (sluice_flow_memory_bytes{${ENGINE}})`, '{{thread}}'],
      ]),
    )
    .withPanel(
      series('Bypassed', 'Packets of bypassed flows: forwarded uninspected.', 'pps', [[sum('bypassed_packets_total'), 'bypassed']]),
    )
    .withPanel(
      series('Flow table full', 'Packets without a flow, and times in emergency mode.', 'ops', [
        [sum('flow_memcap_total'), 'packets without a flow'],
        [sum('flow_emergency_total'), 'emergency mode'],
      ]),
    )

    .withRow(new RowBuilder('Streams and application layers'))
    .withPanel(
      series('Transactions', 'Ended per second, by protocol.', 'ops', [[sum('app_layer_transactions_total', 'proto'), '{{proto}}']]),
    )
    .withPanel(
      series('Flows recognised', 'Per second, by protocol. errors: given up, since they were not what they began as.', 'ops', [
        [sum('app_layer_flows_total', 'proto'), '{{proto}}'],
        [sum('app_layer_errors_total', 'proto'), '{{proto}} errors'],
      ]),
    )
    .withPanel(
      series('Memory against its limits', 'The fullest memcap. At 100 % the exception policies decide.', 'percent', [
        [`max by (thread) (sluice_memcap_pressure{${ENGINE}})`, '{{thread}}'],
      ]),
    )
    .withPanel(
      series('Seen less of', 'Not 0: losses on the way, a limit too small, or someone who hides something in many small things.', 'ops', [
        [sum('app_layer_skipped_total', 'reason'), 'stream {{reason}}'],
        [sum('stream_windows_refused_total'), 'windows refused'],
        [sum('stream_windows_evicted_total'), 'windows given to others'],
        [sum('stream_rescans_total'), 'windows scanned anew'],
        [sum('app_layer_evicted_total'), 'transactions ended early'],
        [sum('app_layer_instances_lost_total'), 'buffers beyond the limit'],
        [sum('app_layer_files_lost_total'), 'files beyond the limit'],
      ]),
    )

    .withRow(new RowBuilder('Restarts and logs'))
    .withPanel(
      series('Restarts', 'Per hour.', 'none', [
        [`sum by (process) (increase(sluice_process_restarts_total{${ENGINE}}[1h]))`, '{{process}}'],
      ]),
    )
    .withPanel(
      series('Log loss', 'Alerts and records that are in no log. Verdicts are not affected.', 'ops', [
        [sum('log_lines_lost_total', 'log'), '{{log}}'],
        [sum('events_lost_total'), 'records between worker and writer'],
        [sum('event_records_invalid_total'), 'records refused'],
      ]),
    )
    .withPanel(stat('Up for', 'Since the supervisor started.', 's', `time() - max(sluice_start_time_seconds{${ENGINE}})`, '', 'neutral'))
    .withPanel(stat('Version', 'From sluice_build_info.', 'none', `sluice_build_info{${ENGINE}}`, '{{version}} {{runmode}}', 'neutral'))
    .build();
}

function instanceVariable() {
  return new QueryVariableBuilder('instance')
    .label('Sluice')
    .datasource(DATASOURCE)
    .query('label_values(sluice_up, instance)')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true);
}

/** Compiled, this file lies two folders below the package root (dist/grafana). */
export const DASHBOARD_FILE = fileURLToPath(new URL('../../grafana/sluice.json', import.meta.url));
export const dashboardText = () => `${JSON.stringify(dashboard(), null, 2)}\n`;

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  writeFileSync(DASHBOARD_FILE, dashboardText());
