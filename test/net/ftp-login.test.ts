import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SLUICE } from '../../src/lab/engine.js';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import {
  assertCutOff,
  assertIn,
  assertLogged,
  FTP_YAML,
  ftpLogin,
  logins,
  SEED_RULE,
  skipWithoutFtp,
  startFtpServer,
} from '../support/ftp.js';
import { useNamespaces, waitFor } from '../support/netns.js';
import { divertNothing, inBridge } from '../support/rejected.js';

describe('the FTP example', { skip: skipWithoutFtp }, () => {
  const lab = useNamespaces();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ftp-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('a router with vsftpd, and one behind it', async () => {
    await makeRouter(lab);
    for (const side of ['bridge', 'server'] as const) await startFtpServer(lab, side);
    assert.match(await ftpLogin(lab, 'bridge', '127.0.0.1', 'anonymous'), /230 Login successful\./, 'without Sluice');
  });

  test("as in the blog post: 'iptables -I INPUT -p tcp --dport 21 -j NFQUEUE', 'sluice -q 0', 'ftp localhost'", async (t) => {
    await inBridge(lab, 'iptables -I INPUT -p tcp --dport 21 -j NFQUEUE');
    const rules = join(folder, 'local.rules');
    writeFileSync(rules, `${SEED_RULE}\n`);
    // No configuration file: the one that is shipped.
    const child = lab.spawn('bridge', SLUICE, ['-q', '0', '-S', rules, '-l', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let status: number | null | undefined;
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    child.on('close', (code) => {
      status = code;
    });
    t.after(() => child.kill('SIGTERM'));
    await waitFor(() => said.includes('Engine started') || status !== undefined, { timeoutMs: 15_000, what: 'Sluice to start' });
    await logins(lab, 'bridge', '127.0.0.1');
    const line =
      /\[Drop\] \[\*\*\] \[1:99999:1\] FTP anonymous login attempt \[\*\*\] \[Classification: Attempted Information Leak\] \[Priority: 2\] \{TCP\} 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:21\n/;
    await waitFor(() => line.test(readFileSync(join(folder, 'fast.log'), 'utf8')), { what: `the line in fast.log\n${said}` });
    child.kill('SIGTERM');
    await waitFor(() => status !== undefined, { timeoutMs: 20_000, what: 'Sluice to stop' });
    assert.equal(status, 0, said);
    await divertNothing(lab);
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: nfq mode accept, only what goes to the server is queued: on the machine itself, from outside, through a router`, async () => {
      for (const command of ['iptables', 'ip6tables'])
        for (const chain of ['INPUT', 'FORWARD']) await inBridge(lab, `${command} -I ${chain} -p tcp --dport 21 -j NFQUEUE`);
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: [SEED_RULE], yaml: FTP_YAML });
      await logins(lab, 'bridge', '127.0.0.1');
      for (const host of [ROUTED.left, ROUTED.left6, ROUTED.server, ROUTED.server6])
        assertCutOff(await ftpLogin(lab, 'client', host, 'anonymous'));
      assertIn(await ftpLogin(lab, 'client', ROUTED.server, 'ftp'));
      await assertLogged(bridge, /:\d+ -> (127\.0\.0\.1|10\.99\.\d\.\d+|fd9[89](:0000){6}:00\w\w):21$/, 5);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });

    test(`${runmode}: both directions are queued`, async () => {
      for (const command of ['iptables', 'ip6tables'])
        for (const chain of ['INPUT', 'OUTPUT', 'FORWARD'])
          for (const port of ['--dport', '--sport']) await inBridge(lab, `${command} -I ${chain} -p tcp ${port} 21 -j NFQUEUE`);
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: [SEED_RULE], yaml: FTP_YAML });
      await logins(lab, 'client', ROUTED.left);
      await logins(lab, 'client', ROUTED.server6);
      await assertLogged(bridge, / -> .*:21$/, 2);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });
  }
});
