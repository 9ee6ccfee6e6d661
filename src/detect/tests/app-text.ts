import type { BufferId, Buffers } from '../../app-layer/buffers.js';

/** Whether a buffer of the transaction holds these bytes somewhere; false when there is no such buffer. */
export function holds(buffers: Buffers, id: BufferId, text: Uint8Array): boolean {
  const mem = buffers.mem[id];
  const last = buffers.off[id] + buffers.len[id] - text.length;
  for (let at = buffers.off[id]; at <= last; at++) if (agree(mem, at, text)) return true;
  return false;
}

/** Whether a buffer is these bytes. */
export function equals(buffers: Buffers, id: BufferId, text: Uint8Array): boolean {
  return buffers.len[id] === text.length && agree(buffers.mem[id], buffers.off[id], text);
}

function agree(mem: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (mem[at + i] !== text[i]) return false;
  return true;
}
