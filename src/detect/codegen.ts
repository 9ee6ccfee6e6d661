/**
 * What generated code is made of. A rule's text never becomes code: numbers pass `num`, everything else
 * (patterns, tables, handles) is a constant in an array that the code names by position.
 */

/** A number as source text; refuses anything that is not a plain integer. */
export function num(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError(`not an integer: ${String(value)}`);
  return value < 0 ? `(${value})` : String(value);
}

/** Lines of source and the constants they name: `k0`, `k1`, ... */
export class Code {
  private readonly lines: string[] = [];
  private readonly constants: unknown[] = [];
  private readonly names = new Map<unknown, string>();
  private depth = 1;

  /** The name of a constant; the same object has one name. */
  constant(value: unknown): string {
    let name = this.names.get(value);
    if (name === undefined) {
      name = `k${this.constants.length}`;
      this.names.set(value, name);
      this.constants.push(value);
    }
    return name;
  }

  line(text: string): void {
    this.lines.push('  '.repeat(this.depth) + text);
  }

  open(text: string): void {
    this.line(text);
    this.depth++;
  }

  close(): void {
    this.depth--;
    this.line('}');
  }

  source(): string {
    return this.lines.join('\n');
  }

  /** A function of the named parameters whose body is the lines. `label` names it in profiles; a number only. */
  build(parameters: string[], label: number): unknown {
    const names = this.constants.map((_, i) => `k${i} = K[${i}]`);
    const head = names.length > 0 ? `const ${names.join(', ')};` : '';
    const source = `'use strict';\n${head}\nreturn function rule_${num(label).replace(/\D/g, '')}(${parameters.join(', ')}) {\n${this.source()}\n};`;
    return new Function('K', source)(this.constants);
  }
}
