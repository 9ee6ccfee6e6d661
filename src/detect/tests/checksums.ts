import { checksumsValid, InternetChecksum } from '../../decode/checksum.js';
import { DecodeContext } from '../../decode/context.js';
import type { Packet } from '../../decode/packet.js';
import { Counter } from '../../metrics/counters.js';

/** Its counts go nowhere: the packet is only asked about. */
const context = new DecodeContext(
  { vxlanPorts: [], teredo: false, teredoPorts: [], checksumValidation: true },
  new Float64Array(Counter.Count),
);
const checksum = new InternetChecksum();

/**
 * Called by generated code where decode has not looked (stream.checksum-validation: no): the DecodeEvent of the checksum that is
 * wrong, -1 when all are right. The packet is as before.
 */
export function wrongChecksum(p: Packet): number {
  const { eventCount, csumInvalid } = p;
  context.routed = p.csumUnseen >> 1;
  const right = checksumsValid(context, checksum, p);
  const event = right ? -1 : p.eventCount > eventCount ? p.events[eventCount] : -1;
  p.eventCount = eventCount;
  p.csumInvalid = csumInvalid;
  return event;
}
