import type { Packet } from '../decode/packet.js';

/** No window scale option: the window is taken as it is (RFC 7323). */
export const NO_SCALE = 0xff;
const MAX_SCALE = 14;

/** Shift of the window scale option of a SYN or SYN+ACK, 0 to 14, or NO_SCALE. Source: RFC 7323, section 2. */
export function windowScale(p: Packet): number {
  const mem = p.mem;
  let at = p.transportOff + 20;
  let end = p.transportOff + p.tcpHeaderLen;
  if (end > mem.length) end = mem.length;
  while (at < end) {
    const kind = mem[at];
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    if (at + 2 > end) break;
    const length = mem[at + 1];
    if (length < 2 || at + length > end) break;
    if (kind === 3 && length === 3) return Math.min(mem[at + 2], MAX_SCALE);
    at += length;
  }
  return NO_SCALE;
}
