import { closeSync, openSync, writeSync } from 'node:fs';
import { MAX_CAPTURED, Magic, Size } from './format.js';

/** Writes a pcap file with nanosecond times: what the lab and the tests replay. */
export class CaptureWriter {
  packets = 0;
  private readonly mem = new Uint8Array(1 << 20);
  private readonly view = new DataView(this.mem.buffer);
  private readonly fd: number;
  private end = 0;

  /** @param linkType LINKTYPE_* (1 = Ethernet). */
  constructor(path: string, linkType = 1) {
    this.fd = openSync(path, 'w');
    this.view.setUint32(0, Magic.Nano, true);
    this.view.setUint16(4, 2, true);
    this.view.setUint16(6, 4, true);
    this.view.setUint32(16, MAX_CAPTURED, true);
    this.view.setUint32(20, linkType, true);
    this.end = Size.FileHeader;
  }

  /** Appends one packet; `wireLen` tells of bytes that were on the wire but not captured. */
  write(bytes: Uint8Array, tsSec: number, tsNsec: number, wireLen = bytes.length): void {
    if (bytes.length > MAX_CAPTURED)
      throw new RangeError(`a packet of ${bytes.length} bytes does not fit a capture file (${MAX_CAPTURED})`);
    if (this.mem.length - this.end < Size.Record + bytes.length) this.flush();
    const at = this.end;
    this.view.setUint32(at, tsSec, true);
    this.view.setUint32(at + 4, tsNsec, true);
    this.view.setUint32(at + 8, bytes.length, true);
    this.view.setUint32(at + 12, wireLen, true);
    this.mem.set(bytes, at + Size.Record);
    this.end = at + Size.Record + bytes.length;
    this.packets++;
  }

  close(): void {
    this.flush();
    closeSync(this.fd);
  }

  private flush(): void {
    let at = 0;
    while (at < this.end) at += writeSync(this.fd, this.mem, at, this.end - at);
    this.end = 0;
  }
}
