import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { type BridgeOptions, RUNMODES, runToEnd } from '../support/bridge.js';
import { run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { forwardRules, kernelGroups, kernelQueues, makeQueueLab, QUEUED, startQueue } from '../support/queue-lab.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-refusals-'));
after(() => rmSync(folder, { recursive: true }));

/** Runs a program that finds these files in /proc/net/netfilter instead of the truth, each empty. */
function shown(...files: string[]): string[] {
  const over = mkdtempSync(join(folder, 'proc-'));
  mkdirSync(join(over, 'netfilter'));
  for (const file of files) writeFileSync(join(over, 'netfilter', file), '');
  // /proc/net is each process's own: this shell becomes the program.
  return ['unshare', '--mount', 'sh', '-c', `mount --bind ${over} /proc/$$/net && exec "$@"`, 'sh'];
}
const without = (...capabilities: string[]) => ['setpriv', '--bounding-set', capabilities.map((name) => `-${name}`).join()];

describe('queues and log groups that cannot be had: status 1, one line with the mend, nothing half open', {
  skip: skipWithoutNamespaces,
}, () => {
  const lab = useNamespaces();
  let holder: Peer;

  test('another process that holds queue 1 and group 5', async () => {
    await makeQueueLab(lab);
    holder = await Peer.start(lab, 'bridge');
    assert.equal(await holder.do('queueOpen', 'q', { queue: 1 }), '');
    assert.equal(await holder.do('logOpen', 'l', { group: 5 }), '');
  });

  const state = async () => ({
    processes: await run(lab, 'bridge', `ip netns pids ${lab.name('bridge')}`).then((text) => text.trim().split('\n').length),
    queues: (await kernelQueues(lab)).map(({ queue, port }) => `${queue} of ${port}`),
    groups: await kernelGroups(lab),
    sockets:
      (await run(lab, 'bridge', 'ss -Han -f link')) + (await run(lab, 'bridge', 'ss -Hanw')) + (await run(lab, 'bridge', 'ss -Hltn')),
  });

  async function refused(options: BridgeOptions, patterns: RegExp[], through: readonly string[] = []): Promise<void> {
    const before = await state();
    const pidFile = join(folder, 'sluice.pid');
    // A daemon would be another process, and see the truth.
    for (const daemon of through[0] === 'unshare' ? [[]] : [[], ['-D']]) {
      const result = await runToEnd(lab, { ...options, args: ['--pidfile', pidFile, ...daemon] }, through);
      const lines = `${result.stdout}${result.stderr}`.trimEnd().split('\n');
      const errors = lines.filter((line) => !line.startsWith('Notice: '));
      assert.equal(errors.length, 1, `one line, not\n${lines.join('\n')}`);
      assert.match(errors[0], /^Error: sluice: SLUICE_[A-Z]+: /);
      for (const pattern of patterns) assert.match(errors[0], pattern);
      assert.equal(result.code, 1);
      assert.ok(!existsSync(pidFile), 'no pid file');
    }
    assert.deepEqual(await state(), before, 'nothing stays behind');
  }

  const noMark = 'nfq: { mode: repeat }\n';
  const round = 'nfq: { mode: route, route-queue: 0 }\n';
  const flags: [string, BridgeOptions, RegExp[]][] = [
    ['-q 65536', { capture: ['-q', '65536'] }, [/SLUICE_USAGE/, /-q 65536/, /highest .*65535/]],
    ['-q 0:65536', { capture: ['-q', '0:65536'] }, [/SLUICE_USAGE/, /-q 0:65536/, /65535/]],
    ['-q 3:1', { capture: ['-q', '3:1'] }, [/SLUICE_USAGE/, /-q 3:1/, /-q 1:3/]],
    ['-q x', { capture: ['-q', 'x'] }, [/SLUICE_USAGE/, /-q x/, /0 to 65535/, /-q 0:3/]],
    ['-q -1', { capture: ['-q', '-1'] }, [/SLUICE_USAGE/, /-q/]],
    ['-q 0:999', { capture: ['-q', '0:999'] }, [/SLUICE_CONFIG/, /1000 queues/, /256/, /fewer queues/]],
    ['--nflog=0', { capture: ['--nflog=0'] }, [/SLUICE_USAGE/, /group 0 belongs to the kernel/, /another/]],
    ['--nflog=65536', { capture: ['--nflog=65536'] }, [/SLUICE_USAGE/, /1 to 65535/]],
    ['--nflog=x', { capture: ['--nflog=x'] }, [/SLUICE_USAGE/, /1 to 65535/]],
    ['--nflog, no group configured', { capture: ['--nflog'] }, [/SLUICE_CONFIG/, /no group is configured/, /--nflog=2/]],
    [
      'group 0 configured',
      { capture: ['--nflog'], yaml: 'nflog: [ { group: 0 } ]\n' },
      [/SLUICE_CONFIG/, /group/, /belongs to the kernel|1 to 65535/],
    ],
    ['mode: repeat, no mark', { capture: ['-q', '0'], yaml: noMark }, [/SLUICE_CONFIG/, /repeat-mark/, /repeat-mask/]],
    ['mode: route, to itself', { capture: ['-q', '0'], yaml: round }, [/SLUICE_CONFIG/, /route-queue 0/, /the queue of the next program/]],
  ];
  for (const [what, options, patterns] of flags) test(what, () => refused(options, patterns));

  for (const runmode of RUNMODES) {
    test(`${runmode}: a queue that another process holds`, () =>
      refused({ runmode, capture: ['-q', '1'] }, [/SLUICE_SYSTEM/, /NFQ#1\b/, /another process holds/, /end it, or use another queue/]));

    test(`${runmode}: a group that another process holds`, () =>
      refused({ runmode, capture: ['--nflog=5'] }, [
        /SLUICE_SYSTEM/,
        /NFLOG#5\b/,
        /another process holds/,
        /end it, or use another group/,
      ]));

    // Taken between the look at the list and the binding: the kernel is the one that says no.
    test(`${runmode}: queues 0 and 2 free, queue 1 taken at the last moment: all are given back`, () =>
      refused(
        { runmode, capture: ['-q', '0:2'] },
        [/SLUICE_SYSTEM/, /NFQ#1\b/, /holds it/, /another number with -q/],
        shown('nfnetlink_queue'),
      ));

    test(`${runmode}: a queue free, a group taken at the last moment: both are given back`, () =>
      refused(
        { runmode, capture: ['-q', '0', '--nflog=5'] },
        [/SLUICE_SYSTEM/, /NFLOG#5\b/, /holds it/, /choose another group/],
        shown('nfnetlink_queue', 'nfnetlink_log'),
      ));

    test(`${runmode}: without CAP_NET_ADMIN, and without both capabilities`, async () => {
      const capture = ['-q', '0', '--nflog=2'];
      await refused(
        { runmode, capture },
        [/SLUICE_CAPABILITY/, /NFQ#0/, /NFLOG#2/, /: CAP_NET_ADMIN is missing/, /run as root/],
        without('net_admin'),
      );
      await refused({ runmode, capture }, [/CAP_NET_RAW and CAP_NET_ADMIN are missing/], without('net_admin', 'net_raw'));
    });
  }

  test('a kernel without the subsystem', async (t) => {
    await refused({ capture: ['-q', '0'] }, [/SLUICE_SYSTEM/, /NFQ#0/, /no NFQUEUE/, /modprobe nfnetlink_queue/], shown('nfnetlink_log'));
    await refused({ capture: ['--nflog=2'] }, [/SLUICE_SYSTEM/, /NFLOG#2/, /no NFLOG/, /modprobe nfnetlink_log/], shown('nfnetlink_queue'));
    t.diagnostic('as /proc/net/netfilter shows it: the kernel of this machine has both');
  });

  test('a second Sluice at the same queue is refused, and the first goes on', async () => {
    const client = await Peer.start(lab, 'client');
    await forwardRules(lab, QUEUED);
    const bridge = await startQueue(lab, { rules: [ATTACK_RULE] });
    await untilBlocked(bridge, client);
    await refused({ capture: ['-q', '0'] }, [/NFQ#0/, /another process holds/, /perhaps process \d+, sluice: capture/]);
    await untilBlocked(bridge, client);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});
