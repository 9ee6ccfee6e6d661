import { createHash, type Hash as Hasher } from 'node:crypto';

export const enum Hash {
  Md5 = 0,
  Sha1,
  Sha256,
  Count,
}
/** By Hash: names as in suricata.yaml (and of node:crypto), and bytes. */
export const HASH_NAMES: readonly string[] = ['md5', 'sha1', 'sha256'];
export const HASH_BYTES: readonly number[] = [16, 20, 32];

/** A line: the three digests, one after the other. */
const LINE = 68;
const OFFSETS = [0, 16, 36];

/** Digests of files, for those that are asked for. Each costs an object per file, and time: nothing is hashed unasked. */
export class FileHashes {
  /** By file a line of LINE bytes. */
  readonly digests: Uint8Array;
  /** Bits of those asked for: 1 << Hash. */
  wanted = 0;
  private readonly done: Uint8Array;
  private readonly hashers: (Hasher | null)[][] = [[], [], []];

  constructor(capacity: number) {
    this.digests = new Uint8Array(capacity * LINE);
    this.done = new Uint8Array(capacity);
  }

  begin(file: number): void {
    this.done[file] = 0;
    for (let hash = 0; hash < Hash.Count; hash++)
      if ((this.wanted & (1 << hash)) !== 0) this.hashers[hash][file] = createHash(HASH_NAMES[hash]);
  }

  update(file: number, mem: Uint8Array, off: number, len: number): void {
    if (this.wanted === 0) return;
    const bytes = mem.subarray(off, off + len);
    for (let hash = 0; hash < Hash.Count; hash++) this.hashers[hash][file]?.update(bytes);
  }

  end(file: number): void {
    for (let hash = 0; hash < Hash.Count; hash++) {
      const hasher = this.hashers[hash][file];
      if (hasher === null || hasher === undefined) continue;
      this.digests.set(hasher.digest(), this.at(file, hash));
      this.done[file] |= 1 << hash;
      this.hashers[hash][file] = null;
    }
  }

  /** The file is gone. */
  drop(file: number): void {
    for (let hash = 0; hash < Hash.Count; hash++) if (this.hashers[hash].length > file) this.hashers[hash][file] = null;
  }

  /** The file was hashed to its end. */
  has(file: number, hash: Hash): boolean {
    return (this.done[file] & (1 << hash)) !== 0;
  }

  /** Where the digest stands in `digests`. */
  at(file: number, hash: Hash): number {
    return file * LINE + OFFSETS[hash];
  }
}
