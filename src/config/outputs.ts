import type { z } from 'zod/v3';
import type { OutputsConfig } from './config.js';
import type { Context } from './context.js';
import { EVE_TYPES_UNUSED, OUTPUTS_UNUSED } from './known-keys.js';
import * as schema from './schema.js';
import { at, type ConfNode, shown } from './tree.js';
import { truthWord } from './values.js';

/** An entry of `outputs` or `types`: `- flow` or `- alert: {...}` -> its name and the path of its section. */
interface Entry {
  name: string;
  node: ConfNode;
  path: string[];
}

function entries(context: Context, path: string[]): Entry[] {
  const list = context.find(path);
  if (list === undefined || (!list.isSequence && list.children.size === 0 && list.value === '')) return [];
  if (!list.isSequence) context.bad(list, path, 'is not a list', `a list of '- name: {...}' entries`);
  const found: Entry[] = [];
  for (const [index, item] of list.children) {
    const name = item.value ?? '';
    if (item.isSequence || name === '') context.bad(item, [...path, index], 'has no name', `'- name' or '- name: {...}'`);
    found.push({ name, node: item.child(name) ?? item, path: [...path, index, name] });
  }
  return found;
}

function isEnabled(entry: Entry, fallback: boolean): boolean {
  const value = entry.node.child('enabled')?.value;
  return value === undefined || value === null || value === '' ? fallback : truthWord(value) === true;
}

/** The `outputs` list (user guide, "Outputs"): an output that is not listed, or has no `enabled`, is off. */
export function readOutputs(context: Context): OutputsConfig {
  const unwritten: string[] = [];
  const listed = new Map<string, Entry>();
  for (const entry of entries(context, ['outputs'])) {
    const { name } = entry;
    if (name === 'fast' || name === 'eve-log' || name === 'stats') {
      if (listed.has(name) && isEnabled(entry, false) && isEnabled(listed.get(name)!, false)) {
        context.warnings.push(`${at(entry.node)}: a second ${name} output is ignored: one of each kind is written`);
      } else if (!listed.has(name) || isEnabled(entry, false)) listed.set(name, entry);
    } else if (OUTPUTS_UNUSED.has(name)) {
      if (isEnabled(entry, false)) unwritten.push(name);
    } else context.warnings.push(`${at(entry.node)}: unknown output ${shown(name)} is ignored`);
  }
  const fast = readOutput(context, listed.get('fast'), schema.fast);
  const stats = readOutput(context, listed.get('stats'), schema.statsLog);
  const eveEntry = listed.get('eve-log');
  const eve = readOutput(context, eveEntry, schema.eve);
  for (const [name, output] of [
    ['fast', fast],
    ['eve-log', eve],
  ] as const) {
    if (output.enabled && output.filetype !== 'regular') {
      context.warnings.push(`outputs: ${name} filetype ${shown(output.filetype)} is not built: a regular file is written`);
    }
  }
  const types = eveEntry === undefined ? new Map<string, Entry>() : eveTypes(context, eveEntry, unwritten, eve.enabled);
  if (unwritten.length > 0) {
    context.warnings.push(`outputs: enabled but not built, nothing will be written for: ${[...new Set(unwritten)].join(', ')}`);
  }
  const alert = readOutput(context, types.get('alert'), schema.eveAlert);
  const drop = readOutput(context, types.get('drop'), schema.eveDrop);
  const eveStats = readOutput(context, types.get('stats'), schema.eveStats);
  return {
    fast: { enabled: fast.enabled, filename: fast.filename, append: fast.append },
    eve: {
      enabled: eve.enabled,
      filename: eve.filename,
      append: eve.append,
      communityId: eve['community-id'],
      communityIdSeed: eve['community-id-seed'],
      pcapFile: eve['pcap-file'],
      alert: {
        enabled: types.has('alert') && alert.enabled,
        payload: alert.payload,
        payloadPrintable: alert['payload-printable'],
        packet: alert.packet,
        metadata: alert.metadata,
        payloadBufferSize: alert['payload-buffer-size'],
      },
      drop: { enabled: types.has('drop') && drop.enabled, alerts: drop.alerts, flows: drop.flows },
      flow: types.has('flow') && isEnabled(types.get('flow')!, true),
      stats: {
        enabled: types.has('stats') && eveStats.enabled,
        totals: eveStats.totals,
        threads: eveStats.threads,
        deltas: eveStats.deltas,
      },
    },
    stats: {
      enabled: stats.enabled,
      filename: stats.filename,
      append: stats.append,
      totals: stats.totals,
      threads: stats.threads,
      nullValues: stats['null-values'],
    },
  };
}

/** Path of nothing: reads as an empty section. */
const NOWHERE = ['outputs', ''];

function readOutput<T extends z.ZodTypeAny>(context: Context, entry: Entry | undefined, type: T): z.output<T> {
  // `- alert` without a section: all defaults.
  return context.read(entry === undefined || context.find(entry.path) === undefined ? NOWHERE : entry.path, type);
}

function eveTypes(context: Context, eve: Entry, unwritten: string[], enabled: boolean): Map<string, Entry> {
  const types = new Map<string, Entry>();
  const off = new Set(['frame', 'arp', 'netflow', 'template', 'template-rust', 'packet']);
  for (const entry of entries(context, [...eve.path, 'types'])) {
    if (['alert', 'drop', 'flow', 'stats'].includes(entry.name)) {
      if (!types.has(entry.name)) types.set(entry.name, entry);
    } else if (EVE_TYPES_UNUSED.has(entry.name)) {
      if (enabled && isEnabled(entry, !off.has(entry.name))) unwritten.push(`eve-log ${entry.name}`);
    } else context.warnings.push(`${at(entry.node)}: unknown eve-log type ${shown(entry.name)} is ignored`);
  }
  return types;
}
