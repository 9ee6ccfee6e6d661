import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { compareVersions, parseVersion, sameVersion, type Version } from './version.js';

/** What the executable under test says of itself (-V, --build-info). */
export interface Abilities {
  version: Version;
  features: ReadonlySet<string>;
}

/** From what -V and --build-info print. @throws Error when the version line holds no version */
export function abilities(versionLine: string, buildInfo: string): Abilities {
  const version = parseVersion(versionLine);
  if (version === undefined) throw new Error(`no version in '${versionLine.trim()}'`);
  const features = new Set<string>();
  for (const line of buildInfo.split('\n')) {
    if (line.startsWith('Features:')) for (const word of line.split(/\s+/).slice(1)) if (word !== '') features.add(word);
    const support = /^\s*(.+?) support:\s*yes/.exec(line);
    if (support) features.add(support[1]);
  }
  return { version, features };
}

/** Scalars as text, so that a version `8.0` is not the number 8. */
export type Texts = string | null | Texts[] | { [key: string]: Texts };

const list = (value: Texts): string[] => (Array.isArray(value) ? value.map(String) : value === null ? [] : [String(value)]);

const COMPARISONS: Record<string, { fits: (own: Version, asked: Version) => boolean; words: string }> = {
  'min-version': { fits: (own, asked) => compareVersions(own, asked) >= 0, words: 'requires at least version' },
  'lt-version': { fits: (own, asked) => compareVersions(own, asked) < 0, words: 'for versions below' },
  'gt-version': { fits: (own, asked) => compareVersions(own, asked) > 0, words: 'for versions above' },
  version: { fits: sameVersion, words: 'only for version' },
};

/** Why a `requires` section is not met, '' when it is. Unknown requirements count as unmet: the test means something we do not know. */
export function unmet(requires: Texts | undefined, abilities: Abilities): string {
  if (requires === undefined || requires === null || typeof requires !== 'object' || Array.isArray(requires)) return '';
  for (const [key, value] of Object.entries(requires)) {
    const reason = unmetOne(key, value, abilities);
    if (reason !== '') return reason;
  }
  return '';
}

function unmetOne(key: string, value: Texts, { version, features }: Abilities): string {
  const comparison = COMPARISONS[key];
  if (comparison !== undefined) {
    const asked = parseVersion(String(value));
    if (asked === undefined) return `${key} ${String(value)} is no version`;
    return comparison.fits(version, asked) ? '' : `${comparison.words} ${String(value)}`;
  }
  switch (key) {
    case 'features': {
      const missing = list(value).find((name) => !features.has(name));
      return missing === undefined ? '' : `requires feature ${missing}`;
    }
    case 'env': {
      const missing = list(value).find((name) => process.env[name] === undefined);
      return missing === undefined ? '' : `requires environment variable ${missing}`;
    }
    case 'files': {
      const missing = list(value).find((name) => !existsSync(name));
      return missing === undefined ? '' : `requires file ${missing}`;
    }
    case 'script': {
      const failed = list(value).find((line) => spawnSync('bash', ['-c', line], { stdio: 'ignore', timeout: 30_000 }).status !== 0);
      return failed === undefined ? '' : `requires script: ${failed}`;
    }
    case 'os':
      return process.platform.startsWith(String(value).toLowerCase()) ? '' : `requires os ${String(value)}`;
    case 'arch': {
      const machine = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' }[process.arch as string] ?? process.arch;
      return machine.startsWith(String(value).toLowerCase()) ? '' : `requires arch ${String(value)}`;
    }
    case 'pcap':
      return '';
    case 'lambda':
      return `requires a Python expression: ${String(value)}`;
    default:
      return `unknown requirement '${key}'`;
  }
}

/** Why the `skip` list of a test applies, '' when it does not. */
export function skipReason(skip: Texts | undefined, abilities: Abilities): string {
  if (skip === undefined || skip === null) return '';
  if (!Array.isArray(skip)) return /^(true|yes|on)$/i.test(String(skip)) ? 'skipped by default' : '';
  for (const entry of skip) {
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) continue;
    const said = typeof entry.msg === 'string' ? entry.msg : undefined;
    if (entry.uid !== undefined && process.getuid?.() === Number(entry.uid)) return said ?? `not for uid ${String(entry.uid)}`;
    if (entry.feature !== undefined && abilities.features.has(String(entry.feature)))
      return said ?? `not for feature ${String(entry.feature)}`;
  }
  return '';
}
