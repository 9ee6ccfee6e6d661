import { readdirSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';

/** Does the path need expanding? */
export function isGlob(path: string): boolean {
  return /[*?[]/.test(path);
}

/** One path segment as glob(3) reads it: `*`, `?`, `[a-z]`, `[!a-z]`; a leading dot must be written. */
function segmentPattern(segment: string): RegExp {
  let out = segment.startsWith('.') ? '' : '(?!\\.)';
  for (let i = 0; i < segment.length; i++) {
    const c = segment[i];
    if (c === '*') out += '[^]*';
    else if (c === '?') out += '[^]';
    else if (c === '[') {
      const negated = segment[i + 1] === '!' || segment[i + 1] === '^';
      const start = i + (negated ? 2 : 1);
      const end = segment.indexOf(']', start + 1);
      if (end < 0) out += '\\[';
      else {
        const set = segment.slice(start, end).replace(/[\\\]^[]/g, '\\$&');
        out += `[${negated ? '^' : ''}${set}]`;
        i = end;
      }
    } else out += c.replace(/[\\^$.|+(){}]/g, '\\$&');
  }
  try {
    return new RegExp(`^${out}$`);
  } catch {
    // An impossible range such as [z-a]: glob(3) matches nothing.
    return /^(?!)/;
  }
}

/** Files a pattern names, sorted; the path itself when it is no pattern. No match: an empty list. */
export function expandGlob(pattern: string): string[] {
  if (!isGlob(pattern)) return [pattern];
  const absolute = resolve(pattern);
  const root = parse(absolute).root;
  let found = [root];
  const segments = absolute.slice(root.length).split('/').filter(Boolean);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (!isGlob(segment)) {
      found = found.map((folder) => join(folder, segment));
      continue;
    }
    const matches = segmentPattern(segment);
    const next: string[] = [];
    for (const folder of found) {
      try {
        for (const entry of readdirSync(folder, { withFileTypes: true })) {
          if (!matches.test(entry.name)) continue;
          if (last ? !entry.isDirectory() : entry.isDirectory() || entry.isSymbolicLink()) next.push(join(folder, entry.name));
        }
      } catch {
        // Not a folder, or not readable: it matches nothing.
      }
    }
    found = next;
  }
  return found.sort();
}
