import { type Dirent, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../errors.js';

export interface ExpandOptions {
  /** Walk into folders (`--pcap-file-recursive`), up to Suricata's depth of 255. */
  recursive?: boolean;
  /** `name` (default) or `time`: oldest modification first, as Suricata's `-r <folder>` does. */
  order?: 'name' | 'time';
}

const MAX_DEPTH = 255;

/** The capture files `-r path` names: the file itself, or every file of a folder. Throws SLUICE_CAPTURE_FILE. */
export function expandCaptures(path: string, options: ExpandOptions = {}): string[] {
  if (!stat(path).isDirectory()) return [path];
  const files: string[] = [];
  walk(path, options.recursive ? MAX_DEPTH : 0, files);
  if (files.length === 0) {
    const mend = options.recursive ? 'name a folder with captures' : 'name one with captures, or add --pcap-file-recursive';
    throw new SluiceError('SLUICE_CAPTURE_FILE', `no capture file in the folder ${path}; ${mend}`);
  }
  if (options.order !== 'time') return files.sort(byName);
  const times = new Map(files.map((file) => [file, stat(file).mtimeMs]));
  return files.sort((a, b) => times.get(a)! - times.get(b)! || byName(a, b));
}

function walk(folder: string, depth: number, files: string[]): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw unreadable(folder, error);
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (depth > 0) walk(path, depth - 1, files);
    } else if (entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile())) {
      files.push(path);
    }
  }
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function stat(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): SluiceError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === 'ENOENT' ? 'there is no such file or folder' : message;
  return new SluiceError('SLUICE_CAPTURE_FILE', `cannot read ${path}: ${reason}; name a capture file or a folder of them`, {
    cause: error,
  });
}
