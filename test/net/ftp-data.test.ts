import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { skipWithoutFtp } from '../support/ftp.js';
import { ADDRESS, useNamespaces, waitFor } from '../support/netns.js';

const skip = skipWithoutFtp || (!existsSync('/usr/bin/curl') && '/usr/bin/curl is missing');
const GOOD = 'a quiet file\n'.repeat(5000);
const BAD = `${'x'.repeat(30_000)}the secret word is swordfish${'y'.repeat(30_000)}`;
const RULES = [
  'drop ftp-data any any -> any any (msg:"fetched"; ftpdata_command:retr; file.data; content:"swordfish"; sid:1;)',
  'drop ftp-data any any -> any any (msg:"stored"; ftpdata_command:stor; file.data; content:"swordfish"; sid:2;)',
  'alert ftp-data any any -> any any (msg:"name"; file.name; content:"good.txt"; sid:3;)',
];
const EVE = 'alert, ftp, files';

/** Files through the bridge, as curl fetches and stores them at vsftpd. Two threads: the data connection may be the other's. */
describe("FTP's data connections on an AF_PACKET bridge", { skip }, () => {
  const lab = useNamespaces();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ftp-data-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'srv');
  const incoming = join(root, 'incoming');

  /** What curl ends with, and what it wrote. */
  const curl = async (mode: 'passive' | 'active', name: string, upload = '') => {
    const out = join(folder, 'out');
    rmSync(out, { force: true });
    const how = mode === 'active' ? ['--ftp-port', '-', '--disable-eprt'] : ['--ftp-pasv'];
    const what = upload === '' ? ['-o', out] : ['-T', join(folder, upload)];
    const host = mode === 'passive' ? `[${ADDRESS.server6}]` : ADDRESS.server;
    const args = ['-sS', '-m', '4', ...how, ...what, `ftp://ftp:me%40example.org@${host}/${name}`];
    const { code: status } = await lab.exec('client', 'curl', args, { timeoutMs: 10_000 });
    return { status, text: existsSync(out) ? readFileSync(out, 'latin1') : '' };
  };

  test('vsftpd behind the bridge', async () => {
    mkdirSync(incoming, { recursive: true, mode: 0o777 });
    await lab.exec('server', 'chmod', ['-R', 'a+rX', folder]);
    await lab.exec('server', 'chmod', ['0777', incoming]);
    writeFileSync(join(root, 'good.txt'), GOOD);
    writeFileSync(join(root, 'bad.txt'), BAD);
    writeFileSync(join(folder, 'bad'), BAD);
    writeFileSync(join(folder, 'good'), GOOD);
    const config = join(folder, 'vsftpd.conf');
    writeFileSync(
      config,
      `listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=YES
anon_root=${root}
anon_upload_enable=YES
write_enable=YES
seccomp_sandbox=NO
secure_chroot_dir=${folder}
`,
    );
    lab.spawn('server', 'vsftpd', [config], { stdio: 'ignore' });
    await waitFor(async () => (await lab.exec('server', 'ss', ['-Hltn', 'sport = :21'])).stdout !== '', { what: 'vsftpd to listen' });
  });

  for (const runmode of RUNMODES) {
    for (const mode of ['passive', 'active'] as const) {
      test(`${runmode}, ${mode}: a file passes, one with the word does not, in either direction`, async () => {
        const bridge = await Bridge.start(lab, { runmode, rules: RULES, alert: EVE, threads: 2 });
        assert.deepEqual(await curl(mode, 'good.txt'), { status: 0, text: GOOD }, bridge.output);
        const bad = await curl(mode, 'bad.txt');
        assert.notEqual(bad.status, 0);
        assert.doesNotMatch(bad.text, /swordfish/);
        const name = `incoming/${runmode}-${mode}`;
        assert.equal((await curl(mode, `${name}-good`, 'good')).status, 0);
        assert.equal(readFileSync(join(root, `${name}-good`), 'latin1'), GOOD);
        assert.notEqual((await curl(mode, `${name}-bad`, 'bad')).status, 0);
        assert.doesNotMatch(readFileSync(join(root, `${name}-bad`), 'latin1'), /swordfish/);
        await waitFor(() => bridge.fast('[1:1:').length === 1 && bridge.fast('[1:2:').length === 1, { what: 'both drops in fast.log' });
        assert.equal(bridge.fast('[1:3:').length, 1);
        assert.equal((await bridge.stop()).status, '0', bridge.output);
        const [first] = bridge.eve('alert').filter((record) => record.alert.signature_id === 1);
        assert.deepEqual(
          [first.app_proto, first.ftp_data, first.alert.action],
          ['ftp-data', { filename: 'bad.txt', command: 'RETR' }, 'blocked'],
        );
        const transfers = bridge.eve('ftp_data').map(({ ftp_data }) => `${ftp_data.command} ${ftp_data.filename}`);
        assert.ok(transfers.includes('RETR good.txt') && transfers.some((one) => one.startsWith('STOR ')), transfers.join());
        const [file] = bridge.eve('fileinfo').filter(({ fileinfo }) => fileinfo.filename === 'good.txt');
        assert.deepEqual([file.fileinfo.size, file.fileinfo.state, file.app_proto], [GOOD.length, 'CLOSED', 'ftp-data']);
        const ports = bridge.eve('ftp').filter(({ ftp }) => ftp.dynamic_port > 0);
        assert.ok(ports.length >= 4 && ports.every(({ ftp }) => (ftp.mode === 'active') === (mode === 'active')));
      });
    }
  }
});
