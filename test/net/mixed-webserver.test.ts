import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { BODY, startWebServer } from '../../src/lab/traffic.js';
import { Bridge, RUNMODES, type Runmode } from '../support/bridge.js';
import { freshClients, packetsBySource, reported, statusRows, typed } from '../support/gateway.js';
import { type ExecResult, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';

/**
 * "Mixing IPS/IDS Mode" (slides of 2015), "Mixed mode: usage": a web server on port 80 that must not be cut off, all else
 * may be blocked. Netfilter rules, command line and the nflog section are the slides'.
 *
 * The slides' first rule also queues what the web server answers (its destination port is not 80), so each connection to
 * port 80 is logged one way and queued the other.
 */
const RULES = [
  'drop tcp any any -> any any (msg:"attack"; flow:established,to_server; content:"/etc/passwd"; sid:1;)',
  'drop tcp any any -> any any (msg:"attack without flow"; content:"/etc/shadow"; sid:2;)',
];

const config = (runmode: Runmode) => (folder: string) =>
  `%YAML 1.1
---
runmode: ${runmode}
default-rule-path: ${folder}
rule-files:
  - test.rules
default-log-dir: ${folder}/log
stats:
  enabled: yes
  interval: 1
outputs:
  - fast:
      enabled: yes
      filename: fast.log
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - alert
        - drop
        - flow
        - stats
  - stats:
      enabled: yes
      filename: stats.log
      totals: yes
      threads: yes
      null-values: yes
nfq:
  mode: accept
#nflog support
nflog:
  # netlink multicast group
  # (the same as the iptables --nflog-group param)
  # Group 0 is used by the kernel, so you can't use it
- group: 2
  # netlink buffer size
  buffer-size: 18432
  # put default value here
- group: default
  # set number of packet to queue inside kernel
  qthreshold: 1
  # set the delay before flushing packet in the queue inside kernel
  qtimeout: 100
  # netlink max buffer size
  max-size: 20000
`;
const COMMAND_LINE = ['-c', 'suricata.yaml', '-q', '0', '-nflog', '-v'];

const WEB = `http://${ROUTED.server}`;
const OTHER = `http://${ROUTED.server}:8081`;
const OTHER_SERVER = `require('node:http').createServer((request, response) => response.end('another page\\n')).listen(8081)`;
/** How long an attack that is blocked is given, seconds. */
const PATIENCE = 2;

describe('mixed mode: a web server that must not be cut off', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  const big = randomBytes(4 << 20);
  const own = mkdtempSync(join(tmpdir(), 'sluice-web-'));
  after(() => rmSync(own, { recursive: true, force: true }));

  test('a gateway; nginx on port 80, another web server on port 8081', async () => {
    await makeRouter(lab);
    const folder = join(own, 'nginx');
    mkdirSync(join(folder, 'html'), { recursive: true });
    writeFileSync(join(folder, 'html', 'big.bin'), big);
    await startWebServer(lab, folder);
    lab.spawn('server', process.execPath, ['-e', OTHER_SERVER], { stdio: 'ignore' });
    await waitFor(async () => (await lab.exec('server', 'ss', ['-Hltn', 'sport = :8081'])).stdout !== '', { what: 'port 8081' });
  });

  let from = '';

  const curl = (seconds: number, ...args: string[]): Promise<ExecResult> =>
    lab.exec('client', 'curl', ['-q', '--noproxy', '*', '-sS', '--interface', from, '--max-time', String(seconds), ...args]);

  for (const runmode of RUNMODES) {
    test(`${runmode}: attacks on port 80 are answered and logged, attacks on port 8081 are blocked`, async () => {
      [from] = await freshClients(lab, 1);
      await typed(
        lab,
        'iptables -A FORWARD -p tcp ! --dport 80 -j NFQUEUE',
        'iptables -A FORWARD -p tcp --dport 80 -j NFLOG --nflog-group 2',
      );
      const bridge = await Bridge.start(lab, { rules: RULES, suricata: config(runmode), args: COMMAND_LINE });

      for (const [url, page] of [
        [WEB, BODY],
        [OTHER, 'another page\n'],
      ]) {
        const { stdout, stderr } = await curl(10, `${url}/index.html`);
        assert.equal(stdout, page, stderr);
      }
      for (const path of ['/download?file=/etc/passwd', '/download?file=/etc/shadow']) {
        // At once: each is decided by how it came, not by what was decided of the other.
        const [web, other] = await Promise.all([curl(10, WEB + path), curl(PATIENCE, OTHER + path)]);
        assert.equal(web.stdout, BODY, web.stderr);
        assert.deepEqual([other.code, other.stdout], [28, ''], `curl's timeout, not: ${other.stderr}`);
      }
      await waitFor(() => reported(bridge).length >= 4, { what: 'two attacks, each on both ports' });
      for (const sid of [1, 2]) {
        const logged = bridge.eve('alert').filter((record) => record.alert.signature_id === sid && record.dest_port === 80);
        assert.ok(logged.length > 0, `sid ${sid} on port 80`);
        for (const record of logged) assert.deepEqual([record.in_iface, record.alert.action], ['NFLOG#2', 'allowed']);
        const blocked = bridge.eve('alert').filter((record) => record.alert.signature_id === sid && record.dest_port === 8081);
        assert.ok(blocked.length > 0, `sid ${sid} on port 8081`);
        for (const record of blocked) assert.deepEqual([record.in_iface, record.alert.action], ['NFQ#0', 'blocked']);
      }
      for (const line of bridge.fast(/ -> 10\.99\.1\.2:80$/)) assert.match(line, /\[wDrop\]/);
      for (const line of bridge.fast(/ -> 10\.99\.1\.2:8081$/)) assert.match(line, /\[Drop\]/);
      assert.equal(bridge.fast(/:80$/).length > 1 && bridge.fast(/:8081$/).length > 1, true, bridge.log('fast.log'));
      for (const record of bridge.eve('drop')) assert.deepEqual([record.in_iface, record.src_port === 80], ['NFQ#0', false]);

      const packets = await packetsBySource(bridge);
      assert.ok(packets['NFQ#0'] > 10 && packets['NFLOG#2'] > 10, JSON.stringify(packets));
      const rows = await statusRows(lab);
      for (const row of [/^NFQ#0 \|/, /^NFLOG#2 \|/, /^C#01 \| NFQ#0 \|/, /^C#02 \| NFLOG#2 \|/])
        assert.ok(
          rows.some((one) => row.test(one)),
          `${row} in\n${rows.join('\n')}`,
        );
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.match(bridge.output, /Engine started: 2 capture threads/);
      const value = (name: string, thread: string) =>
        Number(
          new RegExp(`^${name.replaceAll('.', '\\.')} +\\| ${thread} +\\| (\\d+)$`, 'm').exec(
            bridge.log('stats.log').split('Date:').at(-1)!,
          )?.[1],
        );
      assert.equal(value('nfq.verdict_packets', 'Total'), value('capture.packets', 'C#01'));
      assert.ok(value('capture.packets', 'C#02') > 10);
      for (const name of ['nfq.queue_dropped', 'nfq.user_dropped', 'nfq.fail_open', 'nfq.verdict_errors', 'nflog.lost', 'netlink.overruns'])
        assert.equal(value(name, 'Total'), 0, name);
      assert.equal(value('ips.blocked', 'Total'), stopped.dropped);
      assert.ok(stopped.dropped > 0);
    });

    test(`${runmode}: a connection to port 80 lives through attack after attack, downloads and all`, async () => {
      [from] = await freshClients(lab, 1);
      await typed(
        lab,
        'iptables -A FORWARD -p tcp ! --dport 80 -j NFQUEUE',
        'iptables -A FORWARD -p tcp --dport 80 -j NFLOG --nflog-group 2',
      );
      const bridge = await Bridge.start(lab, { rules: RULES, suricata: config(runmode), args: COMMAND_LINE });
      const folder = mkdtempSync(join(own, 'got-'));
      const requests: string[] = [];
      for (let i = 0; i < 10; i++) {
        requests.push('-o', join(folder, `attack-${i}`), `${WEB}/download?file=/etc/${i % 2 === 0 ? 'passwd' : 'shadow'}`);
        requests.push('-o', join(folder, `big-${i}`), `${WEB}/big.bin`);
      }
      const result = await curl(20, '--fail-early', '-w', '%{http_code} %{num_connects} %{size_download}\n', ...requests);
      assert.equal(result.code, 0, result.stderr);
      const lines = result.stdout.trim().split('\n');
      assert.deepEqual(
        lines,
        Array.from({ length: 20 }, (_, i) => `200 ${i === 0 ? 1 : 0} ${i % 2 === 0 ? BODY.length : big.length}`),
        'all in one connection',
      );
      const whole = await lab.exec(
        'client',
        'sha256sum',
        Array.from({ length: 10 }, (_, i) => join(folder, `big-${i}`)),
      );
      const digest = createHash('sha256').update(big).digest('hex');
      assert.deepEqual(
        new Set(
          whole.stdout
            .trim()
            .split('\n')
            .map((line) => line.split(' ')[0]),
        ),
        new Set([digest]),
      );
      await waitFor(() => reported(bridge).length >= 10, { what: 'ten attacks to be reported' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual(new Set(reported(bridge)), new Set(['NFLOG#2 allowed']));
      assert.equal(stopped.dropped, 0, JSON.stringify(bridge.eve('drop').slice(0, 3)));
    });

    test(`${runmode}: all of a connection both logged and queued: each segment is seen twice, and the queue's decides`, async () => {
      [from] = await freshClients(lab, 1);
      await typed(lab, 'iptables -A FORWARD -p tcp -j NFLOG --nflog-group 2', 'iptables -A FORWARD -p tcp -j NFQUEUE');
      const bridge = await Bridge.start(lab, { rules: RULES, suricata: config(runmode), args: COMMAND_LINE });
      const file = join(mkdtempSync(join(own, 'got-')), 'big');
      const download = await curl(20, '-o', file, `${WEB}/big.bin`);
      assert.equal(download.code, 0, download.stderr);
      const digest = (await lab.exec('client', 'sha256sum', [file])).stdout.split(' ')[0];
      assert.equal(digest, createHash('sha256').update(big).digest('hex'));
      for (const path of ['/download?file=/etc/passwd', '/download?file=/etc/shadow'])
        assert.equal((await curl(1, WEB + path)).code, 28, 'blocked');
      await waitFor(() => ['NFLOG#2 allowed', 'NFQ#0 blocked'].every((one) => reported(bridge).includes(one)), { what: 'both reports' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual(new Set(reported(bridge)), new Set(['NFLOG#2 allowed', 'NFQ#0 blocked']));
      for (const record of bridge.eve('drop')) {
        assert.equal(record.in_iface, 'NFQ#0');
        assert.match(record.drop.reason, /^(rules|flow drop)$/);
      }
    });
  }
});
