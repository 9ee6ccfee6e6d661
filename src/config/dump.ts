import type { ConfNode } from './tree.js';

/**
 * The merged tree in Suricata's `--dump-config` lines: `a.b.c = value`, `(null)` for a node that has only
 * children, list entries by index.
 */
export function dumpConfig(tree: ConfNode): string {
  const lines: string[] = [];
  walk(tree, '', lines);
  return lines.join('\n');
}

function walk(node: ConfNode, prefix: string, lines: string[]): void {
  for (const [name, child] of node.children) {
    lines.push(`${prefix}${name} = ${child.value ?? '(null)'}`);
    walk(child, `${prefix}${name}.`, lines);
  }
}
