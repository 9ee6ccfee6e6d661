import { APP_PROTO_NAMES, PARSED } from '../app-layer/buffers.js';
import { type DnsEveOptions, dnsEveOptions } from '../app-layer/dns/options.js';
import type { FtpOptions } from '../app-layer/ftp/ftp.js';
import type { HttpLimits } from '../app-layer/http/http.js';
import type { AppOptions, ProtocolChoice } from '../app-layer/protocols.js';
import type { SmtpEveOptions } from '../app-layer/smtp/options.js';
import type { HasshMode } from '../app-layer/ssh/ssh.js';
import type { Context } from './context.js';
import { readPorts } from './ports.js';
import { readSmtp } from './smtp.js';
import { at, type ConfNode, shown, toPlain } from './tree.js';
import { choice, int, section, size, texts } from './values.js';

const KB = 1024;
const MB = 1024 ** 2;
const GB = 1024 ** 3;
const PROTOCOLS = ['app-layer', 'protocols'];

const enabled = () => choice<string>('yes', ['yes', 'no', 'detection-only', 'true', 'false', 'on', 'off', '1', '0', 'y', 'n']);
const enabledOrAuto = () => choice<string>('auto', ['auto', 'yes', 'no', 'true', 'false', 'on', 'off', '1', '0', 'y', 'n']);
const OFF = ['no', 'false', 'off', '0', 'n'];

/** `libhtp.default-config`; 0 bytes or layers mean what they say, except that a body limit of 0 is none. */
const htp = section(
  {
    'request-body-limit': size(100 * KB, 0, GB),
    'response-body-limit': size(100 * KB, 0, GB),
    'response-body-decompress-layer-limit': int(2, 0, 100),
    'meta-field-limit': size(18 * KB, 0, GB),
    'max-tx': int(512, 1, 65536),
  },
  [
    'personality',
    'request-body-minimal-inspect-size',
    'request-body-inspect-window',
    'response-body-minimal-inspect-size',
    'response-body-inspect-window',
    'http-body-inline',
    'randomize-inspection-sizes',
    'randomize-inspection-range',
    'double-decode-path',
    'double-decode-query',
    'lzma-enabled',
    'lzma-memlimit',
    'compression-bomb-limit',
    'decompression-time-limit',
    'headers-limit',
    'swf-decompression',
    'uri-include-all',
    'query-plusspace-decode',
    'path-convert-backslash-separators',
    'path-separators-compress',
    'path-url-decode',
    'path-bestfit-replacement-char',
    'path-control-char-handling',
    'tx-auto-destroy',
    'request-line-limit',
  ],
);

/** What the parsers are told of `app-layer.protocols` (user guide, "Suricata.yaml"). Throws SluiceError SLUICE_CONFIG. */
export function readAppLayer(
  context: Context,
  portGroups: Record<string, string>,
  dnsEve?: DnsEveOptions,
  smtpEve?: SmtpEveOptions,
  xffHeader?: string,
): AppOptions {
  const protocols: Record<string, ProtocolChoice> = {};
  for (const proto of PARSED) {
    const name = APP_PROTO_NAMES[proto];
    const found = readProtocol(context, name, portGroups);
    if (found !== undefined) protocols[name] = found;
  }
  const [ja3, ja4] = ['ja3', 'ja4'].map((name) => wantsFingerprint(context, name));
  const handling = new Map(ENCRYPTED.map((name) => [name, readEncryption(context, name)]));
  const bypass = ENCRYPTED.filter((name) => handling.get(name) === 'bypass');
  const opaque = ENCRYPTED.filter((name) => handling.get(name) === 'track-only');
  return {
    protocols,
    ...(bypass.length > 0 && { bypass }),
    opaque,
    http: { ...readHttp(context), ...(xffHeader !== undefined && { xff: xffHeader }) },
    ftp: readFtp(context),
    smtp: readSmtp(context, smtpEve),
    dnsEve,
    ...(!(ja3 && ja4) && { fingerprints: { ja3, ja4 } }),
    hassh: readHassh(context),
  };
}

/**
 * What a section says of a protocol. Only DNS is bound to its ports: a file that has a section on it means Suricata's ways there (port
 * 53, or `detection-ports`); `dp: any`, or no section: any port.
 */
function readProtocol(context: Context, name: string, groups: Record<string, string>): ProtocolChoice | undefined {
  const path = [...PROTOCOLS, name];
  const node = context.find(path);
  if (node === undefined) return undefined;
  warnUnknown(context, node, path);
  const on = isOn(context, path);
  const tcp = on && isOn(context, [...path, 'tcp']);
  const udp = on && isOn(context, [...path, 'udp']);
  const said = [[], ['tcp'], ['udp']].map((more) => detectionPorts(context, [...path, ...more], groups));
  const ports = [...new Set(said.flatMap((list) => list ?? []))];
  if (name === 'dns') return { tcp, udp, ports, onlyThere: !said.some((list) => list?.length === 0) };
  return tcp && udp && ports.length === 0 ? undefined : { tcp, udp, ports };
}

/** Keys of a protocol's section in Suricata, beside those of all: what is misspelled there would leave a default in force unnoticed. */
const KEYS: Readonly<Record<string, string>> = {
  http: 'libhtp memcap byterange',
  tls: 'encryption-handling ja3-fingerprints ja4-fingerprints no-reassemble',
  ssh: 'encryption-handling hassh',
  dns: 'tcp udp global-memcap state-memcap request-flood',
  ftp: 'memcap max-line-length',
  smtp: 'raw-extraction mime inspected-tracker',
};
const KEYS_OF_ALL = ['enabled', 'detection-ports', 'detection-enabled', 'max-tx', 'stream-depth'];

function warnUnknown(context: Context, node: ConfNode, path: readonly string[]): void {
  const own = KEYS[path[path.length - 1]];
  if (own === undefined) return;
  const known = [...own.split(' '), ...KEYS_OF_ALL];
  for (const [name, child] of node.children)
    if (!known.includes(name))
      context.warnings.push(`${at(child)}: unknown key ${shown([...path, name].join('.'))} is ignored; known: ${known.join(', ')}`);
}

function isOn(context: Context, path: readonly string[]): boolean {
  return !OFF.includes(context.read([...path, 'enabled'], enabled()));
}

/** `detection-ports: dp: 80, 8080`; [] = any, undefined = as built in. */
function detectionPorts(context: Context, path: readonly string[], groups: Record<string, string>): number[] | undefined {
  const key = [...path, 'detection-ports', 'dp'];
  const list = context.read(key, texts('ports'));
  return list.length === 0 ? undefined : readPorts(context, key, list, groups, true);
}

function readHttp(context: Context): HttpLimits {
  // Old files have the section at the top.
  const old = ['libhtp', 'default-config'];
  const path = [...PROTOCOLS, 'http', 'libhtp', 'default-config'];
  const read = context.read(context.find(path) === undefined && context.find(old) !== undefined ? old : path, htp);
  return {
    requestBody: read['request-body-limit'] || GB,
    responseBody: read['response-body-limit'] || GB,
    layers: read['response-body-decompress-layer-limit'],
    line: read['meta-field-limit'] || GB,
    maxTx: read['max-tx'],
  };
}

/** Protocols that end in encryption. */
const ENCRYPTED = ['tls', 'ssh'];

/** `encryption-handling` (user guide, "Encrypted traffic"): `default` is the older word for track-only. */
function readEncryption(context: Context, name: string): string {
  const said = context.read([...PROTOCOLS, name, 'encryption-handling'], choice('track-only', ['track-only', 'default', 'bypass', 'full']));
  return said === 'default' ? 'track-only' : said;
}

/** `ja3-fingerprints`, `ja4-fingerprints`: a hello's costs little, so that `auto` (wanted by a rule or log) is yes here. */
function wantsFingerprint(context: Context, name: string): boolean {
  return !OFF.includes(context.read([...PROTOCOLS, 'tls', `${name}-fingerprints`], enabledOrAuto()));
}

/** `hassh`: as in Suricata `auto`, which is what holds without it, is for rules alone: records have it where some rule asks for it. */
function readHassh(context: Context): HasshMode {
  const said = context.read([...PROTOCOLS, 'ssh', 'hassh'], enabledOrAuto());
  return OFF.includes(said) ? 'no' : said === 'auto' ? 'auto' : 'yes';
}

function readFtp(context: Context): FtpOptions {
  const path = [...PROTOCOLS, 'ftp'];
  return {
    memcap: context.read([...path, 'memcap'], size(64 * MB, 0, 4 * GB)),
    maxLine: context.read([...path, 'max-line-length'], size(4 * KB, 16, 64 * KB)),
    maxTx: context.read([...path, 'max-tx'], int(1024, 1, 65536)),
  };
}

/** `types: - dns: {...}` of an eve-log. As in Suricata the environment says the version when the file does not. */
export function readDnsEve(context: Context, path: readonly string[]): DnsEveOptions {
  const options = readDnsOptions(context, path);
  const version = process.env.SURICATA_EVE_DNS_VERSION;
  if (version === '2' && (context.find([...path, 'version'])?.value ?? '') === '') options.version = 2;
  return options;
}

function readDnsOptions(context: Context, path: readonly string[]): DnsEveOptions {
  const node = context.find(path);
  const plain = node === undefined ? undefined : toPlain(node);
  try {
    return dnsEveOptions(plain === undefined || typeof plain === 'string' || Array.isArray(plain) ? undefined : withoutEmpty(plain));
  } catch (error) {
    return context.bad(node!, path, `has ${shown((error as Error).message)}`, 'version 2 or 3, requests, responses, formats, types');
  }
}

/** A key without a value is as if it were not there. */
function withoutEmpty(section: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== ''));
}
