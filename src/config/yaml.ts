import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Alias, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar, type YAMLMap } from 'yaml';
import { SluiceError } from '../errors.js';
import { expandGlob, isGlob } from './glob.js';
import { ConfNode, oneLine, shown } from './tree.js';

/**
 * suricata.yaml -> tree, with `include:` (user guide, "Includes"). The `failsafe` schema leaves every
 * scalar as text, as Suricata does: YAML 1.1's own types would turn `1:2` into 62 and `010` into 8.
 */
const MAX_DEPTH = 64;
const MAX_NODES = 500_000;

interface Reader {
  /** Folder of the file given with -c: where includes are looked for second. */
  home: string;
  /** Files being read, outermost first: an include of one of them is a loop. */
  open: string[];
  warnings: string[];
  nodes: number;
}

/** One YAML file of that reader, while it is walked. */
interface Source {
  reader: Reader;
  file: string;
  document: Document;
  lines: LineCounter;
}

/** Reads `file` and everything it includes into one tree. */
export function readTree(file: string, includes: readonly string[]): { tree: ConfNode; warnings: string[] } {
  const path = resolve(file);
  const reader: Reader = { home: dirname(path), open: [], warnings: [], nodes: 0 };
  const tree = new ConfNode('', path, 0);
  readInto(reader, path, tree, 'read the configuration', 0);
  for (const include of includes) readInto(reader, resolve(include), tree, 'read --include', 0);
  return { tree, warnings: reader.warnings };
}

function fail(message: string): never {
  throw new SluiceError('SLUICE_CONFIG', oneLine(message));
}

function readInto(reader: Reader, file: string, into: ConfNode, what: string, depth: number): void {
  if (reader.open.includes(file))
    fail(`${reader.open.at(-1)}: includes ${file}, which is being read already: a loop; take one of the includes out`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : code === 'EACCES' ? 'permission denied' : code;
    fail(`${what}: ${file}: ${why}; name a readable YAML file`);
  }
  const lines = new LineCounter();
  let document: Document;
  try {
    document = parseDocument(withoutComments(text), {
      schema: 'failsafe',
      version: '1.1',
      uniqueKeys: false,
      lineCounter: lines,
      logLevel: 'silent',
      prettyErrors: false,
    });
  } catch (error) {
    fail(`${file}: not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  const error = document.errors[0];
  if (error) fail(`${file}:${lines.linePos(error.pos[0]).line}: not YAML: ${error.message.split('\n')[0]}`);
  reader.open.push(file);
  const source: Source = { reader, file, document, lines };
  const contents = document.contents;
  if (isMap(contents)) fillMap(source, into, contents, depth);
  else if (contents !== null && !(isScalar(contents) && contents.value === '')) {
    if (into.name === '' || isScalar(contents)) fail(`${file}: not a configuration: a list of 'key: value' is expected at the top`);
    fill(source, into, contents, depth);
  }
  reader.open.pop();
}

/**
 * Blanks the lines that are all comment, which cost the YAML parser a third of its time in a commented file (33 ms to
 * 22 for etc/sluice.yaml); line numbers stay. Left alone where such a line could be text: a file with block
 * scalars, or with a quoted string that may go on over several lines.
 */
function withoutComments(text: string): string {
  const kept = text.replace(/^[ \t]*#.*$/gm, '');
  if (/[|>][-+\d]*[ \t]*(#.*)?$/m.test(kept) || kept.includes('\\')) return text;
  for (const quoted of kept.match(/^.*["'].*$/gm) ?? []) {
    if (quoted.split('"').length % 2 === 0 || quoted.split("'").length % 2 === 0) return text;
  }
  return kept;
}

function lineOf(source: Source, node: unknown): number {
  const range = (node as { range?: [number, number, number] | null } | null)?.range;
  return range ? source.lines.linePos(range[0]).line : 0;
}

function count(source: Source, depth: number): void {
  if (++source.reader.nodes > MAX_NODES)
    fail(`${source.file}: more than ${MAX_NODES} values (a YAML alias that multiplies?); split or shorten it`);
  if (depth > MAX_DEPTH) fail(`${source.file}: nested deeper than ${MAX_DEPTH} levels (a YAML alias to itself?); flatten it`);
}

function fillMap(source: Source, into: ConfNode, map: YAMLMap, depth: number): void {
  count(source, depth);
  const { file, reader } = source;
  for (const pair of map.items) {
    if (!isScalar(pair.key)) fail(`${file}:${lineOf(source, pair.key)}: a key must be a word, not a list or a mapping`);
    const line = lineOf(source, pair.key);
    const key = String(pair.key.value ?? '');
    if (key === 'include') {
      for (const name of includeNames(source, pair.value, line)) include(source, name, line, into, depth);
      continue;
    }
    // A dotted key is a path; an underscore is an old spelling of '-', except in names of variables.
    let target = into;
    const steps = /^[^.]+(\.[^.]+)+$/.test(key) ? key.split('.') : [key];
    for (const step of steps) {
      const isName = target.name === 'address-groups' || target.name === 'port-groups';
      const name = isName || !/^[a-z0-9]+(_[a-z0-9]+)+$/.test(step) ? step : step.replaceAll('_', '-');
      if (name !== step) reader.warnings.push(`${file}:${line}: ${shown(step)} is an old spelling; write '${name}'`);
      target = target.ensure(name, file, line);
    }
    target.clear(file, line);
    fill(source, target, pair.value, depth + 1);
  }
}

function fill(source: Source, into: ConfNode, raw: unknown, depth: number): void {
  count(source, depth);
  const node = raw instanceof Alias || isAlias(raw) ? raw.resolve(source.document) : raw;
  if (isMap(node)) fillMap(source, into, node, depth);
  else if (isSeq(node)) {
    into.isSequence = true;
    for (const [index, item] of node.items.entries()) {
      const child = into.ensure(String(index), source.file, lineOf(source, item));
      fill(source, child, item, depth + 1);
      if (!child.isSequence && child.children.size > 0) child.value = child.children.keys().next().value ?? null;
    }
  } else if (isScalar(node)) {
    const value = node.value === null || node.value === undefined ? '' : String(node.value);
    if (node.tag === '!include') include(source, value, lineOf(source, node), into, depth);
    else if (node.type === Scalar.PLAIN && (value === '~' || value === 'null')) into.value = '';
    else into.value = value;
  } else into.value = '';
}

function includeNames(source: Source, value: unknown, line: number): string[] {
  if (isScalar(value) && String(value.value ?? '') !== '') return [String(value.value)];
  if (isSeq(value) && value.items.every((item) => isScalar(item))) return value.items.map((item) => String((item as Scalar).value));
  if (value === null || (isScalar(value) && String(value.value ?? '') === '')) return [];
  return fail(`${source.file}:${line}: include: a file name or a list of file names is expected`);
}

/** Relative to the including file; if it is not there, to the folder of the main file (as Suricata). */
function include(source: Source, name: string, line: number, into: ConfNode, depth: number): void {
  const { reader } = source;
  const folders = [dirname(source.file), reader.home];
  if (isGlob(name)) {
    const found = folders.map((folder) => expandGlob(resolve(folder, name))).find((files) => files.length > 0);
    if (!found) reader.warnings.push(`${source.file}:${line}: include ${shown(name)} matches no file`);
    for (const file of found ?? []) readInto(reader, file, into, `${source.file}:${line}: include`, depth + 1);
    return;
  }
  const candidates = folders.map((folder) => resolve(folder, name));
  const file = candidates.find((path) => existsSync(path)) ?? candidates[0];
  readInto(reader, file, into, `${source.file}:${line}: include`, depth + 1);
}
