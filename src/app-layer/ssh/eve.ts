import type { RecordNames, RecordWriter } from '../record.js';
import { MD5_DIGITS, Side } from './layout.js';
import type { SshStore } from './store.js';

const enum Field {
  Client = 0,
  Server = 1,
  ProtoVersion = 2,
  SoftwareVersion = 3,
  Hassh = 4,
  Hash = 5,
  String = 6,
}

export const SSH_NAMES: RecordNames = {
  type: 'ssh',
  fields: ['client', 'server', 'proto_version', 'software_version', 'hassh', 'hash', 'string'],
  words: [],
};

/** Writes EVE's ssh object; a side whose banner did not come is left out. */
export function writeSsh(store: SshStore, tx: number, w: RecordWriter): void {
  const { bytes, heap } = store;
  for (let direction = 0; direction < 2; direction++) {
    const side = store.side(tx, direction);
    if (heap[side + Side.ProtoAt] === 0) continue;
    w.object(direction === 0 ? Field.Client : Field.Server);
    w.text(Field.ProtoVersion, bytes, heap[side + Side.ProtoAt], heap[side + Side.ProtoLen]);
    if (heap[side + Side.SoftwareAt] > 0) w.text(Field.SoftwareVersion, bytes, heap[side + Side.SoftwareAt], heap[side + Side.SoftwareLen]);
    if (heap[side + Side.HasshAt] > 0) {
      w.object(Field.Hassh);
      w.text(Field.Hash, bytes, heap[side + Side.HasshAt], MD5_DIGITS);
      w.text(Field.String, bytes, heap[side + Side.HasshStringAt], heap[side + Side.HasshStringLen]);
      w.end();
    }
    w.end();
  }
}
