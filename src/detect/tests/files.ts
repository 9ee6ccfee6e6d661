/** Tests on files: of all that travel in one direction of a transaction one must pass all of a rule's. */
import type { Files, Storing } from '../../app-layer/files/files.js';
import { FileState } from '../../app-layer/files/files.js';
import { HASH_BYTES } from '../../app-layer/files/hashes.js';
import { FileWord } from '../../app-layer/files/layout.js';
import type { Packet } from '../../decode/packet.js';
import type { AppOption } from '../../rules/app-option.js';
import { fileOptions, fileSizeTest, fileStoring, fileText, hashOf } from '../../rules/file-values.js';
import { numberPasses } from '../../rules/numbers.js';
import type { NumberTest } from '../../rules/packet-option.js';
import type { Rule } from '../../rules/rule.js';
import type { Inspection } from '../search.js';

type FileTest = (files: Files, file: number) => boolean;

/** The rule's tests on files as one. */
export function fileTests(rule: Rule): (p: Packet, x: Inspection) => boolean {
  const tests = testsOf(rule);
  // What stores more than a file needs none.
  const storing = storingOf(rule);
  if (storing !== null && storing.scope !== 'file' && tests.length === 0) return () => true;
  return (p, { files, tx }) => {
    if (files === null) return false;
    for (let file = files.first(tx); file >= 0; file = files.behind(file)) {
      if (files.directionOf(file) !== p.direction) continue;
      let i = 0;
      while (i < tests.length && tests[i](files, file)) i++;
      if (i === tests.length) return true;
    }
    return false;
  };
}

/** In the order of the options; `filestore` is none. */
function testsOf(rule: Rule): FileTest[] {
  let lists = 0;
  return fileOptions(rule)
    .filter(({ keyword }) => keyword !== 'filestore')
    .map((option) => (hashOf(option.keyword) >= 0 ? digestTest(option, rule.fileDigests?.[lists++] ?? NONE) : fileTest(option)));
}

/** What a rule with `filestore` stores; null: it has none. */
export function storingOf(rule: Rule): Storing | null {
  const option = rule.header.find((o): o is AppOption => o.kind === 'app' && o.keyword === 'filestore');
  if (option === undefined) return null;
  const found = fileStoring(option);
  if (found === undefined) return null;
  const tests = testsOf(rule);
  return {
    ...found,
    sid: rule.sid,
    matches: (files, file) => {
      let i = 0;
      while (i < tests.length && tests[i](files, file)) i++;
      return i === tests.length;
    },
  };
}

const NONE = new Uint8Array(0);

function fileTest(option: AppOption): FileTest {
  const text = lowered(fileText(option));
  const { negated } = option;
  switch (option.keyword) {
    case 'filename':
      return named((bytes, at, len) => contains(bytes, at, len, text, lowerOf) !== negated);
    case 'fileext':
      return named((bytes, at, len) => ends(bytes, at, len, text) !== negated);
    case 'filemagic': {
      const exact = fileText(option);
      return ({ words, heap }, file) => {
        const len = words[file * FileWord.Words + FileWord.MagicLen];
        return len > 0 && contains(heap.bytes, words[file * FileWord.Words + FileWord.Magic], len, exact, same) !== negated;
      };
    }
    case 'filesize': {
      const test = fileSizeTest(option)!;
      const grows = test.op === '>' || test.op === '>=';
      // Of what has not ended, or not wholly been seen, only that it is larger is known.
      return (files, file) => (grows || files.stateOf(file) === FileState.Closed) && numberPasses(test as NumberTest, files.size[file]);
    }
    default:
      return () => true;
  }
}

function named(test: (bytes: Uint8Array, at: number, len: number) => boolean): FileTest {
  return ({ words, heap }, file) => {
    const len = words[file * FileWord.Words + FileWord.NameLen];
    return len > 0 && test(heap.bytes, words[file * FileWord.Words + FileWord.Name], len);
  };
}

/** Only of whole files there is a digest to speak of. `list`: sorted, one after the other. */
function digestTest(option: AppOption, list: Uint8Array): FileTest {
  const hash = hashOf(option.keyword);
  const size = HASH_BYTES[hash];
  return (files, file) => {
    if (!files.hashes.has(file, hash) || files.stateOf(file) !== FileState.Closed) return false;
    return isListed(list, size, files.hashes.digests, files.hashes.at(file, hash)) !== option.negated;
  };
}

function isListed(list: Uint8Array, size: number, bytes: Uint8Array, at: number): boolean {
  let low = 0;
  let high = list.length / size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let order = 0;
    for (let i = 0; i < size && order === 0; i++) order = list[middle * size + i] - bytes[at + i];
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

function lowerOf(c: number): number {
  return c >= 65 && c <= 90 ? c | 32 : c;
}

function same(c: number): number {
  return c;
}

function lowered(bytes: Uint8Array): Uint8Array {
  return bytes.map(lowerOf);
}

function contains(bytes: Uint8Array, at: number, len: number, text: Uint8Array, by: (c: number) => number): boolean {
  const last = at + len - text.length;
  for (let p = at; p <= last; p++) {
    let i = 0;
    while (i < text.length && by(bytes[p + i]) === text[i]) i++;
    if (i === text.length) return true;
  }
  return false;
}

/** `.ext` at the end, in either case. */
function ends(bytes: Uint8Array, at: number, len: number, ext: Uint8Array): boolean {
  const from = at + len - ext.length;
  if (from <= at || bytes[from - 1] !== 46) return false;
  return contains(bytes, from, ext.length, ext, lowerOf);
}
