import { RuleError } from './rule-error.js';
import { isSpace, shorten, trim } from './text.js';

/**
 * The list grammar that addresses and ports share (user guide, "Rules Format"), and its set algebra.
 *
 *   list    = element { "," element }
 *   element = [ "!" ] ( "[" list "]" | "$" NAME | "any" | leaf )
 *
 * A list means: the union of what it names (everything, when it only negates) less the union of what
 * it negates. Sets are disjoint, sorted, inclusive spans on one line of integers.
 */
export type Span = [bigint, bigint];

export interface ListKind {
  /** For messages: `address` or `port`. */
  what: string;
  /** Where variables are defined, for messages. */
  section: string;
  /** Everything there is. */
  universe: readonly Span[];
  /** One plain element, `any` excluded. Throws RuleError. */
  leaf(text: string): Span;
}

/** Deepest nesting of brackets and variables: hostile text must not exhaust the stack. */
const MAX_DEPTH = 32;

/** Sorted, disjoint, not touching. */
export function normalise(spans: Span[]): Span[] {
  if (spans.length < 2) return spans;
  spans.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const out: Span[] = [[spans[0][0], spans[0][1]]];
  for (let i = 1; i < spans.length; i++) {
    const last = out[out.length - 1];
    const span = spans[i];
    if (span[0] <= last[1] + 1n) {
      if (span[1] > last[1]) last[1] = span[1];
    } else {
      out.push([span[0], span[1]]);
    }
  }
  return out;
}

/** What is in `from` and not in `less`; both normalised. */
export function subtract(from: readonly Span[], less: readonly Span[]): Span[] {
  const out: Span[] = [];
  let j = 0;
  for (const [first, last] of from) {
    let at = first;
    while (j < less.length && less[j][1] < at) j++;
    let k = j;
    while (k < less.length && less[k][0] <= last) {
      if (less[k][0] > at) out.push([at, less[k][0] - 1n]);
      at = less[k][1] + 1n;
      k++;
    }
    if (at <= last) out.push([at, last]);
  }
  return out;
}

export function same(a: readonly Span[], b: readonly Span[]): boolean {
  return a.length === b.length && a.every((span, i) => span[0] === b[i][0] && span[1] === b[i][1]);
}

/** Resolves list text to a set. An empty result is an error, as in Suricata. */
export function resolveList(kind: ListKind, text: string, groups: Readonly<Record<string, string>>, known: Map<string, Span[]>): Span[] {
  const set = new ListReader(kind, text, groups, known, []).all();
  if (set.length === 0) throw new RuleError('', `${kind.what} list ${shorten(text)} is empty: everything it names is also negated`);
  return set;
}

class ListReader {
  private at = 0;

  constructor(
    private readonly kind: ListKind,
    private readonly text: string,
    private readonly groups: Readonly<Record<string, string>>,
    /** Variables resolved before. */
    private readonly known: Map<string, Span[]>,
    /** Variables being resolved, outermost first. */
    private readonly open: readonly string[],
  ) {}

  all(): Span[] {
    const set = this.list(0);
    if (this.at < this.text.length) throw this.error(`has a ] without its [`);
    return set;
  }

  private list(depth: number): Span[] {
    if (depth + this.open.length > MAX_DEPTH) throw this.error(`nests deeper than ${MAX_DEPTH} levels`);
    const plus: Span[] = [];
    const minus: Span[] = [];
    let negations = 0;
    let names = 0;
    for (;;) {
      this.space();
      let negated = false;
      if (this.text[this.at] === '!') {
        negated = true;
        this.at++;
        this.space();
        if (this.text[this.at] === '!') throw this.error('negates twice in a row');
      }
      const spans = this.element(depth);
      if (negated) {
        negations++;
        for (const span of spans) minus.push(span);
      } else {
        names++;
        for (const span of spans) plus.push(span);
      }
      this.space();
      if (this.text[this.at] !== ',') break;
      this.at++;
    }
    const base = names > 0 ? normalise(plus) : this.kind.universe;
    return negations > 0 ? subtract(base, normalise(minus)) : [...base];
  }

  private element(depth: number): readonly Span[] {
    if (this.text[this.at] === '[') {
      this.at++;
      const set = this.list(depth + 1);
      if (this.text[this.at] !== ']') throw this.error('has a [ without its ]');
      this.at++;
      return set;
    }
    const from = this.at;
    while (this.at < this.text.length && !',[]!'.includes(this.text[this.at])) this.at++;
    const word = trim(this.text.slice(from, this.at));
    if (word === '') throw this.error('has an empty element');
    if (word[0] === '$') return this.variable(word.slice(1));
    if (word.toLowerCase() === 'any') return this.kind.universe;
    return [this.kind.leaf(word)];
  }

  private variable(name: string): readonly Span[] {
    const before = this.known.get(name);
    if (before !== undefined) return before;
    if (!Object.hasOwn(this.groups, name)) {
      throw new RuleError('', `variable $${shorten(name)} is not defined, define it under vars: ${this.kind.section}: in suricata.yaml`);
    }
    const open = [...this.open, name];
    if (this.open.includes(name)) throw new RuleError('', `variable $${name} refers to itself: ${open.map((x) => `$${x}`).join(' -> ')}`);
    const set = new ListReader(this.kind, String(this.groups[name]), this.groups, this.known, open).all();
    this.known.set(name, set);
    return set;
  }

  private space(): void {
    while (this.at < this.text.length && isSpace(this.text.charCodeAt(this.at))) this.at++;
  }

  private error(what: string): RuleError {
    const name = this.open.length > 0 ? `variable $${this.open[this.open.length - 1]}` : `${this.kind.what} list`;
    return new RuleError('', `${name} ${shorten(this.text)} ${what}`);
  }
}
