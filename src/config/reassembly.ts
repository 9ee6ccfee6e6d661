import { type HostPolicy, parseHostPolicy } from '../stream/reassembly/host-policies.js';
import { OVERLAP_BY_NAME } from '../stream/reassembly/overlap.js';
import type { Context } from './context.js';
import { shown } from './tree.js';
import { choice, section, size, texts } from './values.js';

const KB = 1024;
const MB = 1024 ** 2;

/** What reassembly is given of stream.reassembly and host-os-policy. */
export interface ReassemblyConfig {
  /** Bytes for all threads; the caller divides it among them. */
  memcap: number;
  /** Bytes of each direction; 0: no limit. */
  depth: number;
  chunkSizes: readonly [number, number];
  urgent: 'oob' | 'inline';
  hosts: HostPolicy[];
}

export const reassembly = section(
  {
    memcap: size(256 * MB, 64 * KB, 1024 * 1024 * MB),
    depth: size(MB, 0, 1024 * 1024 * MB),
    'toserver-chunk-size': size(2560, 100, 65_535),
    'toclient-chunk-size': size(2560, 100, 65_535),
    urgent: section({ policy: choice('oob', ['oob', 'inline', 'drop', 'gap']) }, ['oob-limit-policy']),
  },
  [
    'memcap-policy',
    'randomize-chunk-size',
    'randomize-chunk-range',
    'raw',
    'segment-prealloc',
    'check-overlap-different-data',
    'max-regions',
    'zero-copy-size',
  ],
);

/** Reads both. Throws SluiceError SLUICE_CONFIG. */
export function readReassembly(context: Context): ReassemblyConfig {
  const read = context.read(['stream', 'reassembly'], reassembly);
  const { policy } = read.urgent;
  if (policy === 'drop' || policy === 'gap') context.warnings.push(`stream.reassembly.urgent.policy: '${policy}' is read as 'oob'`);
  return {
    memcap: read.memcap,
    depth: read.depth,
    chunkSizes: [read['toserver-chunk-size'], read['toclient-chunk-size']],
    urgent: policy === 'inline' ? 'inline' : 'oob',
    hosts: readHosts(context),
  };
}

function readHosts(context: Context): HostPolicy[] {
  const hosts: HostPolicy[] = [];
  for (const policy of context.find(['host-os-policy'])?.children.keys() ?? []) {
    const path = ['host-os-policy', policy];
    if (OVERLAP_BY_NAME[policy] === undefined)
      context.bad(context.find(path)!, path, 'is no policy', Object.keys(OVERLAP_BY_NAME).join(', '));
    for (const network of context.read(path, texts('addresses and networks'))) {
      const one = { policy, network };
      try {
        parseHostPolicy(one);
      } catch (error) {
        context.bad(context.find(path)!, path, `has ${shown(network)}`, `addresses and networks (${(error as Error).message})`);
      }
      hosts.push(one);
    }
  }
  return hosts;
}
