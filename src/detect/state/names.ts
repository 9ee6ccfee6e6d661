/**
 * Names of flowbits, flowints, xbits and hostbits as numbers. A name keeps its number for the life of the thread: what a flow
 * remembers is still there, under the same name, when the rules are loaded anew.
 */
import { createHash } from 'node:crypto';

const numbers = new Map<string, number>();

/** What is remembered of a flow under a name. Each kind is a set of names of its own. */
export type FlowNameKind = 'flowbits' | 'flowint' | 'entropy';

export interface FlowName {
  kind: FlowNameKind;
  /** In UTF-8, cut at 255 bytes. */
  bytes: Uint8Array;
}
const names: FlowName[] = [];
const MOST_NAME = 255;
/** More names than any rule set has: a bound on what reloads can pile up. */
const MAX_NAMES = 1 << 20;

/** What a key given by flowKey stands for. */
export function flowName(key: number): FlowName | undefined {
  return names[key - 1];
}

/** The key of a flowbit, a flowint, or the entropy of a buffer. Throws when there are too many. */
export function flowKey(kind: FlowNameKind, name: string): number {
  const full = `${kind}:${name}`;
  let key = numbers.get(full);
  if (key === undefined) {
    if (numbers.size >= MAX_NAMES) throw new Error(`more than ${MAX_NAMES} names of flowbits and flowints were loaded`);
    key = numbers.size + 1;
    numbers.set(full, key);
    names.push({ kind, bytes: Buffer.from(name).subarray(0, MOST_NAME) });
  }
  return key;
}

/** Three words that stand for the name of an xbit or hostbit: the same in every thread. */
export function bitKey(name: string): Int32Array {
  const hash = createHash('sha256').update(name, 'latin1').digest();
  return Int32Array.of(hash.readInt32LE(0), hash.readInt32LE(4), hash.readInt32LE(8));
}
