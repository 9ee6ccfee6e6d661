import { ProtoEvent, protoEventCode } from '../app-layer/proto-events.js';
import { DecodeEvent } from '../decode/events.js';
import type { Packet } from '../decode/packet.js';
import type { Rule } from '../rules/rule.js';
import { StreamEvent } from '../stream/events.js';

/**
 * Rules with `decode-event`, `stream-event` or `app-layer-event:applayer_...`, by the code of the event: a packet without events never
 * asks (`p.eventCount > 0 || p.streamEventCount > 0 || p.protoEvents !== 0`), and one with events meets the rules of those alone.
 *
 *   start   0 | ... | n(code) | n(code + 1) | ...         decode codes, stream codes, ProtoEvents
 *   items            [ 17 3 205 ]                          ranks (see plan.ts)
 *
 * A rule with several events is filed under its first; its matcher tests the others, the header and whatever else it has.
 */
export class EventIndex {
  private readonly start = new Int32Array(PROTO + ProtoEvent.Count + 1);
  private readonly items: Int32Array;

  /** `rules[i]` has an event option (eventOf); `ranks[i]` is what collect reports for it. */
  constructor(rules: readonly Rule[], ranks: readonly number[]) {
    const lists: number[][] = Array.from({ length: this.start.length }, () => []);
    for (let i = 0; i < rules.length; i++) {
      lists[eventOf(rules[i])!].push(ranks[i]);
    }
    this.items = Int32Array.from(lists.flat());
    for (let i = 0; i + 1 < this.start.length; i++) this.start[i + 1] = this.start[i] + lists[i].length;
  }

  /** Appends the candidates for the packet's events to out[n..); returns the new n. An event that is there twice counts once. */
  collect(p: Packet, out: Int32Array, n: number): number {
    const { start, items } = this;
    const { events, streamEvents } = p;
    for (let i = 0; i < p.eventCount; i++) {
      const code = events[i];
      if (repeated(events, i)) continue;
      for (let k = start[code]; k < start[code + 1]; k++) out[n++] = items[k];
    }
    for (let i = 0; i < p.streamEventCount; i++) {
      if (repeated(streamEvents, i)) continue;
      const code = DecodeEvent.Count + streamEvents[i];
      for (let k = start[code]; k < start[code + 1]; k++) out[n++] = items[k];
    }
    for (let code = 0; code < ProtoEvent.Count; code++) {
      if ((p.protoEvents & (1 << code)) === 0) continue;
      for (let k = start[PROTO + code]; k < start[PROTO + code + 1]; k++) out[n++] = items[k];
    }
    return n;
  }
}

function repeated(events: Uint16Array | Uint8Array, at: number): boolean {
  for (let i = 0; i < at; i++) if (events[i] === events[at]) return true;
  return false;
}

/** Place of the event a rule is found by; undefined for a rule without. */
export function eventOf(rule: Rule): number | undefined {
  for (const o of rule.header) {
    if (o.kind === 'decode-event') return o.code;
    if (o.kind === 'stream-event') return DecodeEvent.Count + o.code;
    if (o.kind === 'app' && o.keyword === 'app-layer-event' && !o.negated && protoEventCode(o.value) >= 0)
      return PROTO + protoEventCode(o.value);
  }
  return undefined;
}

/** Where ProtoEvents begin. */
const PROTO = DecodeEvent.Count + StreamEvent.Count;
