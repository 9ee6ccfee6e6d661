/**
 * The configuration as a tree of named nodes, as Suricata keeps it. Every scalar is text: what
 * `yes`, `64kb` or `010` means is for the reader of that key to say (values.ts).
 *
 *   outputs:                 node 'outputs'  sequence
 *     - fast:                  '0'           value 'fast' (the first key, as --dump-config shows it)
 *         enabled: yes           'fast'
 *                                  'enabled' value 'yes'
 */
export class ConfNode {
  readonly children = new Map<string, ConfNode>();
  /** Text of a scalar, '' for an empty one; null for a mapping or sequence. */
  value: string | null = null;
  isSequence = false;

  constructor(
    readonly name: string,
    /** Where the node was last written: file and line (0 = unknown). */
    public file: string,
    public line: number,
  ) {}

  child(name: string): ConfNode | undefined {
    return this.children.get(name);
  }

  /** Child `name`, made when missing. */
  ensure(name: string, file: string, line: number): ConfNode {
    let node = this.children.get(name);
    if (node === undefined) {
      node = new ConfNode(name, file, line);
      this.children.set(name, node);
      if (this.value === '') this.value = null;
    }
    return node;
  }

  /** Empties the node: a key written a second time replaces, it does not merge. */
  clear(file: string, line: number): void {
    this.children.clear();
    this.value = null;
    this.isSequence = false;
    this.file = file;
    this.line = line;
  }

  /** Node at `path`, or the deepest ancestor of it that exists. */
  nearest(path: readonly (string | number)[]): ConfNode {
    let node: ConfNode = this;
    for (const key of path) {
      const next = node.children.get(String(key));
      if (next === undefined) break;
      node = next;
    }
    return node;
  }
}

export type Plain = string | Plain[] | { [key: string]: Plain };

/** Plain data for the validators: text, arrays, objects without prototype. */
export function toPlain(node: ConfNode): Plain {
  if (node.isSequence) return [...node.children.values()].map(toPlain);
  if (node.children.size === 0) return node.value ?? '';
  const object = Object.create(null) as { [key: string]: Plain };
  for (const [name, child] of node.children) object[name] = toPlain(child);
  return object;
}

/** Text without line ends and other control characters: an error is one line whatever the file holds. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

/** A value as an error line shows it: quoted, one line, at most 60 characters. */
export function shown(value: unknown): string {
  const line = oneLine(typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value)));
  return `'${line.length > 60 ? `${line.slice(0, 57)}...` : line}'`;
}

/** `file:line`, or the file alone. */
export function at(node: ConfNode): string {
  return node.line > 0 ? `${node.file}:${node.line}` : node.file;
}
