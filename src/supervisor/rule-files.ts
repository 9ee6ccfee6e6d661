import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { expandPattern } from '../rules/loader.js';

export interface FileBytes {
  file: string;
  bytes: Uint8Array;
}

/** The rule files as they are now; one that cannot be read is empty here (the loader says why). */
export function readRuleBytes(patterns: readonly string[]): FileBytes[] {
  const all: FileBytes[] = [];
  for (const pattern of patterns) {
    const expanded = expandPattern(pattern);
    if (typeof expanded === 'string') continue;
    for (const file of expanded) {
      try {
        all.push({ file, bytes: fs.readFileSync(file) });
      } catch {
        all.push({ file, bytes: new Uint8Array(0) });
      }
    }
  }
  return all;
}

/** SHA-256 of names and contents, hex. */
export function contentsDigest(files: readonly FileBytes[]): string {
  const hash = createHash('sha256').update(JSON.stringify(files.map(({ file, bytes }) => [file, bytes.length])));
  for (const { bytes } of files) hash.update(bytes);
  return hash.digest('hex');
}
