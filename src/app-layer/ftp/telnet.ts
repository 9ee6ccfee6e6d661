const IAC = 0xff;
const SB = 250;
const WILL = 251;
const DONT = 254;

/**
 * Copies mem[from, end) to out[at...] without Telnet commands (RFC 854; FTP's control connection is a Telnet one, RFC 959,
 * section 3.2.2) and returns the length. IAC IAC is one byte 255. A subnegotiation's option goes with its SB.
 */
export function withoutTelnet(mem: Uint8Array, from: number, end: number, out: Uint8Array, at: number): number {
  let to = at;
  for (let i = from; i < end; i++) {
    const byte = mem[i];
    if (byte !== IAC) {
      out[to++] = byte;
      continue;
    }
    i++;
    if (i >= end) break;
    const command = mem[i];
    if (command === IAC) out[to++] = IAC;
    else if (command === SB || (command >= WILL && command <= DONT)) i++;
  }
  return to - at;
}
