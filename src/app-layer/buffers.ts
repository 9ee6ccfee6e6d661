/**
 * What application layer parsers hand to detection: numeric codes with one name table each, and the place
 * where the buffers of the transaction under inspection lie. All sticky buffers there are stand in catalogue.ts.
 */

/** FlowTable.appProto. Names as in EVE's `app_proto`. */
export const enum AppProto {
  /** Not looked at yet, or not enough seen. */
  Unknown = 0,
  /** None that a parser exists for. */
  Failed = 1,
  Ftp = 2,
  Count = 3,
}
export const APP_PROTO_NAMES: readonly string[] = ['unknown', 'failed', 'ftp'];

/** Buffers that a parser fills; the rest of the catalogue is names only, so that what is kept per transaction stays small. */
export const enum BufferId {
  FtpCommand = 0,
  FtpCommandData = 1,
  Count = 2,
}
/** Their keywords, by BufferId. An entry here is all that makes a buffer of the catalogue one that works. */
export const BUFFER_NAMES: readonly string[] = ['ftp.command', 'ftp.command_data'];

/**
 * Buffers of one transaction: where each lies, in memory the addon knows by number. Valid until the next packet.
 *
 *   mem[id] | region[id] | off[id] | len[id]      len -1: the transaction has no such buffer
 */
export class Buffers {
  readonly mem: Uint8Array[] = Array.from({ length: BufferId.Count }, () => EMPTY);
  readonly region = new Int32Array(BufferId.Count);
  readonly off = new Int32Array(BufferId.Count);
  readonly len = new Int32Array(BufferId.Count).fill(-1);

  set(id: BufferId, mem: Uint8Array, region: number, off: number, len: number): void {
    this.mem[id] = mem;
    this.region[id] = region;
    this.off[id] = off;
    this.len[id] = len;
  }

  clear(): void {
    this.len.fill(-1);
  }
}

const EMPTY = new Uint8Array(0);
