/** Ports of data connections, as commands and replies tell them. 0: none is told. Addresses are not read: see README.md. */

const COMMA = 0x2c;
const BAR = 0x7c;
const SP = 0x20;

/** `h1,h2,h3,h4,p1,p2` at the beginning of mem[at, end) (RFC 959, 4.1.2: PORT). */
export function portOfHostPort(mem: Uint8Array, at: number, end: number): number {
  let port = 0;
  for (let field = 0; field < 6; field++) {
    let value = 0;
    let digits = 0;
    for (; at < end && digits < 3; at++, digits++) {
      const digit = mem[at] - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (digits === 0 || value > 255) return 0;
    if (field < 5 && (at >= end || mem[at++] !== COMMA)) return 0;
    if (field > 3) port = (port << 8) | value;
  }
  return port;
}

/** The same anywhere in the text of a 227: not all servers have brackets round it (RFC 1123, 4.1.2.6). */
export function portOfPassive(mem: Uint8Array, at: number, end: number): number {
  for (; at < end; at++) {
    if (mem[at] < 0x30 || mem[at] > 0x39) continue;
    const port = portOfHostPort(mem, at, end);
    if (port !== 0) return port;
    while (at < end && mem[at] >= 0x30 && mem[at] <= 0x39) at++;
  }
  return 0;
}

/** `(|||port|)` in the text of a 229 (RFC 2428, 3); the delimiter may be any printable character. */
export function portOfExtendedPassive(mem: Uint8Array, at: number, end: number): number {
  while (at < end && mem[at] !== 0x28) at++;
  if (at + 6 > end) return 0;
  const delimiter = mem[at + 1];
  if (delimiter <= SP || delimiter > 0x7e || mem[at + 2] !== delimiter || mem[at + 3] !== delimiter) return 0;
  return decimal(mem, at + 4, end, delimiter);
}

/** `|1|132.235.1.2|6275|` (RFC 2428, 2: EPRT). */
export function portOfExtended(mem: Uint8Array, at: number, end: number): number {
  while (at < end && mem[at] === SP) at++;
  if (at >= end) return 0;
  const delimiter = mem[at] > SP && mem[at] <= 0x7e ? mem[at] : BAR;
  let seen = 0;
  for (; at < end && seen < 3; at++) if (mem[at] === delimiter) seen++;
  return seen < 3 ? 0 : decimal(mem, at, end, delimiter);
}

/** A number up to 65,535 with `delimiter` behind it. */
function decimal(mem: Uint8Array, at: number, end: number, delimiter: number): number {
  let value = 0;
  let digits = 0;
  for (; at < end && digits < 5; at++, digits++) {
    const digit = mem[at] - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return digits > 0 && at < end && mem[at] === delimiter && value <= 65535 ? value : 0;
}
