/** What EVE records say of a rule: `alert`, `verdict`. See eve.ts. */
import type { EveConfig } from '../config/config.js';
import type { Rule } from '../rules/rule.js';
import { hasPorts, json } from './eve-parts.js';
import type { EventRecord } from './event-decode.js';
import { VERDICT_NAMES } from './names.js';
import { addressText } from './text.js';

/** The constant part of a rule's alert object, made once per rule. */
const ruleText = new WeakMap<Rule, string>();

/** `client`: whom proxies name as the client, to be said beside the addresses; '': nobody. */
export function alertObject(e: EventRecord, rule: Rule, config: EveConfig, action: number, client = ''): string {
  let text = ruleText.get(rule);
  if (text === undefined) {
    text =
      `"gid":${rule.gid},"signature_id":${rule.sid},"rev":${rule.rev},"signature":${json(rule.msg)},` +
      `"category":${json(rule.category)},"severity":${rule.priority}`;
    ruleText.set(rule, text);
  }
  let more = rule.target === undefined ? '' : sourceAndTarget(e, rule.target === 'src_ip');
  if (client !== '') more += `,"xff":"${client}"`;
  if (config.alert.metadata) more += ruleMetadata(rule);
  if (config.alert.reference && rule.references.length > 0) more += `,"references":${JSON.stringify(rule.references)}`;
  if (config.alert.raw) more += `,"rule":${json(rule.text)}`;
  return `{"action":"${action === 1 ? 'blocked' : 'allowed'}",${text}${more}}`;
}

/** User guide, "target": the attacked side, and the other as its source. */
function sourceAndTarget(e: EventRecord, targetIsSource: boolean): string {
  if (e.ipVersion === 0) return '';
  const side = (address: Uint32Array, port: number) =>
    `{"ip":"${addressText(e.ipVersion, address)}"${hasPorts(e.proto) ? `,"port":${port}` : ''}}`;
  const [src, dst] = [side(e.src, e.srcPort), side(e.dst, e.dstPort)];
  return targetIsSource ? `,"source":${dst},"target":${src}` : `,"source":${src},"target":${dst}`;
}

/** What became of the packet, and whom its rejection was told. */
export function alertVerdict(e: EventRecord): string {
  const action = `{"action":"${VERDICT_NAMES[e.verdict]}"`;
  if (e.rejectSides === 0) return `${action}}`;
  return `${action},"reject-target":"${SIDE_NAMES[e.rejectSides]}","reject":["${e.proto === 6 ? 'tcp-reset' : 'icmp-prohib'}"]}`;
}

/** By Side bits (src/ring/verdict.ts), as the packet that was rejected runs to the server. */
const SIDE_NAMES: readonly string[] = ['', 'to_client', 'to_server', 'both'];

const metadataText = new WeakMap<Rule, string>();

/** Keys sorted, each with the list of its values, as Suricata writes them. */
function ruleMetadata(rule: Rule): string {
  let text = metadataText.get(rule);
  if (text !== undefined) return text;
  const keys = Object.keys(rule.metadata).sort();
  text = keys.length === 0 ? '' : `,"metadata":{${keys.map((k) => `${json(k)}:${JSON.stringify(rule.metadata[k])}`).join(',')}}`;
  metadataText.set(rule, text);
  return text;
}

/** User guide, "Verdict": reject rules also say whom they answer, and with what. */
export function verdict(e: EventRecord, rule: Rule | undefined): string {
  if (rule === undefined || !rule.action.startsWith('reject')) return '{"action":"drop"}';
  const target = rule.action === 'rejectboth' ? 'both' : rule.action === 'rejectdst' ? 'to_server' : 'to_client';
  return `{"action":"drop","reject-target":"${target}","reject":["${e.proto === 6 ? 'tcp-reset' : 'icmp-prohib'}"]}`;
}
