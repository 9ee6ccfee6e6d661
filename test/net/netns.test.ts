import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BODY, startWebServer } from '../../src/lab/traffic.js';
import { scratch } from '../support/capture-bytes.js';
import {
  ADDRESS,
  BRIDGE_INTERFACES,
  listNamespaces,
  Namespaces,
  removeLeftovers,
  skipWithoutNamespaces,
  waitFor,
} from '../support/netns.js';

test('three namespaces in a row: addresses at the ends, none on the bridge, offloads on', { skip: skipWithoutNamespaces }, async () => {
  const lab = Namespaces.create();
  try {
    const addresses = async (side: 'client' | 'bridge' | 'server') => {
      const links = JSON.parse((await lab.exec(side, 'ip', ['-j', 'addr'])).stdout) as {
        ifname: string;
        flags: string[];
        addr_info: { local: string; scope: string }[];
      }[];
      for (const link of links) assert.ok(link.flags.includes('UP'), `${side} ${link.ifname} is up`);
      return Object.fromEntries(links.map((link) => [link.ifname, link.addr_info.filter((a) => a.scope === 'global').map((a) => a.local)]));
    };
    assert.deepEqual((await addresses('client')).eth0, [ADDRESS.client, ADDRESS.client6]);
    assert.deepEqual((await addresses('server')).eth0, [ADDRESS.server, ADDRESS.server6]);
    const bridge = JSON.parse((await lab.exec('bridge', 'ip', ['-j', 'addr'])).stdout) as { ifname: string; addr_info: unknown[] }[];
    for (const name of BRIDGE_INTERFACES) assert.deepEqual(bridge.find((link) => link.ifname === name)?.addr_info, []);
    assert.match((await lab.exec('bridge', 'ethtool', ['-k', 'eth0'])).stdout, /tcp-segmentation-offload: on/);
  } finally {
    lab.remove();
  }
  assert.deepEqual(
    listNamespaces().filter((name) => name.startsWith(`sluice-${process.pid}-`)),
    [],
  );
});

test('what forwards in the bridge namespace joins the ends, over IPv4 and IPv6', { skip: skipWithoutNamespaces }, async () => {
  const lab = Namespaces.create();
  try {
    await startWebServer(lab, join(scratch(), 'nginx'));
    const fetchFrom = async (host: string) =>
      (await lab.exec('client', 'curl', ['-q', '-s', '-g', '--max-time', '1', `http://${host}/`])).stdout;
    assert.equal(await fetchFrom(ADDRESS.server), '', 'nothing forwards yet');
    // The kernel's bridge as a stand-in for Sluice.
    for (const line of ['link add br0 type bridge', 'link set br0 up', ...BRIDGE_INTERFACES.map((name) => `link set ${name} master br0`)]) {
      assert.equal((await lab.exec('bridge', 'ip', line.split(' '))).code, 0, line);
    }
    for (const host of [ADDRESS.server, `[${ADDRESS.server6}]`]) {
      await waitFor(async () => (await fetchFrom(host)) === BODY, { what: `the page from ${host}` });
    }
  } finally {
    lab.remove();
  }
});

test('removing ends what runs in the namespaces; an exec that takes too long is ended', { skip: skipWithoutNamespaces }, async () => {
  const lab = Namespaces.create();
  try {
    const child = lab.spawn('server', 'sleep', ['600']);
    const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    const slow = await lab.exec('client', 'sleep', ['600'], { timeoutMs: 50 });
    assert.deepEqual([slow.code, slow.signal], [null, 'SIGKILL']);
    const echoed = await lab.exec('client', 'cat', [], { input: 'hello' });
    assert.deepEqual([echoed.code, echoed.stdout], [0, 'hello']);
    lab.remove();
    assert.equal(await ended, 'SIGKILL');
  } finally {
    lab.remove();
  }
});

test('namespaces go with their process: on an uncaught error, on SIGTERM, and by the next run after SIGKILL', {
  skip: skipWithoutNamespaces,
}, async () => {
  const module = fileURLToPath(new URL('../../src/lab/namespaces.js', import.meta.url));
  const start = (then: string) => {
    const script = `import { Namespaces } from ${JSON.stringify(module)}; Namespaces.create(); console.log('up'); ${then}`;
    return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  };
  const mine = (pid: number) => listNamespaces().filter((name) => name.startsWith(`sluice-${pid}-`)).length;
  for (const [then, signal, left] of [
    ["throw new Error('on purpose')", '', 0],
    ['setInterval(() => {}, 1000)', 'SIGTERM', 0],
    ['setInterval(() => {}, 1000)', 'SIGKILL', 3],
  ] as const) {
    const child = start(then);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.stdout.once('data', () => signal && child.kill(signal));
    await ended;
    assert.equal(mine(child.pid!), left, `after ${signal || 'an error'}`);
    if (left > 0) {
      assert.ok(removeLeftovers().includes(`sluice-${child.pid}-bridge`));
      assert.equal(mine(child.pid!), 0);
    }
  }
});

test("other people's namespaces and those of living processes stay", { skip: skipWithoutNamespaces }, () => {
  const other = `other-${process.pid}-client`;
  spawnSync('ip', ['netns', 'add', other]);
  const lab = Namespaces.create();
  try {
    const removed = removeLeftovers();
    assert.ok(!removed.includes(other) && !removed.includes(lab.name('client')));
    assert.ok(listNamespaces().includes(other) && listNamespaces().includes(lab.name('client')));
  } finally {
    lab.remove();
    spawnSync('ip', ['netns', 'del', other]);
  }
});
