/**
 * The rules that match one packet: those on packets first, then those on what it brings to transactions, in the order they were found;
 * `sort` puts them into the order of evaluation (rank), which decides which are logged when there is room for few, and where a pass
 * rule ends them all.
 *
 *   push ... push ─► sort ─► read rows 0 .. count - 1 ─► clear
 */
export class AlertQueue {
  count = 0;
  /** By row: index of the rule, its rank, NewAction, 1: no alert. */
  readonly rule = new Int32Array(QUEUE_ROOM);
  readonly rank = new Int32Array(QUEUE_ROOM);
  readonly changed = new Uint8Array(QUEUE_ROOM);
  readonly silent = new Uint8Array(QUEUE_ROOM);
  /** The transaction, -1: the packet itself; the direction of what matched. */
  readonly tx = new Int32Array(QUEUE_ROOM);
  readonly direction = new Uint8Array(QUEUE_ROOM);

  /** The caller sees to it that there is room: count < QUEUE_ROOM. */
  push(rule: number, rank: number, changed: number, silent: number, tx: number, direction: number): void {
    this.set(this.count++, rule, rank, changed, silent, tx, direction);
  }

  /** By rank; what has the same stays in the order it came in. Insertion: few rows, mostly sorted. */
  sort(): void {
    const { rank } = this;
    for (let i = 1; i < this.count; i++) {
      const key = rank[i];
      if (rank[i - 1] <= key) continue;
      const rule = this.rule[i];
      const changed = this.changed[i];
      const silent = this.silent[i];
      const tx = this.tx[i];
      const direction = this.direction[i];
      let to = i;
      for (; to > 0 && rank[to - 1] > key; to--) {
        const from = to - 1;
        this.set(to, this.rule[from], rank[from], this.changed[from], this.silent[from], this.tx[from], this.direction[from]);
      }
      this.set(to, rule, key, changed, silent, tx, direction);
    }
  }

  clear(): void {
    this.count = 0;
  }

  private set(row: number, rule: number, rank: number, changed: number, silent: number, tx: number, direction: number): void {
    this.rule[row] = rule;
    this.rank[row] = rank;
    this.changed[row] = changed;
    this.silent[row] = silent;
    this.tx[row] = tx;
    this.direction[row] = direction;
  }
}

/** Matches kept at once; a packet with more has them carried out in several goes. */
export const QUEUE_ROOM = 256;
