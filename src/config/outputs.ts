import type { z } from 'zod/v3';
import { APP_TYPE_NAMES, PARSED } from '../app-layer/buffers.js';
import type { DnsEveOptions } from '../app-layer/dns/options.js';
import type { FileWants } from '../app-layer/files/files.js';
import { HASH_NAMES } from '../app-layer/files/hashes.js';
import type { SmtpEveOptions } from '../app-layer/smtp/options.js';
import type { TlsEveOptions } from '../app-layer/tls/eve.js';
import { readDnsEve } from './app-layer.js';
import { readFields, readTlsEve, widestDns, widestTls } from './app-views.js';
import type { EveConfig, FileStoreConfig, OutputsConfig } from './config.js';
import type { Context } from './context.js';
import { EVE_TYPES_UNUSED, OUTPUTS_UNUSED } from './known-keys.js';
import * as schema from './schema.js';
import { readSmtpEve } from './smtp.js';
import { at, type ConfNode, shown } from './tree.js';
import { size, truthWord } from './values.js';
import { readXff } from './xff.js';

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

/** The `outputs` list (user guide, "Outputs"), with what it says of dns records: an output that is not listed, or has no `enabled`, is off. */
export function readOutputs(context: Context): {
  outputs: OutputsConfig;
  dnsEve?: DnsEveOptions;
  tlsEve?: TlsEveOptions;
  smtpEve?: SmtpEveOptions;
  files?: FileWants;
  /** Header in which proxies name the client. */
  xffHeader?: string;
} {
  const unwritten: string[] = [];
  const listed = new Map<string, Entry>();
  const eves: Entry[] = [];
  for (const entry of entries(context, ['outputs'])) {
    const { name } = entry;
    if (name === 'eve-log') eves.push(entry);
    else if (name === 'fast' || name === 'stats' || name === 'file-store') {
      if (listed.has(name) && isEnabled(entry, false) && isEnabled(listed.get(name)!, false)) {
        context.warnings.push(`${at(entry.node)}: a second ${name} output is ignored: one of each kind is written`);
      } else if (!listed.has(name) || isEnabled(entry, false)) listed.set(name, entry);
    } else if (OUTPUTS_UNUSED.has(name)) {
      if (isEnabled(entry, false)) unwritten.push(name);
    } else context.warnings.push(`${at(entry.node)}: unknown output ${shown(name)} is ignored`);
  }
  const fast = readOutput(context, listed.get('fast'), schema.fast);
  const stats = readOutput(context, listed.get('stats'), schema.statsLog);
  const fileStore = readFileStore(context, listed.get('file-store'));
  if (fast.enabled) onlyRegular(context, 'fast', fast.filetype);
  // The first that is on comes first: the others are few and rare.
  const read = eves.map((entry) => readEve(context, entry, unwritten)).sort((a, b) => Number(b.enabled) - Number(a.enabled));
  const [eve = readEve(context, undefined, unwritten), ...others] = read;
  if (unwritten.length > 0) {
    context.warnings.push(`outputs: enabled but not built, nothing will be written for: ${[...new Set(unwritten)].join(', ')}`);
  }
  const outputs = {
    fast: { enabled: fast.enabled, filename: fast.filename, append: fast.append },
    ...(fileStore && { fileStore }),
    eve,
    otherEves: others.filter((one) => one.enabled),
    stats: {
      enabled: stats.enabled,
      filename: stats.filename,
      append: stats.append,
      totals: stats.totals,
      threads: stats.threads,
      nullValues: stats['null-values'],
    },
  };
  const dns = [eve, ...others].flatMap((one) => (one.enabled && one.dns !== undefined ? [one.dns] : []));
  if (dns.some(({ version }) => version !== dns[0].version))
    context.warnings.push(`outputs: dns records have one version in all eve-logs: ${dns[0].version}, that of the first`);
  const first = eves.find((entry) => isEnabled(entry, false));
  const smtp = first && entries(context, [...first.path, 'types']).find(({ name }) => name === 'smtp');
  const tls = eves
    .filter((entry) => isEnabled(entry, false))
    .flatMap((entry) => entries(context, [...entry.path, 'types']).filter(({ name }) => name === 'tls'))
    .flatMap(({ path }) => readTlsEve(context, path) ?? []);
  const headers = [eve, ...others]
    .filter(({ enabled }) => enabled)
    .flatMap((one) => [one.xff, one.alert.xff])
    .concat(fileStore?.xff)
    .flatMap((one) => (one === undefined ? [] : [one.header]));
  if (headers.some((header) => header.toLowerCase() !== headers[0].toLowerCase()))
    context.warnings.push(`outputs: xff looks for one header in all logs: ${headers[0]}, that of the first`);
  return {
    outputs,
    xffHeader: headers.at(0),
    dnsEve: widestDns(dns),
    tlsEve: widestTls(tls),
    smtpEve: smtp && readSmtpEve(context, smtp.path),
    files: filesWanted(context, eves, listed.get('file-store')),
  };
}

/** What the `files` records of the eve-logs that are on say of each file; the parser finds it out for all of them. */
function filesWanted(context: Context, eves: readonly Entry[], store: Entry | undefined): FileWants | undefined {
  const wants: FileWants = { hashes: 0, magic: false };
  const want = (entry: Entry, files: { 'force-magic': boolean; 'force-hash': string[] }): void => {
    if (files['force-magic']) wants.magic = true;
    for (const name of files['force-hash']) {
      const hash = HASH_NAMES.indexOf(name.toLowerCase());
      if (hash < 0) context.bad(entry.node, [...entry.path, 'force-hash'], `has ${shown(name)}`, HASH_NAMES.join(', '));
      wants.hashes |= 1 << hash;
    }
  };
  for (const eve of eves) {
    const entry = entries(context, [...eve.path, 'types']).find(({ name }) => name === 'files');
    if (!isEnabled(eve, false) || entry === undefined || !isEnabled(entry, true)) continue;
    want(entry, readOutput(context, entry, schema.eveFiles));
  }
  if (store !== undefined && isEnabled(store, false)) want(store, readOutput(context, store, schema.fileStore));
  return wants.magic || wants.hashes !== 0 ? wants : undefined;
}

/** `file-store` (user guide, "File Extraction"). Version 1 is refused with a warning, as by Suricata. */
function readFileStore(context: Context, entry: Entry | undefined): FileStoreConfig | undefined {
  if (entry === undefined || !isEnabled(entry, false)) return undefined;
  const read = readOutput(context, entry, schema.fileStore);
  if (read.version < 2) {
    context.warnings.push(`${at(entry.node)}: file-store needs 'version: 2': version 1 is no more, no files are stored`);
    return undefined;
  }
  const streamDepth = readStoreDepth(context, entry, read['stream-depth']);
  const xff = readXff(context, [...entry.path, 'xff']);
  return {
    ...(xff && { xff }),
    dir: read.dir === '' ? 'filestore' : read.dir,
    writeFileinfo: read['write-fileinfo'],
    force: read['force-filestore'],
    maxOpenFiles: read['max-open-files'],
    ...(streamDepth !== undefined && { streamDepth }),
  };
}

/** `stream-depth`: without it, as in Suricata, 0; what is not above the depth of all streams does not count. */
function readStoreDepth(context: Context, entry: Entry, said: string): number | undefined {
  if (said === '' || said === 'no') return 0;
  const depth = context.read([...entry.path, 'stream-depth'], size(0, 0, 1024 ** 4));
  const general = context.read(['stream', 'reassembly', 'depth'], size(1024 ** 2, 0, 1024 ** 4));
  if (depth === 0 || (general !== 0 && depth > general)) return depth;
  context.warnings.push(
    `${at(entry.node)}: file-store stream-depth ${shown(said)} is not above stream.reassembly.depth, which holds instead`,
  );
  return undefined;
}

function onlyRegular(context: Context, name: string, filetype: string): void {
  if (filetype !== 'regular') context.warnings.push(`outputs: ${name} filetype ${shown(filetype)} is not built: a regular file is written`);
}

function readEve(context: Context, entry: Entry | undefined, unwritten: string[]): EveConfig {
  const eve = readOutput(context, entry, schema.eve);
  if (eve.enabled) onlyRegular(context, 'eve-log', eve.filetype);
  const types = entry === undefined ? new Map<string, Entry>() : eveTypes(context, entry, unwritten, eve.enabled);
  const alert = readOutput(context, types.get('alert'), schema.eveAlert);
  const metadata = readMetadata(context, types.get('alert'));
  const drop = readOutput(context, types.get('drop'), schema.eveDrop);
  const anomaly = readOutput(context, types.get('anomaly'), schema.eveAnomaly);
  const stats = readOutput(context, types.get('stats'), schema.eveStats);
  const on = (name: string, enabled: boolean) => types.has(name) && enabled;
  const xff = entry && readXff(context, [...entry.path, 'xff']);
  const ofAlerts = types.get('alert');
  const own = ofAlerts && readXff(context, [...ofAlerts.path, 'xff']);
  const alertXff = own === undefined ? xff : own;
  const anomalies = on('anomaly', anomaly.enabled);
  return {
    enabled: eve.enabled,
    filename: eve.filename,
    append: eve.append,
    communityId: eve['community-id'],
    communityIdSeed: eve['community-id-seed'],
    pcapFile: eve['pcap-file'],
    ethernet: eve.ethernet,
    prefix: eve.prefix,
    metadata: eve.metadata,
    ...(xff && { xff }),
    alert: {
      enabled: on('alert', alert.enabled),
      payload: alert.payload,
      payloadPrintable: alert['payload-printable'],
      payloadLength: alert['payload-length'],
      packet: alert.packet,
      ...metadata,
      verdict: alert.verdict,
      taggedPackets: alert['tagged-packets'],
      payloadBufferSize: alert['payload-buffer-size'],
      ...(alertXff && { xff: alertXff }),
    },
    anomaly: {
      decode: anomalies && anomaly.types.decode,
      stream: anomalies && anomaly.types.stream,
      applayer: anomalies && anomaly.types.applayer,
      packetHeader: anomaly.packethdr,
    },
    drop: { enabled: on('drop', drop.enabled), alerts: drop.alerts, flows: drop.flows, verdict: drop.verdict },
    flow: types.has('flow') && isEnabled(types.get('flow')!, true),
    netflow: types.has('netflow') && isEnabled(types.get('netflow')!, true),
    // As in Suricata, `ftp` brings the records of its data connections, too.
    app: APP_TYPES.filter((name) => {
      const type = types.get(name) ?? (name === 'ftp_data' ? types.get('ftp') : undefined);
      return type !== undefined && isEnabled(type, true);
    }),
    fields: readFields(context, (type) => types.get(type)?.path),
    ...(types.has('dns') && { dns: readDnsEve(context, types.get('dns')!.path) }),
    files: types.has('files') && isEnabled(types.get('files')!, true),
    stats: {
      enabled: on('stats', stats.enabled),
      totals: stats.totals,
      threads: stats.threads,
      deltas: stats.deltas,
      nullValues: stats['null-values'],
    },
  };
}

/** `metadata: yes|no`, or the section of Suricata 5 and later; what stands in it only adds to, or takes from, the default. */
function readMetadata(
  context: Context,
  alert: Entry | undefined,
): Pick<EveConfig['alert'], 'metadata' | 'reference' | 'raw' | 'flow' | 'appLayer'> {
  const path = alert === undefined ? NOWHERE : [...alert.path, 'metadata'];
  const node = alert === undefined ? undefined : context.find(path);
  const isOff = node !== undefined && node.children.size === 0 && truthWord(node.value ?? '') === false;
  if (isOff) return { metadata: false, reference: false, raw: false, flow: false, appLayer: false };
  const {
    flow,
    rule,
    'app-layer': appLayer,
  } = context.read(node !== undefined && node.children.size > 0 ? path : NOWHERE, schema.eveMetadata);
  return { metadata: rule.metadata, reference: rule.reference, raw: rule.raw, flow, appLayer };
}

/** Path of nothing: reads as an empty section. */
const NOWHERE = ['outputs', ''];

function readOutput<T extends z.ZodTypeAny>(context: Context, entry: Entry | undefined, type: T): z.output<T> {
  // `- alert` without a section: all defaults.
  return context.read(entry === undefined || context.find(entry.path) === undefined ? NOWHERE : entry.path, type);
}

/** Types of application protocols that a parser writes records of. */
const APP_TYPES = PARSED.map((proto) => APP_TYPE_NAMES[proto]);
const WRITTEN = new Set(['alert', 'anomaly', 'drop', 'files', 'flow', 'netflow', 'stats', ...APP_TYPES]);
/** Types that are off when listed without `enabled: yes`. */
const OFF_BY_DEFAULT = new Set(['frame', 'arp', 'template', 'template-rust', 'packet']);

function eveTypes(context: Context, eve: Entry, unwritten: string[], enabled: boolean): Map<string, Entry> {
  const types = new Map<string, Entry>();
  for (const entry of entries(context, [...eve.path, 'types'])) {
    if (WRITTEN.has(entry.name)) {
      if (!types.has(entry.name)) types.set(entry.name, entry);
    } else if (EVE_TYPES_UNUSED.has(entry.name)) {
      if (enabled && isEnabled(entry, !OFF_BY_DEFAULT.has(entry.name))) unwritten.push(`eve-log ${entry.name}`);
    } else context.warnings.push(`${at(entry.node)}: unknown eve-log type ${shown(entry.name)} is ignored`);
  }
  return types;
}
