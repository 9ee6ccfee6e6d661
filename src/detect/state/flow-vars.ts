/**
 * flowbits, flowints and measured entropies: what rules leave on a flow. Few flows have any, and those have few, so each is a list of nodes from one pool:
 *
 *   head[slot] ─► node  next[n]  key[n]  value[n] ─► ...      0: end
 *
 * A node exists while its bit is set or its integer has a value. When the pool is empty, or a flow has MAX_PER_FLOW nodes,
 * nothing more is set and that is counted: tests then find it unset.
 */
import { Counter } from '../../metrics/counters.js';

/** Bounds the time of one look-up. */
const MAX_PER_FLOW = 256;
/** Nodes per flow slot, and at most. */
const NODES_PER_FLOW = 4;
const MAX_NODES = 1 << 21;

export class FlowVars {
  private readonly head: Int32Array;
  private readonly next: Int32Array;
  private readonly key: Int32Array;
  private readonly value: Int32Array;
  /** By node, where the value is no whole number. */
  private readonly numbers: Float64Array;
  private free = 0;
  /** Nodes from here on were never used. */
  private fresh = 1;

  /** `flows`: slots of the flow table. Zero pages cost nothing until they are used. */
  constructor(
    flows: number,
    private readonly counters: Float64Array,
  ) {
    const nodes = Math.min(flows * NODES_PER_FLOW, MAX_NODES) + 1;
    this.head = new Int32Array(flows);
    this.next = new Int32Array(nodes);
    this.key = new Int32Array(nodes);
    this.value = new Int32Array(nodes);
    this.numbers = new Float64Array(nodes);
  }

  setNumber(slot: number, key: number, value: number): void {
    this.set(slot, key, 0);
    const n = this.node(slot, key);
    if (n > 0) this.numbers[n] = value;
  }

  /** The flow's nodes, the youngest first: 0 ends. */
  first(slot: number): number {
    return slot >= 0 && slot < this.head.length ? this.head[slot] : 0;
  }
  behind(node: number): number {
    return this.next[node];
  }
  keyOf(node: number): number {
    return this.key[node];
  }
  valueOf(node: number): number {
    return this.value[node] >>> 0;
  }
  numberOf(node: number): number {
    return this.numbers[node];
  }

  /** 1: the flow has some. */
  any(slot: number): number {
    return slot >= 0 && slot < this.head.length && this.head[slot] !== 0 ? 1 : 0;
  }

  /** 1: the flow has it. A packet without a flow (slot -1) has nothing. */
  has(slot: number, key: number): number {
    return this.node(slot, key) > 0 ? 1 : 0;
  }

  /** The value, an unsigned 32-bit number; 0 when there is none. */
  get(slot: number, key: number): number {
    const n = this.node(slot, key);
    return n > 0 ? this.value[n] >>> 0 : 0;
  }

  set(slot: number, key: number, value: number): void {
    let n = this.node(slot, key);
    if (n <= 0) {
      n = this.take(slot);
      if (n === 0) return;
      this.key[n] = key;
    }
    this.value[n] = value | 0;
  }

  remove(slot: number, key: number): void {
    if (slot < 0 || slot >= this.head.length) return;
    let before = 0;
    for (let n = this.head[slot]; n !== 0; n = this.next[n]) {
      if (this.key[n] === key) {
        if (before === 0) this.head[slot] = this.next[n];
        else this.next[before] = this.next[n];
        this.next[n] = this.free;
        this.free = n;
        return;
      }
      before = n;
    }
  }

  /** The flow of the slot is over. */
  clear(slot: number): void {
    if (slot >= this.head.length) return;
    const first = this.head[slot];
    if (first === 0) return;
    let last = first;
    while (this.next[last] !== 0) last = this.next[last];
    this.next[last] = this.free;
    this.free = first;
    this.head[slot] = 0;
  }

  private node(slot: number, key: number): number {
    if (slot < 0 || slot >= this.head.length) return 0;
    let n = this.head[slot];
    while (n !== 0 && this.key[n] !== key) n = this.next[n];
    return n;
  }

  /** A node at the front of the flow's list, 0 if there is none to be had. */
  private take(slot: number): number {
    if (slot < 0) return 0;
    let n = 0;
    let length = 0;
    if (slot < this.head.length) {
      for (let i = this.head[slot]; i !== 0; i = this.next[i]) length++;
      if (length < MAX_PER_FLOW) {
        n = this.free;
        if (n !== 0) this.free = this.next[n];
        else if (this.fresh < this.next.length) n = this.fresh++;
      }
    }
    if (n === 0) {
      this.counters[Counter.FlowVarsFull]++;
      return 0;
    }
    this.next[n] = this.head[slot];
    this.head[slot] = n;
    return n;
  }
}
