import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SLUICE } from '../../src/lab/engine.js';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { ROOT } from '../../src/native.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ftpLogin, SEED_RULE, skipWithoutFtp, startFtpServer } from '../support/ftp.js';
import { ADDRESS, type Namespaces, type Side, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { divertNothing, inBridge } from '../support/rejected.js';

const YAML = `nfq:\n  mode: accept\nclassification-file: ${join(ROOT, 'etc', 'classification.config')}\n`;
const PATIENCE_MS = 5000;

/** As in the blog post, without the reply to USER: Suricata saw that packet when it had been acknowledged, it is dropped here. */
function assertCutOff(shown: string): void {
  assert.match(
    shown,
    /Name \(.*\): anonymous\n421 Service not available, remote server has closed connection\.\nftp: Login failed\nftp> quit\n$/,
    shown,
  );
  assert.match(shown, /^Connected to .*\n220 \(vsFTPd /, shown);
}

/** Another name is asked for its password, as ever. */
function assertAsked(shown: string): void {
  assert.match(
    shown,
    /Name \(.*\): alice\n331 Please specify the password\.\nPassword: ?\n530 Login incorrect\.\nftp: Login failed\n/,
    shown,
  );
}

async function assertLogged(bridge: Bridge, addresses: RegExp, count: number): Promise<void> {
  await waitFor(() => bridge.fast('[1:99999:1]').length >= count, { what: `${count} lines of sid 99999` });
  const lines = bridge.fast();
  assert.equal(lines.length, count, lines.join('\n'));
  for (const line of lines) {
    assert.match(
      line,
      /^\d\d\/\d\d\/\d{4}-\d\d:\d\d:\d\d\.\d{6} {2}\[Drop\] \[\*\*\] \[1:99999:1\] FTP anonymous login attempt \[\*\*\] \[Classification: Attempted Information Leak\] \[Priority: 2\] \{TCP\} /,
    );
    assert.match(line, addresses);
  }
  for (const record of bridge.eve('alert')) {
    assert.equal(record.alert.action, 'blocked');
    assert.equal(record.app_proto, 'ftp');
  }
}

/** Both logins, by the real client. */
async function logins(lab: Namespaces, side: Side, host: string): Promise<void> {
  assertCutOff(await ftpLogin(lab, side, host, 'anonymous'));
  assertAsked(await ftpLogin(lab, side, host, 'alice'));
}

describe('the FTP example', { skip: skipWithoutFtp }, () => {
  const lab = useNamespaces();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ftp-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('a router with vsftpd, and one behind it', async () => {
    await makeRouter(lab);
    for (const side of ['bridge', 'server'] as const) await startFtpServer(lab, side);
    assert.match(await ftpLogin(lab, 'bridge', '127.0.0.1', 'anonymous'), /230 Login successful\./, 'without Sluice');
  });

  test("as in the blog post: 'iptables -I INPUT -p tcp --dport 21 -j NFQUEUE', 'sluice -q 0', 'ftp localhost'", async () => {
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
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: [SEED_RULE], yaml: YAML });
      await logins(lab, 'bridge', '127.0.0.1');
      for (const host of [ROUTED.left, ROUTED.left6, ROUTED.server, ROUTED.server6])
        assertCutOff(await ftpLogin(lab, 'client', host, 'anonymous'));
      assertAsked(await ftpLogin(lab, 'client', ROUTED.server, 'alice'));
      await assertLogged(bridge, /:\d+ -> (127\.0\.0\.1|10\.99\.\d\.\d+|fd9[89](:0000){6}:00\w\w):21$/, 5);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });

    test(`${runmode}: both directions are queued`, async () => {
      for (const command of ['iptables', 'ip6tables'])
        for (const chain of ['INPUT', 'OUTPUT', 'FORWARD'])
          for (const port of ['--dport', '--sport']) await inBridge(lab, `${command} -I ${chain} -p tcp ${port} 21 -j NFQUEUE`);
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: [SEED_RULE], yaml: YAML });
      await logins(lab, 'client', ROUTED.left);
      await logins(lab, 'client', ROUTED.server6);
      await assertLogged(bridge, / -> .*:21$/, 2);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });
  }
});

describe('the FTP example on an AF_PACKET bridge', { skip: skipWithoutFtp }, () => {
  const lab = useNamespaces();
  let client: Peer;

  test('vsftpd behind the bridge', async () => {
    await startFtpServer(lab, 'server');
    client = await Peer.start(lab, 'client');
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: the login is cut off, over IPv4 and IPv6`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [SEED_RULE], yaml: YAML });
      await logins(lab, 'client', ADDRESS.server);
      await logins(lab, 'client', ADDRESS.server6);
      await assertLogged(bridge, / -> .*:21$/, 2);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });

    test(`${runmode}: the command in pieces, in small letters, behind another; what only looks like it passes`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [SEED_RULE], yaml: YAML });
      const CASES: [string[], boolean][] = [
        [['US', 'ER anon', 'ymous\r\n'], true],
        [['U', 'S', 'E', 'R', ' ', 'a', 'nonymous', '\r', '\n'], true],
        [['user Anonymous\r\n'], true],
        [['SYST\r\nUSER anonymous\r\n'], true],
        [['NOOP\r\nUSER al', 'ice\r\nUSER ANON', 'YMOUS\r\n'], true],
        [['USER alice\r\n', 'PASS anonymous\r\n'], false],
        [['USER anonymou', '\r\n'], false],
        [['NOOP USER anonymous\r\n', 'USER bob\r\n'], false],
      ];
      let cut = 0;
      for (const [pieces, rejected] of CASES) {
        const what = JSON.stringify(pieces);
        const local = await client.do('talkOpen', ADDRESS.server, 21);
        assert.match((await client.do('talkAwait', local, '220 ', PATIENCE_MS)).got, /^220 /, what);
        for (const piece of pieces) {
          await client.do('talkSay', local, piece);
          // Each in a segment of its own: the kernel sends at once, the next one comes by another message.
        }
        const fate = await client.do('talkAwait', local, rejected ? undefined : '331 ', PATIENCE_MS);
        assert.equal(fate.code, rejected ? 'ECONNRESET' : '', what);
        if (!rejected) assert.match(fate.got, /331 /, what);
        await client.do('talkClose', local);
        if (rejected) cut++;
        await waitFor(() => bridge.fast('[1:99999:1]').length === cut, { what: `${what}: ${cut} alerts so far` });
      }
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });
  }
});
