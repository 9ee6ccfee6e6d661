/**
 * What one eve-log wants of the records that parsers make for all of them (config/app-views.ts reads it): some fields of http and tls,
 * some messages of dns.
 */
import { TYPE_NAMES } from '../app-layer/dns/codes.js';
import type { DnsEveOptions } from '../app-layer/dns/options.js';
import type { EveConfig } from '../config/config.js';

const fieldSets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** Names of the fields that the log wants of records of that type; undefined: all. */
export function wantedFields(type: string, config: EveConfig): ReadonlySet<string> | undefined {
  const list = config.fields?.[type];
  if (list === undefined) return undefined;
  let set = fieldSets.get(list);
  if (set === undefined) {
    set = new Set(list);
    fieldSets.set(list, set);
  }
  return set;
}

interface DnsObject {
  version?: number;
  type?: string;
  rrtype?: string;
  queries?: { rrtype?: string }[];
  answers?: unknown;
  grouped?: unknown;
}

/** A dns record (`{...}`) as the log wants it, '' for one it does not want. */
export function dnsView(object: string, options: DnsEveOptions): string {
  const dns = JSON.parse(object) as DnsObject;
  const isRequest = dns.type === 'request' || dns.type === 'query';
  if (isRequest ? !options.requests : !options.responses) return '';
  const { types } = options;
  if (types !== null) {
    const names = new Set(types.map((number) => TYPE_NAMES.get(number)));
    if (dns.version === 3) {
      const asked = dns.queries?.length ?? 0;
      if (dns.queries !== undefined) dns.queries = dns.queries.filter(({ rrtype }) => names.has(rrtype));
      if (asked > 0 && dns.queries?.length === 0) return '';
    } else if (dns.rrtype !== undefined && !names.has(dns.rrtype)) return '';
  }
  if (!options.detailed) delete dns.answers;
  if (!options.grouped) delete dns.grouped;
  return JSON.stringify(dns);
}
