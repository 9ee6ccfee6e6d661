import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../src/native.js';
import type { Bridge } from './bridge.js';
import { type Namespaces, type Side, skipWithoutNamespaces, waitFor } from './netns.js';

/** The rule of the blog post that the project started from, letter by letter. */
export const SEED_RULE =
  'reject ftp any any -> any 21 (msg:"FTP anonymous login attempt"; flow:to_server,established; ftp.command ;content:"USER"; ftp.command_data; content:"anonymous";nocase; classtype:attempted-recon; sid:99999; rev:1;)';

/** The configuration of the blog post, and where its classification comes from. */
export const FTP_YAML = `nfq:\n  mode: accept\nclassification-file: ${join(ROOT, 'etc', 'classification.config')}\n`;

const missing = ['/usr/sbin/vsftpd', '/usr/bin/ftp', '/usr/bin/script'].filter((program) => !existsSync(program));
export const skipWithoutFtp: string | false =
  skipWithoutNamespaces || (missing.length > 0 && `${missing.join(', ')} is missing here; 'npm run setup -- test' installs it`);

/** vsftpd on port 21 of all addresses, with anonymous logins; it ends with the namespaces. */
export async function startFtpServer(lab: Namespaces, side: Side): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ftp-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'vsftpd.conf');
  writeFileSync(
    config,
    `listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=YES
no_anon_password=NO
local_enable=YES
seccomp_sandbox=NO
secure_chroot_dir=${folder}
`,
  );
  lab.spawn(side, 'vsftpd', [config], { stdio: 'ignore' });
  await waitFor(async () => (await lab.exec(side, 'ss', ['-Hltn', 'sport = :21'])).stdout !== '', { what: 'vsftpd to listen' });
}

/**
 * Debian's `ftp`, at a terminal of its own: logs in as `user`, gives a password when it is asked for one, quits.
 * Returns what the terminal showed.
 */
export async function ftpLogin(lab: Namespaces, side: Side, host: string, user: string): Promise<string> {
  const child = lab.spawn(side, 'script', ['-qec', `ftp ${host}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  let answered = 0;
  let ended = false;
  const answers: [RegExp, string][] = [
    [/Name \(.*\): $/, user],
    [/Password: ?$/, 'me@example.org'],
    [/ftp> $/, 'quit'],
  ];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    shown += text.replaceAll('\r', '');
    const rest = shown.slice(answered);
    const found = answers.find(([prompt]) => prompt.test(rest));
    if (found === undefined) return;
    answered = shown.length;
    child.stdin!.write(`${found[1]}\n`);
  });
  child.on('close', () => {
    ended = true;
  });
  await waitFor(() => ended, { timeoutMs: 20_000, what: `ftp to end, which showed:\n${shown}` }).catch((error) => {
    child.kill('SIGKILL');
    throw new Error(`${(error as Error).message}\n${shown}`);
  });
  return shown;
}

/** As in the blog post, without the reply to USER: Suricata saw that packet when it had been acknowledged, it is dropped here. */
export function assertCutOff(shown: string): void {
  assert.match(
    shown,
    /Name \(.*\): anonymous\n421 Service not available, remote server has closed connection\.\nftp: Login failed\nftp> /,
    shown,
  );
  assert.match(shown, /^Connected to .*\n220 \(vsFTPd /, shown);
}

/** Another name is asked for its password, as ever, and comes in: vsftpd takes `ftp` for `anonymous`. */
export function assertIn(shown: string): void {
  assert.match(shown, /Name \(.*\): ftp\n331 Please specify the password\.\nPassword: ?\n230 Login successful\.\n/, shown);
}

export async function assertLogged(bridge: Bridge, addresses: RegExp, count: number): Promise<void> {
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
export async function logins(lab: Namespaces, side: Side, host: string): Promise<void> {
  assertCutOff(await ftpLogin(lab, side, host, 'anonymous'));
  assertIn(await ftpLogin(lab, side, host, 'ftp'));
}
