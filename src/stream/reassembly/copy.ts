import { native } from '../../native.js';

/** Shorter copies are faster without a call of the addon. */
const SHORT = 96;
const job = new Int32Array(5);

/** Copies `len` bytes between two memories. Regions are the addon's numbers for them; -1: it has none. */
export function copy(to: Uint8Array, toRegion: number, toOff: number, mem: Uint8Array, region: number, off: number, len: number): void {
  if (len <= SHORT || region < 0) {
    for (let i = 0; i < len; i++) to[toOff + i] = mem[off + i];
    return;
  }
  job[0] = region;
  job[1] = off;
  job[2] = toRegion;
  job[3] = toOff;
  job[4] = len;
  native.copyBatch(job, 1);
}
