import { DecodeEvent } from '../decode/events.js';
import type { Packet } from '../decode/packet.js';
import type { EventOption } from '../rules/packet-option.js';
import type { Rule } from '../rules/rule.js';
import { StreamEvent } from '../stream/events.js';

/**
 * Rules with `decode-event` or `stream-event`, by the code of the event: a packet without events never asks
 * (`p.eventCount > 0 || p.streamEventCount > 0`), and one with events meets the rules of those alone.
 *
 *   start   0 | ... | n(code) | n(code + 1) | ...         decode codes, then stream codes
 *   items            [ 17 3 205 ]                          ranks (see plan.ts)
 *
 * A rule with several events is filed under its first; its matcher tests the others, the header and whatever else it has.
 */
export class EventIndex {
  private readonly start = new Int32Array(DecodeEvent.Count + StreamEvent.Count + 1);
  private readonly items: Int32Array;

  /** `rules[i]` has an event option (eventOf); `ranks[i]` is what collect reports for it. */
  constructor(rules: readonly Rule[], ranks: readonly number[]) {
    const lists: number[][] = Array.from({ length: this.start.length }, () => []);
    for (let i = 0; i < rules.length; i++) {
      const { kind, code } = eventOf(rules[i])!;
      lists[kind === 'decode-event' ? code : DecodeEvent.Count + code].push(ranks[i]);
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
    return n;
  }
}

function repeated(events: Uint16Array | Uint8Array, at: number): boolean {
  for (let i = 0; i < at; i++) if (events[i] === events[at]) return true;
  return false;
}

/** The event a rule is found by; undefined for a rule without. */
export function eventOf(rule: Rule): EventOption | undefined {
  return rule.header.find((o): o is EventOption => o.kind === 'decode-event' || o.kind === 'stream-event');
}
