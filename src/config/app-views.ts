/**
 * What an eve-log says of single protocols under `types`: which fields of http and tls records it wants (user guide, "Eve JSON Output"),
 * which dns messages. Parsers make one form of record for all logs: the widest that any of them wants.
 */
import { DNS_EVE_DEFAULTS, type DnsEveOptions } from '../app-layer/dns/options.js';
import type { TlsEveOptions } from '../app-layer/tls/eve.js';
import type { Context } from './context.js';
import { section, texts, truth } from './values.js';

/** Fields of http records without `extended`. */
const HTTP_BASIC = ['hostname', 'http_port', 'url', 'http_user_agent', 'xff', 'http_content_type', 'content_range'];
const TLS_BASIC = ['subject', 'issuerdn', 'subjectaltname', 'session_resumed'];

/** Names of `tls: custom` and the fields they stand for; what is not here has the same name in both. */
const TLS_NAMES: Readonly<Record<string, string>> = { issuer: 'issuerdn', not_before: 'notbefore', not_after: 'notafter' };
/** Parts of `client` that are asked for by names of their own. */
const TLS_CLIENT = ['client_certificate', 'client_chain'];

const http = section({ extended: truth(false) }, ['enabled', 'custom', 'dump-all-headers', 'xff']);
const tls = section({ extended: truth(false), custom: texts('names of fields'), ja4: truth(true) }, [
  'enabled',
  'session-resumption',
  'ja3',
  'ja3s',
  'ja4s',
]);

/** By type, the fields wanted; a type that is not there: all. */
export function readFields(context: Context, path: (type: string) => string[] | undefined): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  const at = (type: string) => {
    const found = path(type);
    return found === undefined || context.find(found) === undefined ? NOWHERE : found;
  };
  if (path('http') !== undefined && !context.read(at('http'), http).extended) fields.http = HTTP_BASIC;
  if (path('tls') !== undefined) {
    const { extended, custom } = context.read(at('tls'), tls);
    if (custom.length > 0) {
      fields.tls = custom.map((name) => TLS_NAMES[name] ?? (TLS_CLIENT.includes(name) ? 'client' : name));
    } else if (!extended) fields.tls = TLS_BASIC;
  }
  return fields;
}
const NOWHERE = ['outputs', ''];

/** What the log at that place (of its `tls`) wants that only `custom` brings; undefined: nothing. */
export function readTlsEve(context: Context, path: string[]): TlsEveOptions | undefined {
  const custom = context.read([...path, 'custom'], texts('names of fields'));
  const options = {
    certificate: custom.includes('certificate'),
    chain: custom.includes('chain'),
    clientCertificate: custom.includes('client_certificate'),
    clientChain: custom.includes('client_chain'),
  };
  return Object.values(options).includes(true) ? options : undefined;
}

/** All that any of them wants. */
export function widestTls(all: readonly TlsEveOptions[]): TlsEveOptions | undefined {
  if (all.length < 2) return all[0];
  const any = (of: (one: TlsEveOptions) => boolean) => all.some(of);
  return {
    certificate: any((one) => one.certificate),
    chain: any((one) => one.chain),
    clientCertificate: any((one) => one.clientCertificate),
    clientChain: any((one) => one.clientChain),
  };
}

/** The options by which every log finds what it wants in the records; `version` is the first one's. */
export function widestDns(all: readonly DnsEveOptions[]): DnsEveOptions | undefined {
  if (all.length < 2) return all[0];
  const types = all.some((one) => one.types === null) ? null : [...new Set(all.flatMap((one) => one.types ?? []))];
  const any = (of: (one: DnsEveOptions) => boolean) => all.some(of);
  return {
    ...DNS_EVE_DEFAULTS,
    version: all[0].version,
    requests: any((one) => one.requests),
    responses: any((one) => one.responses),
    detailed: any((one) => one.detailed),
    grouped: any((one) => one.grouped),
    types,
  };
}
