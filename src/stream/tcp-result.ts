import type { Packet } from '../decode/packet.js';
import { noteEvent, type StreamEvent } from './events.js';

/** What TcpTracker.update says of a packet. */
export const enum TcpResult {
  Ok = 0,
  /** Fits neither handshake nor window: an endpoint would not take it. p.established is 0. */
  Invalid = 1,
  /** No session and midstream pick-up is off: nothing is tracked; apply stream.midstream-policy (each packet). */
  Midstream = 2,
  /** This packet was picked up midstream: apply the policy too (ignore and pass-flow only), then go on. */
  MidstreamPickup = 3,
}

/** Invalid, and the event that says why. */
export function invalid(p: Packet, counters: Float64Array, why: StreamEvent): TcpResult {
  noteEvent(p, counters, why);
  return TcpResult.Invalid;
}
