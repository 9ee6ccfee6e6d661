import type { Packet } from '../decode/packet.js';
import { FlowFlag } from '../flow/codes.js';
import { type FlowTable, Key } from '../flow/flow-table.js';
import { Mode } from '../ring/verdict.js';

/**
 * Makes `ghost` a packet without bytes of the flow and direction, for transactions that are inspected when no packet of that direction
 * is at hand: at the flow's end (`p` null: the time is the flow's last packet's), or because of what the other side sent.
 */
export function ghostPacket(ghost: Packet, flows: FlowTable, slot: number, direction: number, p: Packet | null): void {
  const k = slot * Key.Words;
  const { key } = flows;
  const from = direction === 0 ? Key.Client : Key.Server;
  const to = direction === 0 ? Key.Server : Key.Client;
  for (let i = 0; i < 4; i++) {
    ghost.src[i] = key[k + from + i];
    ghost.dst[i] = key[k + to + i];
  }
  ghost.srcPort = direction === 0 ? flows.srcPort(slot) : flows.dstPort(slot);
  ghost.dstPort = direction === 0 ? flows.dstPort(slot) : flows.srcPort(slot);
  ghost.tsSec = p === null ? flows.lastSec[slot] : p.tsSec;
  ghost.tsNsec = p === null ? flows.lastNsec[slot] : p.tsNsec;
  ghost.pcapCount = p === null ? 0 : p.pcapCount;
  ghost.source = p === null ? flows.source[slot] : p.source;
  ghost.mode = p === null ? Mode.Ids : p.mode;
  ghost.ipVersion = flows.ipVersion(slot);
  ghost.proto = flows.proto(slot);
  ghost.tunnelDepth = flows.tunnelDepth(slot);
  const vlans = flows.vlanDepth[slot];
  ghost.vlanDepth = vlans < 3 ? vlans : 3;
  ghost.vlan0 = vlans > 0 ? flows.vlan(slot, 0) : 0;
  ghost.vlan1 = vlans > 1 ? flows.vlan(slot, 1) : 0;
  ghost.vlan2 = vlans > 2 ? flows.vlan(slot, 2) : 0;
  ghost.transportOff = 0;
  ghost.payloadLen = 0;
  ghost.capLen = 0;
  ghost.flow = slot;
  ghost.direction = direction;
  ghost.established = (flows.flags[slot] & FlowFlag.TcpEstablished) !== 0 || ghost.proto !== 6 ? 1 : 0;
  ghost.appProto = flows.appProto[slot];
}
