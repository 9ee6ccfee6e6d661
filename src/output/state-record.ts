/**
 * What rules have left on a flow (flowbits, flowints, entropies), on its way from the detecting thread to the writer of the logs:
 * items one after the other, the youngest first.
 *
 *   | kind (u8) | name length (u8) | name | value                              Int: u32, Number: f64, Bit: none
 */
import type { FlowVars } from '../detect/state/flow-vars.js';
import { type FlowNameKind, flowName } from '../detect/state/names.js';

const enum Item {
  Bit = 1,
  Int,
  Number,
}
const KINDS: Record<FlowNameKind, Item> = { flowbits: Item.Bit, flowint: Item.Int, entropy: Item.Number };
const VALUE_BYTES = [0, 0, 4, 8];

/** Most bytes of a record; what does not fit is left out. */
export const MOST_STATE_BYTES = 4096;

/** Fills one record after the other; nothing is allocated per call. */
export class StateRecordWriter {
  readonly bytes = new Uint8Array(MOST_STATE_BYTES);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(private readonly vars: FlowVars) {}

  /** Bytes of the record of the flow in `slot`; 0: it has nothing. */
  write(slot: number): number {
    const { vars, bytes, view } = this;
    let at = 0;
    for (let node = vars.first(slot); node !== 0; node = vars.behind(node)) {
      const name = flowName(vars.keyOf(node));
      if (name === undefined) continue;
      const kind = KINDS[name.kind];
      const length = name.bytes.length;
      if (at + 2 + length + VALUE_BYTES[kind] > MOST_STATE_BYTES) break;
      bytes[at++] = kind;
      bytes[at++] = length;
      for (let i = 0; i < length; i++) bytes[at++] = name.bytes[i];
      if (kind === Item.Int) view.setUint32(at, vars.valueOf(node), true);
      else if (kind === Item.Number) view.setFloat64(at, vars.numberOf(node), true);
      at += VALUE_BYTES[kind];
    }
    return at;
  }
}

/** Flowbits with these names label traffic (user guide, "Eve JSON Format"): they stand in `traffic`. */
const TRAFFIC_ID = 'traffic/id/';
const TRAFFIC_LABEL = 'traffic/label/';

/**
 * `,"metadata":{...},"traffic":{...}` of a record, each only when it says something; '' when the bytes are none. They come from a
 * process that parses hostile traffic: every number is checked.
 */
export function stateJson(bytes: Buffer): string {
  const bits: string[] = [];
  const ids: string[] = [];
  const labels: string[] = [];
  const ints: string[] = [];
  const numbers: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at];
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (kind < Item.Bit || kind > Item.Number || at + 2 > bytes.length || end + VALUE_BYTES[kind] > bytes.length) return '';
    const name = bytes.toString('utf8', at + 2, end);
    const shown = JSON.stringify(name);
    if (kind === Item.Int) ints.unshift(`${shown}:${bytes.readUInt32LE(end)}`);
    else if (kind === Item.Number) {
      const value = bytes.readDoubleLE(end);
      if (!Number.isFinite(value)) return '';
      numbers.unshift(`${shown}:${value}`);
    } else if (name.startsWith(TRAFFIC_ID)) ids.unshift(JSON.stringify(name.slice(TRAFFIC_ID.length)));
    else if (name.startsWith(TRAFFIC_LABEL)) labels.unshift(JSON.stringify(name.slice(TRAFFIC_LABEL.length)));
    else bits.unshift(shown);
    at = end + VALUE_BYTES[kind];
  }
  const part = (name: string, open: string, items: string[], close: string) =>
    items.length === 0 ? [] : [`"${name}":${open}${items.join(',')}${close}`];
  const object = (name: string, parts: string[]) => (parts.length === 0 ? '' : `,"${name}":{${parts.join(',')}}`);
  return (
    object('metadata', [...part('flowbits', '[', bits, ']'), ...part('flowints', '{', ints, '}'), ...part('entropy', '{', numbers, '}')]) +
    object('traffic', [...part('id', '[', ids, ']'), ...part('label', '[', labels, ']')])
  );
}
