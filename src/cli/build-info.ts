import { errorLine } from '../errors.js';
import { versionLine } from './version.js';

/** --build-info: what this build can do on this machine, and what it cannot yet. */
export async function buildInfo(): Promise<string> {
  let addon = 'loaded';
  let verbs: Record<string, unknown> = {};
  try {
    verbs = (await import('../native.js')).native as unknown as Record<string, unknown>;
  } catch (error) {
    addon = `not loaded: ${errorLine(error)}`;
  }
  const has = (...names: string[]) => (names.some((name) => name in verbs) ? 'yes' : 'no');
  const rows: [string, string][] = [
    ['Node.js', process.versions.node],
    ['V8', process.versions.v8],
    ['Platform', `${process.platform} ${process.arch}`],
    ['Native addon', addon],
    ['Shared-memory rings (memfd, futex)', has('memfdCreate')],
    ['Multi-pattern matching (Vectorscan)', has('matchCompile')],
    ['PCRE2 regular expressions', has('pcreCompile')],
    ['AF_PACKET capture and inline bridging', Object.keys(verbs).some((name) => /packet|afp/i.test(name)) ? 'yes' : 'no'],
    ['Capture files (pcap, pcapng)', 'yes'],
    ['NFQUEUE', 'no (not built yet)'],
    ['NFLOG', 'no (not built yet)'],
    ['Application-layer protocols', 'none yet'],
  ];
  return [versionLine(), 'Features:', ...rows.map(([name, value]) => `  ${`${name}:`.padEnd(42)}${value}`)].join('\n');
}

/** --list-keywords: those that have a handler, sorted. */
export async function keywordList(): Promise<string> {
  const { OPTIONS } = await import('../rules/options/table.js');
  const names = [...OPTIONS.keys()].sort();
  return ['=====Supported keywords=====', ...names.map((name) => `- ${name}`)].join('\n');
}
