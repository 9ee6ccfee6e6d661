import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A folder for this test file, removed when its tests are over. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function writeBytes(folder: string, name: string, ...parts: Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

/** Writes capture structures of either byte order, field by field: independent of the reader's own constants. */
export class Bytes {
  constructor(readonly little: boolean) {}

  u16(...values: number[]): Buffer {
    const b = Buffer.alloc(values.length * 2);
    values.forEach((v, i) => {
      if (this.little) b.writeUInt16LE(v, i * 2);
      else b.writeUInt16BE(v, i * 2);
    });
    return b;
  }

  u32(...values: number[]): Buffer {
    const b = Buffer.alloc(values.length * 4);
    values.forEach((v, i) => {
      if (this.little) b.writeUInt32LE(v >>> 0, i * 4);
      else b.writeUInt32BE(v >>> 0, i * 4);
    });
    return b;
  }

  u64(value: bigint): Buffer {
    const low = Number(BigInt.asUintN(32, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    return this.little ? this.u32(low, high) : this.u32(high, low);
  }

  pcapHeader(magic: number, { snapLen = 65535, linkType = 1, major = 2 } = {}): Buffer {
    return Buffer.concat([this.u32(magic), this.u16(major, 4), this.u32(0, 0, snapLen, linkType)]);
  }

  record(sec: number, fraction: number, data: Uint8Array, { wire = data.length, extra = 0, captured = data.length } = {}): Buffer {
    return Buffer.concat([this.u32(sec, fraction, captured, wire), Buffer.alloc(extra), data]);
  }

  block(type: number, ...body: Uint8Array[]): Buffer {
    const content = pad4(Buffer.concat(body));
    return Buffer.concat([this.u32(type, content.length + 12), content, this.u32(content.length + 12)]);
  }

  section(...options: Uint8Array[]): Buffer {
    return this.block(0x0a0d0d0a, this.u32(0x1a2b3c4d), this.u16(1, 0), this.u32(0xffffffff, 0xffffffff), ...options);
  }

  option(code: number, value: Uint8Array): Buffer {
    return Buffer.concat([this.u16(code, value.length), pad4(value)]);
  }

  interface(linkType: number, { snapLen = 0, tsresol = -1, tsoffset = 0n } = {}): Buffer {
    const options: Buffer[] = [];
    if (tsresol >= 0) options.push(this.option(9, Buffer.from([tsresol])));
    if (tsoffset !== 0n) options.push(this.option(14, this.u64(BigInt.asUintN(64, tsoffset))));
    if (options.length > 0) options.push(this.u16(0, 0));
    return this.block(1, this.u16(linkType, 0), this.u32(snapLen), ...options);
  }

  enhanced(iface: number, time: bigint, data: Uint8Array, wire = data.length): Buffer {
    const high = Number(time >> 32n);
    return this.block(6, this.u32(iface, high, Number(time & 0xffffffffn), data.length, wire), pad4(data));
  }

  obsolete(iface: number, time: bigint, data: Uint8Array): Buffer {
    return this.block(
      2,
      this.u16(iface, 7),
      this.u32(Number(time >> 32n), Number(time & 0xffffffffn), data.length, data.length),
      pad4(data),
    );
  }

  simple(data: Uint8Array, wire = data.length): Buffer {
    return this.block(3, this.u32(wire), pad4(data));
  }
}

function pad4(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
}

/** What one call of `next` delivered, copied out. */
export interface Delivered {
  data: string;
  wire: number;
  linkType: number;
  sec: number;
  nsec: number;
  count: number;
}
