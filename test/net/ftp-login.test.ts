import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';

/** The rule of the seed, as it stands there. */
const RULE =
  'reject ftp any any -> any 21 (msg:"FTP anonymous login attempt"; flow:to_server,established; ftp.command ;content:"USER"; ftp.command_data; content:"anonymous";nocase; classtype:attempted-recon; sid:99999; rev:1;)';
const missing = ['/usr/sbin/vsftpd', '/usr/bin/ftp'].filter((path) => !existsSync(path));
const skip =
  skipWithoutNamespaces || (missing.length > 0 ? `${missing.join(' and ')} missing: 'npm run setup -- test' installs it` : false);

describe('the FTP example: an anonymous login is cut off', { skip }, () => {
  const lab = useNamespaces();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ftp-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('vsftpd with anonymous login, and only what goes to it queued', async () => {
    for (const name of ['empty', 'root']) mkdirSync(join(folder, name), { mode: 0o755 });
    await run(lab, 'bridge', `chmod 755 ${folder}`);
    const config = join(folder, 'vsftpd.conf');
    writeFileSync(
      config,
      `listen=YES\nlisten_ipv6=NO\nbackground=NO\nanonymous_enable=YES\nanon_root=${folder}/root\nsecure_chroot_dir=${folder}/empty\nseccomp_sandbox=NO\n`,
    );
    lab.spawn('bridge', 'vsftpd', [config], { stdio: 'ignore' });
    await waitFor(async () => (await ftp('quit')).includes('220 '), { what: 'vsftpd to answer' });
    const login = await ftp('user anonymous x', 'quit');
    assert.match(login, /230 Login successful/, 'without Sluice the login works');
    await run(lab, 'bridge', 'iptables -I INPUT -p tcp --dport 21 -j NFQUEUE');
  });

  /** What Debian's ftp client shows of a dialogue. */
  async function ftp(...lines: string[]): Promise<string> {
    const done = await lab.exec('bridge', 'ftp', ['-n', '-v', '127.0.0.1'], { input: `${lines.join('\n')}\n`, timeoutMs: 15_000 });
    return done.stdout + done.stderr;
  }

  for (const runmode of RUNMODES)
    test(`${runmode}: as in the seed's transcript, and the line in fast.log`, async () => {
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: [RULE], yaml: 'nfq: { mode: accept }' });
      const login = await ftp('user anonymous x');
      assert.match(login, /421 Service not available, remote server has closed connection\.?/);
      assert.match(login, /Login failed/);
      assert.doesNotMatch(login, /230 /);
      await waitFor(() => bridge.fast('99999').length > 0, { what: 'the alert' });
      assert.match(
        bridge.fast('99999')[0],
        /^[\d/]+-[\d:.]+ {2}\[Drop\] \[\*\*\] \[1:99999:1\] FTP anonymous login attempt \[\*\*\] \[Classification: Attempted Information Leak\] \[Priority: 2\] \{TCP\} 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:21$/,
      );
      const other = await ftp('user bob secret', 'quit');
      assert.match(other, /530 /, 'any other user is asked and refused by the server itself');
      assert.match(other, /221 Goodbye/);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.equal(bridge.fast('99999').length, 1);
      const [alert] = bridge.eve('alert');
      assert.deepEqual([alert.alert.action, alert.app_proto, alert.in_iface], ['blocked', 'ftp', 'NFQ#0']);
    });
});
