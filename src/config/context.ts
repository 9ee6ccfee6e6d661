import type { z } from 'zod/v3';
import { SluiceError } from '../errors.js';
import { at, type ConfNode, oneLine, shown, toPlain } from './tree.js';
import { allowed, knownKeys, offending } from './values.js';

/** What reading one configuration needs everywhere: the tree, and where warnings go. */
export class Context {
  constructor(
    readonly tree: ConfNode,
    readonly warnings: string[],
  ) {}

  /** Node at `path`, if it is there. */
  find(path: readonly string[]): ConfNode | undefined {
    let node: ConfNode | undefined = this.tree;
    for (const key of path) node = node?.child(key);
    return node;
  }

  /** Reads the section at `path`: defaults filled in, the first bad value thrown, unknown keys warned about. */
  read<T extends z.ZodTypeAny>(path: readonly string[], schema: T): z.output<T> {
    const node = this.find(path);
    const result = schema.safeParse(node === undefined ? undefined : toPlain(node));
    if (!result.success) this.refuse(path, result.error.issues);
    if (node !== undefined) this.warnUnknown(node, path, schema);
    return result.data;
  }

  private refuse(path: readonly string[], issues: z.ZodIssue[]): never {
    const issue = issues[0];
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more in this section)` : '';
    const node = this.tree.nearest([...path, ...issue.path]);
    const value = node.isSequence ? 'a list' : node.children.size > 0 ? 'a section' : offending(issue, node.value ?? '');
    this.bad(node, [...path, ...issue.path.map(String)], `is ${value}`, `${allowed(issue)}${more}`);
  }

  private warnUnknown(node: ConfNode, path: readonly string[], schema: z.ZodTypeAny): void {
    const known = knownKeys(schema);
    if (known === undefined) return;
    for (const [name, child] of node.children) {
      if (Object.hasOwn(known.shape, name)) this.warnUnknown(child, [...path, name], known.shape[name]);
      else if (!known.unused.includes(name)) this.warnings.push(`${at(child)}: unknown key ${shown([...path, name].join('.'))} is ignored`);
    }
  }

  /** A value refused by hand: same form as the validators'. */
  bad(node: ConfNode, path: readonly string[], what: string, mend: string): never {
    throw new SluiceError('SLUICE_CONFIG', oneLine(`${at(node)}: ${path.join('.')} ${what}; allowed: ${mend}`));
  }
}
