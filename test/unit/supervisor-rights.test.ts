import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CapturePlan, SourcePlan } from '../../src/capture/plan.js';
import { type ErrorCode, SluiceError } from '../../src/errors.js';
import { Mode } from '../../src/ring/verdict.js';
import { type KernelFiles, kernelLacks, requireRights } from '../../src/supervisor/capabilities.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-rights-'));
after(() => rmSync(folder, { recursive: true }));

const NET_ADMIN = 1n << 12n;
const NET_RAW = 1n << 13n;
const QUEUE_FILE = 'nfnetlink_queue';
const LOG_FILE = 'nfnetlink_log';
let made = 0;

/** A kernel as its files show it. */
function kernel(capabilities: bigint, netfilter: Record<string, string>, modules: Record<string, string> = {}): KernelFiles {
  const root = join(folder, `${made++}`);
  for (const [name, files] of [
    ['netfilter', netfilter],
    ['modules', modules],
  ] as const) {
    mkdirSync(join(root, name), { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, name, file), text);
  }
  const status = join(root, 'status');
  writeFileSync(status, `Name:\tnode\nCapEff:\t${capabilities.toString(16).padStart(16, '0')}\nCapBnd:\tffffffff\n`);
  return { status, netfilter: join(root, 'netfilter'), modules: join(root, 'modules') };
}

const BOTH = { [QUEUE_FILE]: '', [LOG_FILE]: '' };
const ALL = NET_ADMIN | NET_RAW;

const queue = (n: number): SourcePlan => ({ kind: 'nfqueue', name: `NFQ#${n}`, mode: Mode.Ips, queue: n });
const log = (n: number): SourcePlan => ({
  kind: 'nflog',
  name: `NFLOG#${n}`,
  mode: Mode.Ids,
  log: { group: n, bufferSize: 0, qthreshold: 1, qtimeout: 100, maxSize: 20_000 },
});
const card = (name: string): SourcePlan => ({
  kind: 'af-packet',
  name,
  mode: Mode.Ids,
  peer: -1,
  vnet: false,
  frameSize: 2048,
  frameCount: 16,
  receiveBuffer: 0,
  threads: 1,
  clusterId: 1,
  fanoutType: 0,
  fanoutDefrag: false,
  promiscuous: false,
  routed: false,
});
const plan = (...sources: SourcePlan[]): CapturePlan => ({ sources, threads: [], hashSeed: 1, warnings: [] });

function refuses(sources: SourcePlan[], files: KernelFiles, code: ErrorCode, message: RegExp): void {
  assert.throws(
    () => requireRights(plan(...sources), files),
    (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === code, error.stack);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n'));
      return true;
    },
  );
}

test('with all rights, and a kernel that has both, everything may be opened', () => {
  requireRights(plan(card('eth0'), queue(0), queue(65_535), log(1)), kernel(ALL, BOTH));
  requireRights(plan(card('eth0')), kernel(NET_RAW, {}));
});

test('each missing capability is named, with what needs it', () => {
  const mend = 'run as root or with CAP_NET_RAW and CAP_NET_ADMIN';
  refuses(
    [card('eth0'), card('eth1')],
    kernel(0n, BOTH),
    'SLUICE_CAPABILITY',
    new RegExp(`^opening eth0 and eth1: CAP_NET_RAW is missing; ${mend}$`),
  );
  refuses([queue(0)], kernel(NET_RAW, BOTH), 'SLUICE_CAPABILITY', new RegExp(`^opening NFQ#0: CAP_NET_ADMIN is missing; ${mend}$`));
  refuses([log(2)], kernel(NET_ADMIN, BOTH), 'SLUICE_CAPABILITY', /^opening NFLOG#2: CAP_NET_RAW is missing/);
  refuses(
    [queue(0), log(2)],
    kernel(0n, BOTH),
    'SLUICE_CAPABILITY',
    /^opening NFQ#0 and NFLOG#2: CAP_NET_RAW and CAP_NET_ADMIN are missing/,
  );
});

test('of many sources the first few are named', () => {
  const many = Array.from({ length: 200 }, (_, i) => queue(i));
  refuses(many, kernel(0n, BOTH), 'SLUICE_CAPABILITY', /^opening NFQ#0, NFQ#1, NFQ#2 and 197 more: /);
});

test('a kernel without NFQUEUE or NFLOG is told before anything is opened', () => {
  refuses(
    [queue(3)],
    kernel(ALL, { [LOG_FILE]: '' }),
    'SLUICE_SYSTEM',
    /^opening NFQ#3: the kernel has no NFQUEUE \(nfnetlink_queue\); 'modprobe nfnetlink_queue'/,
  );
  refuses(
    [log(3)],
    kernel(ALL, { [QUEUE_FILE]: '' }),
    'SLUICE_SYSTEM',
    /^opening NFLOG#3: the kernel has no NFLOG \(nfnetlink_log\); 'modprobe nfnetlink_log'/,
  );
  requireRights(plan(queue(3)), kernel(ALL, { [QUEUE_FILE]: '' }));
});

test('a module that is not loaded yet is no obstacle: the kernel loads it with the first socket', () => {
  const dep = 'kernel/net/netfilter/nfnetlink_queue.ko.xz: kernel/net/netfilter/nfnetlink.ko.xz\n';
  requireRights(plan(queue(0)), kernel(ALL, {}, { 'modules.dep': dep }));
  requireRights(plan(log(1)), kernel(ALL, {}, { 'modules.builtin': 'kernel/net/netfilter/nfnetlink_log.ko\n' }));
  refuses([log(1)], kernel(ALL, {}, { 'modules.dep': dep }), 'SLUICE_SYSTEM', /no NFLOG/);
  assert.equal(kernelLacks(QUEUE_FILE, kernel(ALL, {}, { 'modules.dep': dep })), false);
  assert.equal(kernelLacks(QUEUE_FILE, kernel(ALL, {})), true);
});

test('a queue or group that another process holds is told, with its netlink port', () => {
  // Queue, port, waiting, copy mode, copy range, drops in queue and in user space, id, 1 (nfnetlink_queue.c, seq_show).
  const held = '    0  4294967 0 2 65531     0     0        0  1\n    7      1     0 2 65531     0     0        5  1\n';
  const files = kernel(ALL, { [QUEUE_FILE]: held, [LOG_FILE]: '    2 4100000     0 2 65535    100  1\n' });
  refuses(
    [queue(1), queue(0)],
    files,
    'SLUICE_SYSTEM',
    /^opening NFQ#0: another process holds this queue \(netlink port 4294967\); end it, or use another queue/,
  );
  refuses([queue(7)], files, 'SLUICE_SYSTEM', /^opening NFQ#7: .*\(netlink port 1, perhaps process 1, \S.*\); end it/);
  refuses([log(2)], files, 'SLUICE_SYSTEM', /^opening NFLOG#2: another process holds this group \(netlink port 4100000\); .*--nflog-group/);
  requireRights(plan(queue(1), queue(2), log(1)), files);
});
