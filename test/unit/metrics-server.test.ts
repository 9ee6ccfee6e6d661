import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { SluiceError } from '../../src/errors.js';
import { BATCH_BOUNDS, BLOCK_BYTES, Counter, latencyBucket } from '../../src/metrics/counters.js';
import { keeps } from '../../src/metrics/definitions.js';
import { buildRegistry } from '../../src/metrics/registry.js';
import { startMetrics } from '../../src/metrics/server.js';
import { CounterBlocks } from '../../src/metrics/snapshot.js';
import { statusPage } from '../../src/metrics/status-page.js';
import { Reason } from '../../src/ring/verdict.js';
import { sources } from './metrics-fixture.js';

const config = { enabled: true, address: '127.0.0.1', port: 0 };

test('a scrape reads shared memory as it is now', async () => {
  const s = sources();
  const server = await startMetrics(config, s);
  const scrape = async () => (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
  try {
    s.blocks.threads[0].counters[Counter.Packets] = 5;
    s.blocks.threads[0].counters[Counter.SendTooLong] = 2;
    s.blocks.threads[2].counters[Counter.DropReason + Reason.FlowMemcap] = 6;
    assert.match(await scrape(), /^sluice_capture_packets_total\{thread="C#01",interface="eth0"\} 5$/m);
    s.blocks.threads[0].counters[Counter.Packets] = 9;
    s.blocks.threads[1].counters[Counter.FlowsActive] = 3;
    s.blocks.threads[0].latency[latencyBucket(1500)] = 4;
    const text = await scrape();
    for (const line of [
      'sluice_capture_packets_total{thread="C#01",interface="eth0"} 9',
      'sluice_send_errors_total{thread="C#01",interface="eth0",kind="too_long"} 2',
      'sluice_drops_total{thread="W#02",reason="flow memcap"} 6',
      'sluice_flows_active{thread="W#01"} 3',
      'sluice_log_lines_lost_total{log="eve.json"} 3',
      'sluice_process_restarts_total{process="detection"} 2',
      'sluice_rules{state="failed"} 1',
      'sluice_event_records_invalid_total 4',
      'sluice_up 1',
      'sluice_start_time_seconds 1700000000',
      'sluice_verdict_latency_seconds_bucket{le="0.000001"} 0',
      'sluice_verdict_latency_seconds_bucket{le="0.000002"} 4',
      'sluice_verdict_latency_seconds_bucket{le="+Inf"} 4',
      'sluice_verdict_latency_seconds_count 4',
    ])
      assert.ok(text.split('\n').includes(line), `${line} is missing`);
    assert.match(text, /^# TYPE sluice_verdict_latency_seconds histogram$/m);
    assert.match(text, /^sluice_build_info\{version="0\.1\.0",node="v\d+[^"]*",runmode="autofp"\} 1$/m);
  } finally {
    await server.close();
  }
});

test('netfilter: queue series for queues, log series for groups, from the start', async () => {
  const s = sources();
  const queue = s.blocks.threads[3].counters;
  const before = (await buildRegistry(s).metrics()).split('\n');
  const at = (lines: string[], name: string) => lines.filter((line) => line.startsWith(`sluice_${name}`));
  assert.deepEqual(at(before, 'nfqueue_depth_packets{'), ['sluice_nfqueue_depth_packets{thread="C#02",interface="NFQ#0"} 0']);
  assert.deepEqual(at(before, 'nfqueue_fail_open_total{'), ['sluice_nfqueue_fail_open_total{thread="C#02",interface="NFQ#0"} 0']);
  assert.deepEqual(at(before, 'nflog_lost_total{'), ['sluice_nflog_lost_total{thread="C#03",interface="NFLOG#2"} 0']);
  assert.deepEqual(at(before, 'netlink_overruns_total{'), [
    'sluice_netlink_overruns_total{thread="C#02",interface="NFQ#0"} 0',
    'sluice_netlink_overruns_total{thread="C#03",interface="NFLOG#2"} 0',
  ]);
  assert.equal(at(before, 'rejects_total{').length, 3 * 3);
  for (const [counter, value] of [
    [Counter.QueueDepth, 17],
    [Counter.QueueDrops, 1],
    [Counter.QueueUserDrops, 2],
    [Counter.Overruns, 3],
    [Counter.FailOpen, 4],
    [Counter.VerdictMessages, 6],
    [Counter.VerdictErrors, 7],
    [Counter.Rewritten, 8],
    [Counter.RejectsSent, 9],
    [Counter.RejectsLimited, 10],
    [Counter.RejectsFailed, 11],
    [Counter.BatchSize, 5],
    [Counter.BatchSize + 3, 2],
    [Counter.BatchSizeEnd - 1, 1],
    [Counter.BatchSizeSum, 316],
  ])
    queue[counter] = value;
  s.blocks.threads[4].counters[Counter.LogLost] = 5;
  s.blocks.threads[1].counters[Counter.Bypassed] = 12;
  s.blocks.threads[1].counters[Counter.AppFlows + AppProto.Ftp] = 13;
  s.blocks.threads[2].counters[Counter.AppTxs + AppProto.Ftp] = 14;
  const after = (await buildRegistry(s).metrics()).split('\n');
  const place = 'thread="C#02",interface="NFQ#0"';
  for (const line of [
    `sluice_nfqueue_depth_packets{${place}} 17`,
    'sluice_nfqueue_limit_packets 4096',
    `sluice_nfqueue_drops_total{${place},kind="queue_full"} 1`,
    `sluice_nfqueue_drops_total{${place},kind="receive_buffer"} 2`,
    `sluice_netlink_overruns_total{${place}} 3`,
    `sluice_nfqueue_fail_open_total{${place}} 4`,
    'sluice_nflog_lost_total{thread="C#03",interface="NFLOG#2"} 5',
    `sluice_nfqueue_verdict_messages_total{${place}} 6`,
    `sluice_nfqueue_verdict_errors_total{${place}} 7`,
    `sluice_rewritten_packets_total{${place}} 8`,
    `sluice_rejects_total{${place},result="sent"} 9`,
    `sluice_rejects_total{${place},result="limited"} 10`,
    `sluice_rejects_total{${place},result="failed"} 11`,
    `sluice_nfqueue_batch_packets_bucket{${place},le="1"} 5`,
    `sluice_nfqueue_batch_packets_bucket{${place},le="4"} 5`,
    `sluice_nfqueue_batch_packets_bucket{${place},le="8"} 7`,
    `sluice_nfqueue_batch_packets_bucket{${place},le="255"} 7`,
    `sluice_nfqueue_batch_packets_bucket{${place},le="+Inf"} 8`,
    `sluice_nfqueue_batch_packets_sum{${place}} 316`,
    `sluice_nfqueue_batch_packets_count{${place}} 8`,
    'sluice_bypassed_packets_total{thread="W#01"} 12',
    'sluice_app_layer_flows_total{thread="W#01",proto="ftp"} 13',
    'sluice_app_layer_transactions_total{thread="W#02",proto="ftp"} 14',
  ])
    assert.ok(after.includes(line), `${line} is missing`);
  assert.equal(at(after, 'nfqueue_batch_packets_bucket').length, BATCH_BOUNDS.length + 1);
  assert.deepEqual(at((await buildRegistry(sources({ queueLimit: 0 })).metrics()).split('\n'), 'nfqueue_limit_packets '), []);
});

test('which threads keep which metrics', () => {
  assert.deepEqual(
    ['NFQ#0', 'NFQ#65535', 'NFLOG#2', 'eth0', 'eth0-eth1', 'xNFQ#0', ''].map((name) =>
      (['capture', 'queue', 'log', 'netfilter', 'detect', 'any'] as const).filter((kind) => keeps(kind, 'capture', name)).join(' '),
    ),
    [
      'capture queue netfilter any',
      'capture queue netfilter any',
      'capture log netfilter any',
      'capture any',
      'capture any',
      'capture any',
      'capture any',
    ],
  );
  assert.deepEqual(
    [keeps('queue', 'detect', 'NFQ#0'), keeps('detect', 'detect', ''), keeps('capture', 'detect', '')],
    [false, true, false],
  );
});

test('the status page has a line per queue and per log group', async () => {
  const s = sources();
  const queue = s.blocks.threads[3].counters;
  queue[Counter.Packets] = 12_345;
  queue[Counter.QueueDepth] = 40;
  queue[Counter.BatchSize + 4] = 2;
  queue[Counter.BatchSizeSum] = 25;
  queue[Counter.QueueDrops] = 1;
  queue[Counter.QueueUserDrops] = 2;
  queue[Counter.Overruns] = 3;
  queue[Counter.FailOpen] = 4;
  s.blocks.threads[4].counters[Counter.LogLost] = 6;
  const page = statusPage(s);
  const row = (cells: string[]) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  assert.ok(page.includes(row(['NFQ#0', 'C#02', '12,345', '40 of 4,096', '12.5', '1', '2', '3', '4'])), page);
  assert.ok(page.includes(row(['NFLOG#2', 'C#03', '0', '6', '0'])));
  assert.match(page, /fail-open\)<\/th><td class="bad">4</);
  assert.match(page, /Lost by netfilter queues<\/th><td class="bad">3</);
  const names = [{ name: 'C#01', kind: 'capture' as const, interface: 'eth0' }];
  const bridge = statusPage(sources({ blocks: new CounterBlocks(new ArrayBuffer(BLOCK_BYTES), names) }));
  assert.ok(!bridge.includes('<h2>Netfilter'));
});

test('healthz says ok, or 503 and who is down', async () => {
  let up = true;
  const server = await startMetrics(config, sources({ up: () => up, processes: () => [{ name: 'detection', up, restarts: 0, pid: 1 }] }));
  const get = () => fetch(`http://127.0.0.1:${server.port}/healthz`);
  try {
    const good = await get();
    assert.deepEqual([good.status, await good.text()], [200, 'ok\n']);
    up = false;
    const bad = await get();
    assert.deepEqual([bad.status, await bad.text()], [503, 'not ok; detection process is down\n']);
  } finally {
    await server.close();
  }
});

test('the status page needs nothing from elsewhere and escapes names', async () => {
  const s = sources({ lostLines: () => ({ '<script>alert(1)</script>': 1 }) });
  const server = await startMetrics(config, s);
  try {
    const page = await (await fetch(`http://127.0.0.1:${server.port}/`)).text();
    assert.match(page, /Engine<\/th><td>up</);
    assert.match(page, /7 loaded, 1 failed/);
    assert.ok(!page.includes('<script'));
    assert.ok(!/(src|href)="(https?:)?\/\//.test(page));
    const other = await fetch(`http://127.0.0.1:${server.port}/etc/passwd`);
    assert.equal(other.status, 404);
    const post = await fetch(`http://127.0.0.1:${server.port}/metrics`, { method: 'POST' });
    assert.equal(post.status, 405);
  } finally {
    await server.close();
  }
});

test('a port in use: one line with the mend', async () => {
  const first = await startMetrics(config, sources());
  try {
    await assert.rejects(startMetrics({ ...config, port: first.port }, sources()), (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG');
      assert.match(
        error.message,
        /^metrics cannot listen on 127\.0\.0\.1:\d+: the port is in use; stop the other program or set sluice\.metrics\.port/,
      );
      return !error.message.includes('\n');
    });
  } finally {
    await first.close();
  }
  await assert.rejects(startMetrics({ ...config, address: '192.0.2.1' }, sources()), /no interface has that address/);
});

test('disabled: nothing listens', async () => {
  const server = await startMetrics({ ...config, enabled: false }, sources());
  assert.equal(server.port, 0);
  await server.close();
});

test('names and help: sluice_, base units, counters end in _total, every help a sentence', async () => {
  for (const metric of await buildRegistry(sources()).getMetricsAsJSON()) {
    assert.match(metric.name, /^sluice_[a-z_]+$/);
    assert.equal((metric.type as unknown as string) === 'counter', metric.name.endsWith('_total'), metric.name);
    assert.doesNotMatch(metric.name, /_(ms|us|ns|kb|mb|percent)(_|$)/);
    assert.match(metric.help, /^[A-Z0-9].{10,}\.$/, metric.name);
  }
});

test('every scrape of memory that holds nonsense works', async () => {
  const s = sources();
  for (const t of s.blocks.threads) {
    t.counters.fill(NaN);
    t.latency.fill(-1);
  }
  const text = await buildRegistry(s).metrics();
  assert.ok(!/ (NaN|-\d)/.test(text));
  assert.equal(new CounterBlocks(new ArrayBuffer(0), []).total(0), 0);
});
