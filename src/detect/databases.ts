/**
 * Vectorscan databases, from literals to a thread's handle:
 *
 *   LiteralSets ── add ──► numbered sets, equal ones once          made where rules are prepared
 *        │ compileSets: native threads, the cache of files
 *        ▼
 *   DatabaseBytes ── Databases.open ──► handle                     in each detecting thread; the process deserializes once
 */
import { createHash } from 'node:crypto';
import type { Native } from '../native.js';
import { type Literal, literalKey } from './literal.js';

/** Literals of one database: their bytes one after the other; ids count from 0. */
export interface LiteralSet {
  bytes: Uint8Array;
  lengths: Uint32Array;
  /** 1: ASCII letters of either case. */
  nocase: Uint8Array;
  /** SHA-256 of the above, hex: what a compiled database is known by. */
  key: string;
}

/** The sets of literals a rule set needs databases for. Groups with the same literals share one. */
export class LiteralSets {
  readonly sets: LiteralSet[] = [];
  private readonly numbers = new Map<string, number>();

  /** Number of the set. */
  add(literals: Literal[]): number {
    const text = literals.map(literalKey).join('');
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.sets.length;
      this.numbers.set(text, number);
      this.sets.push(literalSet(literals));
    }
    return number;
  }
}

function literalSet(literals: Literal[]): LiteralSet {
  const bytes = new Uint8Array(Buffer.concat(literals.map((l) => l.bytes)));
  const lengths = Uint32Array.from(literals, (l) => l.bytes.length);
  const nocase = Uint8Array.from(literals, (l) => (l.nocase ? 1 : 0));
  const key = createHash('sha256').update(lengths).update(nocase).update(bytes).digest('hex');
  return { bytes, lengths, nocase, key };
}

/** A compiled database as it travels and is stored. */
export interface DatabaseBytes {
  /** LiteralSet.key */
  key: string;
  bytes: Uint8Array;
}

/** Where compiled databases are kept between runs; see src/supervisor/rule-cache.ts. */
export interface DatabaseStore {
  read(key: string): Uint8Array | undefined;
  write(key: string, bytes: Uint8Array): void;
}

/** Compiles what the store does not have, on `threads` threads while the caller waits. Throws when Vectorscan refuses a set. */
export function compileSets(native: Native, sets: LiteralSet[], threads: number, store?: DatabaseStore): DatabaseBytes[] {
  const found = sets.map((set) => store?.read(set.key));
  const missing = sets.filter((_, i) => found[i] === undefined);
  const built = missing.length > 0 ? native.matchBuild(missing, threads) : [];
  for (let i = 0; i < missing.length; i++) {
    const bytes = built[i];
    if (typeof bytes === 'string') throw new Error(`Vectorscan: ${bytes}`);
    store?.write(missing[i].key, bytes);
  }
  let next = 0;
  return sets.map((set, i) => ({ key: set.key, bytes: found[i] ?? (built[next++] as Uint8Array) }));
}

const NONE = new Uint8Array(0);

/** The databases of one thread, by number of their set. */
export class Databases {
  private readonly handles: number[] = [];

  /** `bytes`: databases that the process may not have yet; what is in neither is compiled here. */
  constructor(
    private readonly native: Native,
    private readonly sets: readonly LiteralSet[],
    private readonly bytes: ReadonlyMap<string, Uint8Array> = new Map(),
  ) {}

  open(set: number): number {
    this.handles[set] ??= this.handleOf(this.sets[set]);
    return this.handles[set];
  }

  private handleOf(set: LiteralSet): number {
    const { native } = this;
    const ids = set.lengths.length;
    try {
      return native.matchOpen(set.key, this.bytes.get(set.key) ?? NONE, ids);
    } catch {
      const patterns: Uint8Array[] = [];
      for (let i = 0, at = 0; i < ids; at += set.lengths[i++]) patterns.push(new Uint8Array(set.bytes.subarray(at, at + set.lengths[i])));
      return native.matchCompile(
        patterns,
        new Uint8Array(set.nocase),
        Uint32Array.from(patterns, (_, i) => i),
      );
    }
  }

  free(): void {
    for (const handle of this.handles) if (handle !== undefined) this.native.matchFree(handle);
    this.handles.length = 0;
  }
}
