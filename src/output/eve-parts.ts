/** What EVE records have in common: each function gives a piece of text, with its leading comma, or ''. */
import { APP_PROTO_NAMES, AppProto } from '../app-layer/buffers.js';
import type { EveConfig } from '../config/config.js';
import { communityId } from './community-id.js';
import type { EventRecord } from './event-decode.js';
import { stateJson } from './state-record.js';
import { eveTime } from './text.js';

export const json = (text: string) => JSON.stringify(text);
export const hasPorts = (proto: number) => proto === 6 || proto === 17 || proto === 132;
export const isIcmp = (proto: number) => proto === 1 || proto === 58;

/** What an event's source number means: an interface or queue, or (a name with a slash) a capture file. */
const isFile = (name: string) => name.includes('/');
export const hex = (n: number) => n.toString(16).padStart(2, '0');

export const iface = (source: string) => (source === '' || isFile(source) ? '' : `,"in_iface":${json(source)}`);

export function trailer(config: EveConfig, source: string): string {
  return config.pcapFile && isFile(source) ? `,"pcap_filename":${json(source)}` : '';
}

export function vlans(e: EventRecord): string {
  if (e.vlanDepth === 0) return '';
  return `,"vlan":[${e.vlan0}${e.vlanDepth > 1 ? `,${e.vlan1}` : ''}${e.vlanDepth > 2 ? `,${e.vlan2}` : ''}]`;
}

export function community(e: EventRecord, config: EveConfig): string {
  if (!config.communityId) return '';
  const id = communityId(e, config.communityIdSeed);
  return id === '' ? '' : `,"community_id":"${id}"`;
}

/** What rules have left on the flow. */
export const state = (e: EventRecord, config: EveConfig) =>
  e.remembered.length === 0 || config.metadata === false ? '' : stateJson(e.remembered);

/** Absent until recognition ended; `failed` when it found no protocol. The others stand where they differ from it. */
export function appProto(e: EventRecord): string {
  let s = e.appProto === AppProto.Unknown ? '' : `,"app_proto":"${APP_PROTO_NAMES[e.appProto]}"`;
  const more = (name: string, proto: number) => {
    if (proto !== AppProto.Unknown && proto !== e.appProto) s += `,"app_proto_${name}":"${APP_PROTO_NAMES[proto]}"`;
  };
  more('ts', e.appProtoTs);
  more('tc', e.appProtoTc);
  more('orig', e.appProtoOriginal);
  more('expected', e.appProtoExpected);
  return s;
}

/** Without the comma. */
export function flowCounts(e: EventRecord): string {
  return (
    `"pkts_toserver":${e.pktsToServer},"pkts_toclient":${e.pktsToClient},"bytes_toserver":${e.bytesToServer},` +
    `"bytes_toclient":${e.bytesToClient},"start":"${eveTime(e.startSec, e.startNsec)}"`
  );
}
