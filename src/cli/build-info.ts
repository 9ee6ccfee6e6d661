import { errorLine, SluiceError } from '../errors.js';
import { versionLine } from './version.js';

/**
 * --build-info: what this build can do on this machine, and what it cannot yet. The lines that people and scripts look for
 * in Suricata's (`NFQueue support:  yes`, the word NFQ among the features) are written alike.
 */
export async function buildInfo(): Promise<string> {
  let addon = 'loaded';
  let verbs: Record<string, unknown> = {};
  try {
    verbs = (await import('../native.js')).native as unknown as Record<string, unknown>;
  } catch (error) {
    addon = `not loaded: ${errorLine(error)}`;
  }
  const [{ APP_PROTO_NAMES, PARSED }, { kernelLacks }] = await Promise.all([
    import('../app-layer/buffers.js'),
    import('../supervisor/capabilities.js'),
  ]);
  const yes = (name: string) => name in verbs;
  const has = (name: string) => (yes(name) ? 'yes' : 'no');
  const netfilter = (name: string, module: 'nfnetlink_queue' | 'nfnetlink_log') =>
    yes(name) && kernelLacks(module) ? `yes (but not in the kernel that runs: 'modprobe ${module}')` : has(name);
  const features = [
    yes('queueOpen') && 'NFQ',
    yes('logOpen') && 'NFLOG',
    yes('packetOpen') && 'AF_PACKET',
    yes('matchCompile') && 'VECTORSCAN',
    'HAVE_JA3',
    'HAVE_JA4',
  ];
  const rows: [string, string][] = [
    ['AF_PACKET support', has('packetOpen')],
    ['NFQueue support', netfilter('queueOpen', 'nfnetlink_queue')],
    ['NFLOG support', netfilter('logOpen', 'nfnetlink_log')],
    ['Capture files (pcap, pcapng)', 'yes'],
    ['Shared-memory rings (memfd, futex)', has('memfdCreate')],
    ['Multi-pattern matching (Vectorscan)', has('matchCompile')],
    ['PCRE2 regular expressions', has('pcreCompile')],
    ['Application-layer protocols', PARSED.map((proto) => APP_PROTO_NAMES[proto]).join(', ')],
    ['Native addon', addon],
    ['Node.js', process.versions.node],
    ['V8', process.versions.v8],
    ['Platform', `${process.platform} ${process.arch}`],
  ];
  return [
    versionLine(),
    `Features: ${features.filter(Boolean).join(' ')}`,
    '',
    'Sluice Configuration:',
    ...rows.map(([name, value]) => `  ${`${name}:`.padEnd(41)}${value}`),
  ].join('\n');
}

/** --list-app-layer-protos: those that have a parser. */
export async function protocolList(): Promise<string> {
  const { APP_PROTO_NAMES, PARSED } = await import('../app-layer/buffers.js');
  return ['=====Supported application-layer protocols=====', ...PARSED.map((proto) => APP_PROTO_NAMES[proto])].join('\n');
}

/**
 * --list-keywords: those that have a handler, sorted, each with its meaning. `what`: '' or `all` the list, `csv` a table,
 * else the name of one keyword. Throws SLUICE_USAGE for a name nobody knows.
 */
export async function keywordList(what = ''): Promise<string> {
  const [{ OPTIONS }, { meaningOf, aliasOf }, { SURICATA_KEYWORDS }] = await Promise.all([
    import('../rules/options/table.js'),
    import('../rules/keyword-meanings.js'),
    import('../rules/keywords.js'),
  ]);
  const names = [...OPTIONS.keys()].sort();
  if (what === 'csv') {
    const rows = names.map((name) => [name, meaningOf(name), aliasOf(name), valueWords(OPTIONS.get(name)?.value)]);
    return ['name;description;current name;value', ...rows.map((row) => row.map((text) => text.replaceAll(';', ',')).join(';'))].join('\n');
  }
  if (what === '' || what === 'all') {
    const line = (name: string) => (meaningOf(name) === '' ? `- ${name}` : `- ${name}: ${meaningOf(name)}`);
    return ['=====Supported keywords=====', ...names.map(line)].join('\n');
  }
  const spec = OPTIONS.get(what);
  if (spec === undefined) {
    const known = SURICATA_KEYWORDS.has(what) ? `keyword ${what} is not supported yet` : `there is no keyword '${what}'`;
    throw new SluiceError('SLUICE_USAGE', `${known}; 'sluice --list-keywords' names those there are`);
  }
  const rows: [string, string][] = [
    ['Description', meaningOf(what) || '-'],
    ['Value', valueWords(spec.value)],
    ['Negation', spec.negatable === true ? 'with !' : 'no'],
    ['Times in a rule', spec.once === true ? 'once' : 'any'],
  ];
  if (aliasOf(what) !== '') rows.push(['Current name', aliasOf(what)]);
  return [`= ${what} =`, ...rows.map(([name, value]) => `${name}: ${value}`)].join('\n');
}

function valueWords(value: 'none' | 'required' | 'optional' | undefined): string {
  return value === 'none' ? 'none' : value === 'optional' ? 'optional' : 'required';
}
