import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearNetfilter, freshClients, packetsBySource, reportedOnce, typed } from '../support/gateway.js';
import { type ExecResult, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';

/**
 * "Mixing IPS/IDS Mode" (slides of 2015), "ninja usage": everybody is watched; whoever is put on the list of suspicious
 * addresses is blocked as well, without a restart.
 *
 * What the slides type, and what today's tools make of it (iptables 1.8.9 nf_tables, ipset 7.17, nft 1.0.6):
 *
 *   ipset create suspiciousip                              refused: a set needs a type -> ipset create suspiciousip hash:ip
 *   iptables -I FORWARD -m set --set suspiciousip -j ...   refused: --match-set requires two args, the direction is missing
 *                                                          -> -m set --match-set suspiciousip src (and a second one for dst)
 *   nft add filter forward queue num 0                     refused: `rule` is missing; this kernel has no queue statement
 *   nft add rule filter forward tcp dport not 80 ...       refused: != 80
 *   nft add rule filter input ip log group 10              refused: `ip` alone is no match -> without it
 *   nft add rule ip input ip saddr @suspicious queue 0     refused: no table is named; the set has another name
 *   nft add rule filter forward tcp dport 80 log group 2   works
 *   nft add set filter suspiciousip { type ipv4_addr\\;}    works
 *   nft add element filter suspiciousip { ... }            works
 */
const RULES = ['drop tcp any any -> any any (msg:"fake agent"; flow:established,to_server; content:"User-Agent|3a| BadAgent"; sid:1;)'];

const yaml =
  (runmode: string, midstream: 'yes' | 'no' = 'no') =>
  (folder: string) =>
    `%YAML 1.1
---
runmode: ${runmode}
stream: { midstream: ${midstream} }
default-rule-path: ${folder}
rule-files: [ test.rules ]
default-log-dir: ${folder}/log
stats: { enabled: yes, interval: 60 }
outputs:
  - fast: { enabled: yes, filename: fast.log }
  # Extensible Event Format (nicknamed EVE) event log in JSON format
  - eve-log:
      enabled: yes
      filetype: regular #regular|syslog|unix_dgram|unix_stream|redis
      filename: eve.json
      types:
        - ssh
        - alert
        - drop
        - stats
nflog:
  - group: 10
    buffer-size: 18432
  - group: default
    qthreshold: 1
    qtimeout: 100
    max-size: 20000
`;

const SERVER = `require('node:http').createServer((request, response) => response.end('a page\\n')).listen(80)`;

describe('mixed mode: suspicious addresses go from the log group to the queue', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();

  test('a gateway and a web server', async () => {
    await makeRouter(lab);
    lab.spawn('server', process.execPath, ['-e', SERVER], { stdio: 'ignore' });
    await waitFor(async () => (await lab.exec('server', 'ss', ['-Hltn', 'sport = :80'])).stdout !== '', { what: 'port 80' });
  });

  const visit = (from: string, agent: string, seconds = 10): Promise<ExecResult> =>
    lab.exec('client', 'curl', [
      ...['-q', '--noproxy', '*', '-sS', '--max-time', String(seconds), '--interface', from, '-A', agent],
      `http://${ROUTED.server}/`,
    ]);
  const answered = async (from: string, agent: string) => {
    const { stdout, stderr } = await visit(from, agent);
    assert.equal(stdout, 'a page\n', stderr);
  };
  const refused = async (from: string, agent: string) => {
    const { code, stdout } = await visit(from, agent, 1);
    assert.deepEqual([code, stdout], [28, ''], 'no answer');
  };
  for (const runmode of RUNMODES) {
    test(`${runmode}: ipset: logged only, then blocked once its address is in the set, then logged only again`, async () => {
      const [client, other] = await freshClients(lab, 2);
      await typed(
        lab,
        'iptables -A FORWARD -j NFLOG --nflog-group 10',
        'ipset create suspiciousip hash:ip',
        'ipset add suspiciousip 145.254.160.237',
        'iptables -I FORWARD -m set --match-set suspiciousip src -j NFQUEUE --queue-num 0',
        'iptables -I FORWARD -m set --match-set suspiciousip dst -j NFQUEUE --queue-num 0',
      );
      const bridge = await Bridge.start(lab, {
        rules: RULES,
        suricata: yaml(runmode),
        args: ['-c', 'suricata.yaml', '-q', '0', '-nflog', '-v'],
      });
      for (const from of [client, other]) {
        await answered(from, 'Mozilla');
        await answered(from, 'BadAgent');
      }
      await waitFor(() => reportedOnce(bridge).length >= 2, { what: 'both to be reported' });
      assert.deepEqual(reportedOnce(bridge).sort(), ['NFLOG#10 allowed', 'NFLOG#10 allowed']);
      assert.equal((await packetsBySource(bridge))['NFQ#0'], 0);

      await typed(lab, `ipset add suspiciousip ${client}`);
      await refused(client, 'BadAgent');
      await answered(client, 'Mozilla');
      await answered(other, 'BadAgent');
      await waitFor(() => reportedOnce(bridge, client).length >= 2 && reportedOnce(bridge, other).length >= 2, { what: 'each once more' });
      assert.deepEqual(reportedOnce(bridge, client).slice(0, 2), ['NFLOG#10 allowed', 'NFQ#0 blocked']);
      assert.deepEqual(reportedOnce(bridge, other), ['NFLOG#10 allowed', 'NFLOG#10 allowed']);

      await typed(lab, `ipset del suspiciousip ${client}`);
      await answered(client, 'BadAgent');
      await waitFor(() => reportedOnce(bridge, client).filter((one) => one === 'NFLOG#10 allowed').length >= 2, {
        what: 'the log group again',
      });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.ok(bridge.fast('[Drop]').length >= 1 && bridge.fast('[wDrop]').length >= 4, bridge.log('fast.log'));
      for (const line of bridge.fast('[Drop]')) assert.match(line, new RegExp(`${client.replaceAll('.', '\\.')}:`));
      assert.ok(stopped.dropped >= 1);
      for (const record of bridge.eve('drop')) assert.equal(record.in_iface, 'NFQ#0');
    });

    test(`${runmode}: a connection that was only logged is blocked in its middle, once its address is in the set`, async () => {
      const [client] = await freshClients(lab, 1);
      await typed(
        lab,
        'iptables -A FORWARD -j NFLOG --nflog-group 10',
        'ipset create suspiciousip hash:ip',
        'iptables -I FORWARD -m set --match-set suspiciousip src -j NFQUEUE --queue-num 0',
        'iptables -I FORWARD -m set --match-set suspiciousip dst -j NFQUEUE --queue-num 0',
      );
      const bridge = await Bridge.start(lab, {
        rules: RULES,
        // In run mode workers each source has a thread and flows of its own: to the queue's, the connection begins here.
        suricata: yaml(runmode, runmode === 'workers' ? 'yes' : 'no'),
        args: ['-c', 'suricata.yaml', '-q', '0', '-nflog', '-v'],
      });
      // One connection; a line on its input makes it ask again.
      const script = `const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
require('node:readline').createInterface({ input: process.stdin }).on('line', (name) => {
  http.get({ host: '${ROUTED.server}', localAddress: '${client}', agent, headers: { 'User-Agent': name } }, (response) => {
    response.resume().on('end', () => console.log(name, response.statusCode, response.req.reusedSocket));
  }).on('error', (error) => console.log(name, error.code));
});`;
      const child = lab.spawn('client', process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'ignore'] });
      let said = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const ask = (name: string) => child.stdin!.write(`${name}\n`);
      ask('Mozilla');
      await waitFor(() => said === 'Mozilla 200 false\n', { what: 'the first page' });
      ask('BadAgent');
      await waitFor(() => said.endsWith('BadAgent 200 true\n'), { what: 'the second page' });
      await waitFor(() => reportedOnce(bridge).length >= 1, { what: 'the report' });
      await typed(lab, `ipset add suspiciousip ${client}`);
      ask('Opera');
      await waitFor(() => said.endsWith('Opera 200 true\n'), { what: 'the third page, by the queue' });
      assert.ok((await packetsBySource(bridge))['NFQ#0'] > 0);
      ask('BadAgent');
      await waitFor(() => reportedOnce(bridge).includes('NFQ#0 blocked'), { what: 'the attack to be blocked', timeoutMs: 5000 });
      assert.equal(said.split('\n').length, 4, said);
      child.kill('SIGKILL');
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });
  }

  test("nft's sets and log groups, as far as this kernel has them: who is in the set is watched by another group", async () => {
    const [client, other] = await freshClients(lab, 2);
    await typed(
      lab,
      'nft add table filter',
      `nft 'add chain filter forward { type filter hook forward priority 0; }'`,
      'nft add set filter suspiciousip { type ipv4_addr\\;}',
      'nft add element filter suspiciousip { 145.254.160.237 }',
      'nft add rule filter forward ip saddr @suspiciousip log group 11 accept',
      'nft add rule filter forward tcp dport 80 log group 2',
      'nft add rule filter forward log group 10 # send the rest of traffic through nflog',
    );
    const bridge = await Bridge.start(lab, { rules: RULES, capture: ['--nflog=2', '--nflog=10', '--nflog=11'] });
    await answered(client, 'BadAgent');
    await waitFor(() => reportedOnce(bridge).length >= 2, { what: 'the alerts of two groups' });
    assert.deepEqual(reportedOnce(bridge).sort(), ['NFLOG#10 allowed', 'NFLOG#2 allowed']);
    await typed(lab, `nft add element filter suspiciousip { ${client} }`);
    await answered(client, 'BadAgent');
    await answered(other, 'BadAgent');
    await waitFor(() => reportedOnce(bridge).length >= 5, { what: 'the alerts of all groups' });
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    assert.deepEqual(reportedOnce(bridge).sort(), [
      'NFLOG#10 allowed',
      'NFLOG#10 allowed',
      'NFLOG#11 allowed',
      'NFLOG#2 allowed',
      'NFLOG#2 allowed',
    ]);
  });

  test("the slides' lines that no tool takes any more: still so", async () => {
    await clearNetfilter(lab);
    await typed(lab, 'ipset create suspiciousip hash:ip');
    for (const [line, why] of [
      ['ipset create another', /Missing second mandatory argument/],
      ['iptables -I FORWARD -m set --set suspiciousip -j NFQUEUE --queue-num 0', /requires two args/],
      ['nft add filter forward queue num 0', /syntax error|No such file/],
      ['nft add rule filter input ip log group 10', /syntax error/],
    ] as [string, RegExp][]) {
      const { code, stderr } = await lab.exec('bridge', 'sh', ['-c', line]);
      assert.notEqual(code, 0, line);
      assert.match(stderr, why);
    }
    // The rest of the slides' iptables lines, to the letter.
    await typed(
      lab,
      'iptables -A FORWARD -j NFQUEUE --queue-num 0',
      'iptables -A INPUT -j NFLOG --nflog-group 10',
      'iptables -A FORWARD -p tcp ! --dport 80 -j NFQUEUE',
      'iptables -A FORWARD -p tcp --dport 80 -j NFLOG --nflog-group 2',
    );
  });
});
