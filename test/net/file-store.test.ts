import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startWebServer } from '../../src/lab/traffic.js';
import { Bridge, RUNMODES, type Runmode, statusOfThreads } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';

const SMALL = Buffer.from('a small file\n');
const LARGE = randomBytes(600 << 10);
const OTHER = randomBytes(600 << 10);
/** The rule matches far behind its beginning. */
const LATE = Buffer.from(`${'x'.repeat(60_000)}swordfish${'y'.repeat(200_000)}`);
const QUIET = Buffer.from('nobody wants this one\n');
/** Beyond the limit of requests' bodies: what is before it is stored. */
const UPLOAD = randomBytes(600 << 10);
const REQUEST_LIMIT = 100 << 10;
const SEEN = UPLOAD.subarray(0, REQUEST_LIMIT);
const HUGE = randomBytes(12 << 20);

/** Reads what it is sent. */
const UPLOAD_SERVER = `require('node:http').createServer((request, response) =>
  request.resume().on('end', () => response.end('thanks'))).listen(8081)`;

const RULES = [
  'alert http any any -> any any (msg:"by name"; fileext:"bin"; filestore; sid:1;)',
  'alert http any any -> any any (msg:"by word"; file.data; content:"swordfish"; filestore; sid:2;)',
  'alert http any any -> any any (msg:"upload"; http.method; content:"POST"; filestore:request,tx; sid:3;)',
];
/** Streams and what they answer to the end: the defaults are 1 MiB, and 100 KiB. */
const YAML = `stream: { reassembly: { depth: 0 } }
app-layer: { protocols: { http: { libhtp: { default-config: { request-body-limit: ${REQUEST_LIMIT}, response-body-limit: 0 } } } } }
`;
const LOSSES = ['file_store_lost_total', 'app_layer_files_lost_total', 'events_lost_total', 'app_layer_skipped_total'];

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Files that nginx serves and curl fetches, stored by the process that writes the logs while others, as nobody, detect. */
describe('file-store on an AF_PACKET bridge', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-file-store-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const curl = async (name: string, ...more: string[]): Promise<Buffer | string> => {
    const out = join(folder, `got-${name.replace('/', '-')}`);
    const args = [
      '-q',
      '--noproxy',
      '*',
      '-sS',
      '-m',
      '20',
      '-o',
      out,
      ...more,
      `http://${ADDRESS.server}${name.startsWith(':') ? '' : '/'}${name}`,
    ];
    const { code, stderr } = await lab.exec('client', 'curl', args);
    return code === 0 ? readFileSync(out) : stderr;
  };

  const start = (runmode: Runmode, dir = 'filestore') =>
    Bridge.start(lab, {
      runmode,
      rules: RULES,
      alert: 'alert, files',
      threads: 2,
      outputs: [`file-store: { version: 2, enabled: yes, write-fileinfo: yes, dir: ${dir} }`],
      yaml: YAML,
    });

  /** By digest, the bytes of what is stored; names of all else. */
  const stored = (bridge: Bridge) => {
    const files = new Map<string, Buffer>();
    const others: string[] = [];
    const dir = join(bridge.files.logs, 'filestore');
    for (const name of existsSync(dir) ? (readdirSync(dir, { recursive: true }) as string[]) : []) {
      const [aa, digest, more] = name.split('/');
      if (digest === undefined) continue;
      if (more === undefined && /^[0-9a-f]{64}$/.test(digest) && digest.startsWith(aa)) files.set(digest, readFileSync(join(dir, name)));
      else others.push(name);
    }
    return { files, others };
  };

  const losses = async (bridge: Bridge) =>
    Object.fromEntries(await Promise.all(LOSSES.map(async (one) => [one, await bridge.metric(one)])));
  const none = Object.fromEntries(LOSSES.map((one) => [one, 0]));

  test('nginx behind the bridge, and a server that takes uploads', async () => {
    const html = join(folder, 'nginx', 'html');
    mkdirSync(html, { recursive: true });
    const pages = {
      'small.bin': SMALL,
      'large.bin': LARGE,
      'other.bin': OTHER,
      'late.txt': LATE,
      'quiet.txt': QUIET,
      'huge.bin': HUGE,
      'slow.bin': HUGE,
    };
    for (const [name, bytes] of Object.entries(pages)) writeFileSync(join(html, name), bytes);
    writeFileSync(join(folder, 'upload'), UPLOAD);
    await startWebServer(lab, join(folder, 'nginx'));
    lab.spawn('server', process.execPath, ['-e', UPLOAD_SERVER], { stdio: 'ignore' });
    await waitFor(async () => (await lab.exec('server', 'ss', ['-Hltn', 'sport = :8081'])).stdout !== '', { what: 'port 8081' });
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: what rules name is stored byte for byte, what they do not is not`, async () => {
      const bridge = await start(runmode);
      const detecting = await bridge.childPid(runmode === 'autofp' ? 'detect' : 'capture');
      assert.ok(statusOfThreads(detecting, 'Uid').every((line) => !line.split('\t').includes('0')));

      assert.deepEqual(await curl('small.bin'), SMALL);
      assert.deepEqual(await Promise.all([curl('large.bin'), curl('other.bin')]), [LARGE, OTHER]);
      assert.deepEqual(await curl('late.txt'), LATE);
      assert.deepEqual(await curl('quiet.txt'), QUIET);
      assert.equal(String(await curl(':8081/upload', '--data-binary', `@${join(folder, 'upload')}`, '-H', 'Expect:')), 'thanks');

      const expected = [SMALL, LARGE, OTHER, LATE, SEEN].map(sha256).sort();
      await waitFor(() => stored(bridge).files.size === expected.length, { what: `files to be stored\n${bridge.output}` });
      assert.deepEqual(await losses(bridge), none);
      assert.equal((await bridge.stop()).status, '0', bridge.output);

      const { files, others } = stored(bridge);
      assert.deepEqual([...files.keys()].sort(), expected);
      for (const [digest, bytes] of files) assert.equal(sha256(bytes), digest);
      const records = bridge.eve('fileinfo').map(({ fileinfo }) => fileinfo);
      const told = (name: string) => records.filter(({ filename }) => filename === `/${name}`);
      for (const [name, bytes, sid] of [
        ['small.bin', SMALL, 1],
        ['large.bin', LARGE, 1],
        ['other.bin', OTHER, 1],
        ['late.txt', LATE, 2],
      ] as const) {
        const [{ state, stored: isStored, size, sha256: digest, sid: sids, file_id: id }, ...more] = told(name);
        assert.deepEqual(more, []);
        assert.deepEqual([state, isStored, size, digest, sids], ['CLOSED', true, bytes.length, sha256(bytes), [sid]], name);
        assert.ok(id > 0);
        assert.ok(
          others.some((one) => one.startsWith(`${digest.slice(0, 2)}/${digest}.`) && one.endsWith(`.${id}.json`)),
          others.join(),
        );
      }
      assert.equal(new Set(records.filter(({ file_id }) => file_id > 0).map(({ file_id }) => file_id)).size, expected.length);
      const [upload] = records.filter(({ sha256: digest }) => digest === sha256(SEEN));
      assert.deepEqual([upload.state, upload.stored, upload.size], ['TRUNCATED', true, SEEN.length]);
      const [quiet] = told('quiet.txt');
      assert.deepEqual([quiet.stored, quiet.file_id], [false, undefined]);
      assert.ok(
        others.every((name) => name.endsWith('.json')),
        others.join(),
      );
      assert.doesNotMatch(bridge.output, /file-store/);
    });

    test(`${runmode}: SIGTERM behind the last byte, and in the middle of a file`, async () => {
      const bridge = await start(runmode);
      const slow = curl('slow.bin', '--limit-rate', '50k', '-m', '3');
      assert.deepEqual(await curl('huge.bin'), HUGE);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await slow;
      const { files, others } = stored(bridge);
      const records = bridge.eve('fileinfo').map(({ fileinfo }) => fileinfo);
      const [huge] = records.filter(({ filename }) => filename === '/huge.bin');
      assert.deepEqual([huge.state, huge.stored, huge.size], ['CLOSED', true, HUGE.length], bridge.output);
      assert.deepEqual(files.get(sha256(HUGE)), HUGE);
      const [cut] = records.filter(({ filename }) => filename === '/slow.bin');
      assert.deepEqual([cut.state, cut.stored], ['TRUNCATED', true]);
      assert.ok(cut.size > 0 && cut.size < HUGE.length);
      assert.deepEqual(files.get(cut.sha256), HUGE.subarray(0, cut.size));
      assert.ok(
        others.every((name) => name.endsWith('.json')),
        others.join(),
      );
      assert.doesNotMatch(bridge.output, /file-store/);
    });
  }

  test('a detecting process that is killed: its files are said to be lost and leave nothing, later ones are stored', async () => {
    const bridge = await start('autofp');
    const slow = curl('slow.bin', '--limit-rate', '1m', '-m', '3');
    const tmp = join(bridge.files.logs, 'filestore', 'tmp');
    await waitFor(() => existsSync(tmp) && readdirSync(tmp).length === 1, { what: 'a file on its way' });
    const old = await bridge.childPid('detect');
    process.kill(old, 'SIGKILL');
    await waitFor(() => bridge.children().some(({ pid, title }) => pid !== old && title.startsWith('sluice: detect')), {
      what: 'a new one',
    });
    await waitFor(async () => (await bridge.metric('up')) === 1, { what: 'it to be ready' });
    await slow;
    assert.deepEqual(await curl('small.bin'), SMALL);
    await waitFor(() => stored(bridge).files.has(sha256(SMALL)), { what: 'a small file to be stored' });
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    assert.match(bridge.output, /file-store: 1 files are not stored/);
    assert.deepEqual(readdirSync(tmp), []);
    assert.deepEqual([...stored(bridge).files.keys()], [sha256(SMALL)]);
  });

  test('a disk that is full: files on their way are counted and leave nothing, later ones are stored', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'sluice-small-'));
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status, 0);
    try {
      const bridge = await start('autofp', disk);
      assert.deepEqual(await Promise.all([curl('large.bin'), curl('other.bin')]), [LARGE, OTHER]);
      await bridge.said(/Warning: sluice: file-store: files are not stored: ENOSPC/);
      await waitFor(() => readdirSync(join(disk, 'tmp')).length === 0, { what: 'what was written to be removed' });
      assert.deepEqual(await curl('small.bin'), SMALL);
      const digest = sha256(SMALL);
      await waitFor(() => existsSync(join(disk, digest.slice(0, 2), digest)), { what: 'a small file to be stored' });
      assert.deepEqual(await losses(bridge), none);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.deepEqual(readFileSync(join(disk, digest.slice(0, 2), digest)), SMALL);
      const { stats } = bridge.eve('stats').at(-1);
      assert.equal(stats.file_store.fs_errors, 2);
    } finally {
      spawnSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  });
});
