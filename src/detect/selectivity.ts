/**
 * Estimates by which it is chosen how a rule is found: by its literal, or by its ports. They change no verdict, only the work.
 */
import type { PortSet, Rule } from '../rules/rule.js';

/** A buffer of this many bytes stands for all. */
const BYTES = 300;
/** A literal in more buffers than this is not worth a place in the database when ports tell more. */
const WEAK = 0.01;
/** Ports much traffic goes to, each with its share of packets; any other has OTHER_PORT. */
const BUSY = new Map<number, number>([
  [80, 0.25],
  [443, 0.3],
  [53, 0.25],
  [8080, 0.05],
  [25, 0.05],
  [123, 0.03],
  [445, 0.05],
  [22, 0.05],
]);
const OTHER_PORT = 0.002;

/** How likely a byte is at any place of mixed traffic: zeros above all, then what text and small numbers are made of. */
export function byteShare(b: number, previous: number): number {
  if (b === previous && (b === 0 || b === 0x20 || b === 0xff)) return 0.5;
  if (b === 0) return 0.1;
  if (b >= 0x61 && b <= 0x7a) return 0.03;
  if (b < 0x10 || b === 0xff || (b >= 0x20 && b < 0x61)) return 0.01;
  return 0.004;
}

/** Estimated fraction of buffers that hold a literal. */
export function literalShare(bytes: Uint8Array): number {
  let share = BYTES;
  for (let i = 0; i < bytes.length; i++) share *= byteShare(bytes[i], i === 0 ? -1 : bytes[i - 1]);
  return Math.min(1, share);
}

/** Estimated fraction of packets whose port a list holds. */
function portsShare(set: PortSet): number {
  if (set.any) return 1;
  let share = 0;
  for (const [first, last] of set.ranges) {
    share += last - first < 4 ? (last - first + 1) * OTHER_PORT : (last - first + 1) / 65536 + OTHER_PORT;
    for (const [port, busy] of BUSY) if (port >= first && port <= last) share += busy;
  }
  return Math.min(1, share);
}

/** Whether a rule's ports find it more exactly than a literal that is short or common: then it stays out of the database. */
export function portsTellMore(rule: Rule, literal: Uint8Array): boolean {
  const share = literalShare(literal);
  return share > WEAK && portsShare(rule.dstPorts) * portsShare(rule.srcPorts) < share / 2;
}
