import { readFileSync } from 'node:fs';
import type { CapturePlan } from '../capture/plan.js';
import { SluiceError } from '../errors.js';

/** capabilities(7) */
const CAP_NET_RAW = 13;

/** Refuses before any process is started: the first to fail would not be the one to tell the reason. */
export function requirePacketSockets(plan: CapturePlan): void {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'));
  if (effective === null || (BigInt(`0x${effective[1]}`) >> BigInt(CAP_NET_RAW)) & 1n) return;
  throw new SluiceError(
    'SLUICE_CAPABILITY',
    `opening packet sockets on ${plan.sources.map((source) => source.interface).join(' and ')}: CAP_NET_RAW is missing; run as root or with CAP_NET_RAW and CAP_NET_ADMIN`,
  );
}
