import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Rights } from '../support/netfilter-rights.js';
import { skipWithoutNamespaces, useNamespaces } from '../support/netns.js';

const SCRIPT = fileURLToPath(new URL('../support/netfilter-rights.js', import.meta.url));
const ADDON = fileURLToPath(new URL('../../src/native.js', import.meta.url));
const NET_ADMIN = '0000000000001000';
const NONE = '0000000000000000';

describe('rights for verdicts', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();

  test('after the process is confined, a thread that kept CAP_NET_ADMIN answers its queue, and no other does', async () => {
    for (const queue of ['3', '4']) {
      const args = ['-w', '-A', 'OUTPUT', '-p', 'udp', '--dport', queue, '-j', 'NFQUEUE', '--queue-num', queue];
      assert.equal((await lab.exec('client', 'iptables', args)).code, 0);
    }
    const done = await lab.exec('client', process.execPath, [SCRIPT]);
    assert.equal(done.code, 0, done.stderr);
    const [kept, other] = JSON.parse(done.stdout) as Rights[];
    assert.deepEqual(kept, { raised: '', effective: [NONE, NET_ADMIN], permitted: NET_ADMIN, refused: [1, 0], depth: 0 });
    assert.deepEqual(other, { raised: 'EPERM', effective: [NONE, NONE], permitted: NONE, refused: [1, 1], depth: 1 });
  });

  test('without the right, and for numbers that are none', async () => {
    const script = `
      const { native } = await import(${JSON.stringify(ADDON)});
      const code = (open) => { try { open(); return ''; } catch (error) { return error.code + ' ' + error.message; } };
      const queue = { queueLength: 1, receiveBuffer: 65536, copyRange: 0, gso: false, failOpen: false };
      const log = { receiveBuffer: 65536, qthreshold: 1, qtimeout: 1, maxSize: 4096 };
      const numbers = [-1, 65536].flatMap((n) => [code(() => native.queueOpen({ ...queue, queue: n })), code(() => native.logOpen({ ...log, group: n }))]);
      native.confine(65534, 65534);
      console.log(JSON.stringify([numbers, [
        code(() => native.queueOpen({ ...queue, queue: 1 })), code(() => native.logOpen({ ...log, group: 1 })), code(() => native.rawOpen()),
      ]]));`;
    const done = await lab.exec('client', process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(done.code, 0, done.stderr);
    const [numbers, rights] = JSON.parse(done.stdout) as string[][];
    for (const error of numbers) assert.match(error, /^EINVAL /);
    assert.match(rights[0], /^EPERM CAP_NET_ADMIN/);
    assert.match(rights[1], /^EPERM CAP_NET_ADMIN/);
    assert.match(rights[2], /^EPERM socket/);
  });
});
