/** Looking for a content, as source text in the names of buffer.ts. */
import type { ContentOption } from '../rules/byte-option.js';
import type { Window } from './chains.js';
import { type Code, num } from './codegen.js';
import { equals, equalsNocase, find, findNocase, shiftTable } from './search.js';

/** The first place of a content in a window, -1 for none. */
export function search(code: Code, t: ContentOption, from: string, to: string): string {
  const shift = shiftTable(t.pattern, t.nocase);
  return `${code.constant(t.nocase ? findNocase : find)}(x, mem, ${from}, ${to}, ${code.constant(t.pattern)}, ${code.constant(shift)})`;
}

/** Condition: the pattern stands at `at`, which lies in the window. */
export function stands(code: Code, t: ContentOption, at: string, w: Window): string {
  const conditions = [`${at} >= ${w.from}`, `${at} <= ${w.to}`];
  const bytes = t.pattern;
  if (bytes.length <= 8) {
    for (let i = 0; i < bytes.length; i++) {
      const b = bytes[i];
      const read = `mem[${at} + ${num(i)}]`;
      conditions.push(t.nocase && b >= 97 && b <= 122 ? `(${read} | 32) === ${num(b)}` : `${read} === ${num(b)}`);
    }
  } else conditions.push(`${code.constant(t.nocase ? equalsNocase : equals)}(mem, ${at}, ${code.constant(bytes)})`);
  return conditions.join(' && ');
}
