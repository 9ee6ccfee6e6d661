import { SluiceError } from '../errors.js';
import type { Config, NflogGroup, NfqConfig } from './config.js';
import type { Context } from './context.js';
import * as schema from './schema.js';
import { at, type ConfNode, shown } from './tree.js';

/** One verdict message covers at most this many packets, as in Suricata. */
const MAX_BATCH = 255;

type SluiceSection = ReturnType<typeof schema.sluice.parse>;

/** The `nfq` section and `sluice.nfq`. Which queues is for the command line to say: `queues` is empty. */
export function readNfq(context: Context, sluice: SluiceSection): NfqConfig {
  const nfq = context.read(['nfq'], schema.nfq);
  const node = context.find(['nfq']);
  const warn = (key: string, message: string) => context.warnings.push(`${at(node?.child(key) ?? node!)}: nfq.${key} ${message}`);
  let batchCount = nfq.batchcount;
  if (batchCount > MAX_BATCH) {
    warn('batchcount', `is ${batchCount}: ${MAX_BATCH} is used, the most one verdict may cover`);
    batchCount = MAX_BATCH;
  }
  const config: NfqConfig = {
    queues: [],
    mode: nfq.mode,
    repeatMark: nfq['repeat-mark'] | 0,
    repeatMask: nfq['repeat-mask'] | 0,
    bypassMark: nfq['bypass-mark'] | 0,
    bypassMask: nfq['bypass-mask'] | 0,
    routeQueue: nfq['route-queue'],
    batchCount: Math.max(1, batchCount),
    failOpen: nfq['fail-open'],
    queueLength: sluice.nfq['queue-length'],
    receiveBuffer: sluice.nfq['receive-buffer'],
    copyRange: sluice.nfq['copy-range'],
    gso: sluice.nfq.gso === 'auto' ? sluice.gso !== false : sluice.nfq.gso,
    verdictDeadline: sluice.nfq['verdict-deadline'],
  };
  if (config.bypassMark !== 0 && (config.bypassMark & config.bypassMask) === 0)
    warn('bypass-mark', `has no bit that bypass-mask lets through: packets of bypassed flows are not marked; set bypass-mask too`);
  if (config.mode === 'route' && !node?.child('route-queue')?.value)
    warn('mode', `is 'route' without route-queue: packets go on to queue 0`);
  return config;
}

/**
 * Refuses what would let packets go round for ever, or pass unseen: one line with the mend. What the machine has
 * to say (a queue that another process holds) is the start's preflight.
 */
export function checkNfq(config: Config): void {
  const { nfq } = config;
  const fail = (message: string): never => {
    throw new SluiceError('SLUICE_CONFIG', `${config.file === '' ? 'configuration' : config.file}: nfq: ${message}`);
  };
  if (nfq.mode === 'repeat' && (nfq.repeatMark & nfq.repeatMask) === 0)
    fail(
      `mode is repeat, but repeat-mark and repeat-mask have no bit in common: a packet that was inspected could not be told from a new one; ` +
        `set repeat-mark: 1 and repeat-mask: 1, and queue only packets without it ('-m mark ! --mark 1/1 -j NFQUEUE')`,
    );
  if (nfq.mode === 'route' && nfq.queues.includes(nfq.routeQueue))
    fail(
      `mode is route with route-queue ${nfq.routeQueue}, which -q reads as well: packets would go round for ever; give route-queue the queue of the next program`,
    );
}

/**
 * The `nflog` list: one entry per group; the entry `group: default` gives the values an entry leaves out (user
 * guide, "NFLOG"). `defaults` stands for a group that only the command line names.
 */
export function readNflog(context: Context): { groups: NflogGroup[]; defaults: NflogGroup } {
  const list = context.find(['nflog']);
  const named: { index: string; node: ConfNode; name: string }[] = [];
  let base: ConfNode | undefined;
  if (list !== undefined && list.value !== '') {
    if (!list.isSequence) context.bad(list, ['nflog'], 'is not a list', `a list of '- group: NUMBER' entries`);
    for (const [index, node] of list.children) {
      const path = ['nflog', index, 'group'];
      const text = node.child('group')?.value ?? '';
      if (text === '') context.bad(node, path, 'is missing', 'the number that --nflog-group has in the netfilter rule, or default');
      if (text.toLowerCase() === 'default') {
        if (base !== undefined) context.bad(node, path, `is 'default' a second time`, 'one default entry');
        base = node;
        continue;
      }
      // A number that two entries write differently (2, 0x2) is still one group.
      const name = String(Number(text));
      if (name === '0') context.bad(node, path, 'is 0, which belongs to the kernel', 'a whole number from 1 to 65535, or default');
      if (named.some((one) => one.name === name)) context.bad(node, path, `is ${shown(text)} a second time`, 'one entry per group');
      named.push({ index, node, name });
    }
  }
  const groups = named.map(({ index, node }) => {
    // Only for this reading: keys of `default` that the entry does not have.
    const own = new Map(node.children);
    for (const [key, child] of base?.children ?? []) {
      const mine = node.child(key);
      if (mine === undefined || (mine.value === '' && mine.children.size === 0)) node.children.set(key, child);
    }
    const entry = entryOf(context, ['nflog', index], schema.nflog);
    node.children.clear();
    for (const [key, child] of own) node.children.set(key, child);
    return entry;
  });
  const defaults = entryOf(context, base === undefined ? ['nflog', 'default'] : ['nflog', base.name], schema.nflogDefault);
  return { groups, defaults };
}

function entryOf(context: Context, path: string[], kind: typeof schema.nflog | typeof schema.nflogDefault): NflogGroup {
  const entry = context.read(path, kind);
  return {
    group: typeof entry.group === 'number' ? entry.group : 0,
    bufferSize: entry['buffer-size'],
    qthreshold: entry.qthreshold,
    qtimeout: entry.qtimeout,
    maxSize: entry['max-size'],
  };
}

/**
 * The groups a run listens to: those of `--nflog=N` (`named`), with an entry made from the defaults where there is none,
 * and all configured ones when `all`. In the order of the file, then of the command line; each once.
 */
export function chooseGroups(configured: NflogGroup[], defaults: NflogGroup, named: readonly number[], all: boolean): NflogGroup[] {
  const chosen = all ? [...configured] : [];
  for (const group of named) {
    if (chosen.some((one) => one.group === group)) continue;
    chosen.push(configured.find((one) => one.group === group) ?? { ...defaults, group });
  }
  return chosen;
}
