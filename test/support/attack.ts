import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import type { Bridge } from './bridge.js';
import { waitFor } from './netns.js';
import type { Peer } from './peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from './peer-raw.js';

export const ATTACK_SID = 66;
export const ATTACK_RULE = `drop udp any any -> any 4444 (msg:"attack"; content:"attack"; sid:${ATTACK_SID};)`;

let port = 1024;

/** A datagram that ATTACK_RULE drops, in a flow of its own each time. */
export function attack(): Uint8Array {
  const [src, dst] = ['10.99.1.1', '10.99.1.2'];
  port = port < 60_000 ? port + 1 : 1024;
  const segment = udp({ src, dst, srcPort: port, dstPort: 4444 }, Buffer.from('attack'));
  return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
}

/**
 * Attacks until one that came after `since` (milliseconds since 1970) is dropped by its rule; how long after, in
 * milliseconds. At least 2: within one millisecond, before and after cannot be told apart.
 */
export function untilBlocked(bridge: Bridge, client: Peer, since = Date.now(), timeoutMs = 10_000): Promise<number> {
  const first = () =>
    bridge
      .eve('alert')
      .filter((record) => record.alert.signature_id === ATTACK_SID && record.alert.action === 'blocked')
      .map((record) => Date.parse(record.timestamp) - since)
      .find((ms) => ms >= 2);
  const attackOnce = async () => {
    await client.do('send', 'eth0', [attack()]);
    return first();
  };
  return waitFor(attackOnce, { timeoutMs, intervalMs: 10, what: 'an attack to be dropped' }) as Promise<number>;
}
