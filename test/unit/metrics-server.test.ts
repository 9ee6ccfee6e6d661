import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../src/errors.js';
import { Counter, latencyBucket } from '../../src/metrics/counters.js';
import { buildRegistry } from '../../src/metrics/registry.js';
import { startMetrics } from '../../src/metrics/server.js';
import { CounterBlocks } from '../../src/metrics/snapshot.js';
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
