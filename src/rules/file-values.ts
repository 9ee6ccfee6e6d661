/**
 * Tests on files that have no buffer: `filename`, `fileext`, `filemagic`, `filesize`, `filemd5`, ... (user guide, "File Keywords"), and the
 * lists of digests that some name.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HASH_BYTES, HASH_NAMES } from '../app-layer/files/hashes.js';
import type { AppOption } from './app-option.js';
import { parseNumberTest, UINT64_MAX } from './numbers.js';
import type { NumberTest } from './packet-option.js';
import type { Rule } from './rule.js';
import { RuleError } from './rule-error.js';

/** All options of a rule that are in this set are about one and the same file. */
export const FILE_TESTS: ReadonlySet<string> = new Set([
  'filename',
  'fileext',
  'filemagic',
  'filesize',
  'filemd5',
  'filesha1',
  'filesha256',
  'filestore',
]);

/** Hash of filemd5, filesha1, filesha256; -1: another keyword. */
export function hashOf(keyword: string): number {
  return keyword.startsWith('file') ? HASH_NAMES.indexOf(keyword.slice(4)) : -1;
}

export function fileOptions(rule: Rule): AppOption[] {
  return rule.header.filter((o): o is AppOption => o.kind === 'app' && FILE_TESTS.has(o.keyword));
}

/** The rule needs what libmagic says. */
export function wantsMagic(rule: Rule): boolean {
  return (
    rule.buffers.some(({ buffer }) => buffer === 'file.magic') || rule.header.some((o) => o.kind === 'app' && o.keyword === 'filemagic')
  );
}

/** `filesize:>1MB`; undefined: another form. */
export function fileSizeTest(option: AppOption): NumberTest | undefined {
  try {
    return parseNumberTest('filesize', option.negated ? `!${option.value}` : option.value, UINT64_MAX);
  } catch {
    return undefined;
  }
}

const STORE_DIRECTIONS: Record<string, number> = { request: 1, to_server: 1, toserver: 1, response: 2, to_client: 2, toclient: 2, both: 3 };
const STORE_SCOPES: Record<string, 'file' | 'tx' | 'flow'> = { file: 'file', tx: 'tx', ssn: 'flow', flow: 'flow' };

/**
 * `filestore:<direction>,<scope>` (user guide, "File Keywords"): bits 1 << direction, 0: that of the match. Without a scope a direction means
 * the transaction, nothing the file. undefined: another form.
 */
export function fileStoring({ value }: AppOption): { directions: number; scope: 'file' | 'tx' | 'flow' } | undefined {
  if (value.trim() === '') return { directions: 0, scope: 'file' };
  const [direction, scope, ...more] = value.split(',').map((word) => word.trim().toLowerCase());
  if (more.length > 0 || !(direction in STORE_DIRECTIONS) || (scope !== undefined && !(scope in STORE_SCOPES))) return undefined;
  return { directions: STORE_DIRECTIONS[direction], scope: scope === undefined ? 'tx' : STORE_SCOPES[scope] };
}

/** The text of filename, fileext, filemagic: as in a content, `|41 42|` are bytes. */
export function fileText(option: AppOption): Buffer {
  const text = option.value.replace(/^"(.*)"$/s, '$1');
  const plain = text.replace(/\|([0-9a-fA-F\s]*)\|/g, (_, hex: string) => Buffer.from(hex.replace(/\s/g, ''), 'hex').toString('latin1'));
  return Buffer.from(plain.replace(/\\(["\\;:])/g, '$1'), 'latin1');
}

/** Lists beyond this are refused: bytes. */
const LONGEST_LIST = 1 << 30;

/**
 * The digests that a rule's options name, in their order, each list sorted. As in Suricata the file lies beside the rule file, or where that has
 * none of the name in `rulePath` (default-rule-path; '': none): a digest in hexadecimal at the beginning of each line, what follows does
 * not matter (as md5sum writes it). Throws RuleError.
 */
export function fileDigests(rule: Rule, rulePath = ''): Uint8Array[] {
  return rule.header
    .filter((o): o is AppOption => o.kind === 'app' && hashOf(o.keyword) >= 0)
    .map((option) => {
      const name = option.value.replace(/^"(.*)"$/s, '$1');
      const beside = resolve(dirname(rule.file), name);
      return readDigests(rulePath === '' || existsSync(beside) ? beside : resolve(rulePath, name), option.keyword);
    });
}

function readDigests(path: string, keyword: string): Uint8Array {
  let text: string;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > LONGEST_LIST) throw new Error(`more than ${LONGEST_LIST} bytes`);
    text = bytes.toString('latin1');
  } catch (error) {
    throw new RuleError(keyword, `the list ${path} cannot be read: ${(error as Error).message}`);
  }
  const size = HASH_BYTES[hashOf(keyword)];
  const digests: string[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line[0] === '#') continue;
    const match = /^[0-9a-fA-F]+/.exec(line);
    if (match === null || match[0].length !== 2 * size)
      throw new RuleError(keyword, `${path}:${i + 1} does not begin with a digest of ${2 * size} hexadecimal digits`);
    digests.push(match[0].toLowerCase());
  }
  return new Uint8Array(Buffer.from([...new Set(digests)].sort().join(''), 'hex'));
}
