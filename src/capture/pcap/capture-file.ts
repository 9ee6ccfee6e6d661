import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Packet } from '../../decode/packet.js';
import { SluiceError } from '../../errors.js';
import { native } from '../../native.js';
import { Block, BlockSize, InterfaceOption, MAX_BLOCK, MAX_CAPTURED, MAX_INTERFACES, MAX_OPTION_BYTES, Magic, Size } from './format.js';
import { type Clock, clockOf, MICROSECONDS, time, toTime } from './pcapng-time.js';

const enum Format {
  /** Nothing open, at the end, or given up. */
  None = 0,
  Pcap = 1,
  PcapNg = 2,
}

interface Interface {
  readonly linkType: number;
  readonly snapLen: number;
  readonly clock: Clock;
}

/** Large enough to make a read cheap, small enough to stay in the cache: see README.md for the figures. */
const BUFFER_BYTES = 1 << 20;

/**
 * Reads pcap and pcapng files, one packet per `next`, through one buffer:
 *
 *   0            pos                end           capacity
 *   | delivered  | read, not parsed | free        |        `base` = offset of byte 0 in the file
 *
 * A packet lies whole in the buffer, in the addon's memory region, and stays there until the next
 * call. One object reads many files, one after the other; the packet count goes on (as Suricata's
 * pcap_cnt does).
 */
export class CaptureFile {
  /** The file that is open, or was last. */
  path = '';
  /** Packets delivered over all files. */
  packets = 0;
  /** Files that ended within a record: the good packets were delivered, the rest is lost. */
  truncatedFiles = 0;
  /** What to tell about the last file that ended early; '' when it was whole. */
  warning = '';

  private readonly mem: Uint8Array;
  private readonly view: DataView;
  private readonly region: number;
  private readonly maxCaptured: number;
  private readonly maxBlock: number;
  private fd = -1;
  private pos = 0;
  private end = 0;
  private base = 0;
  private eof = false;

  private format: Format = Format.None;
  private little = true;
  // pcap
  private linkType = 0;
  private snapLen = 0;
  private recordSize: number = Size.Record;
  /** Nanoseconds in one unit of a record's fraction. */
  private fraction = 0;
  // pcapng
  private readonly interfaces: Interface[] = [];

  /** @param bytes size of the buffer; the longest packet it can deliver is 64 bytes shorter. */
  constructor(bytes = BUFFER_BYTES) {
    const buffer = new ArrayBuffer(bytes);
    this.mem = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.region = native.region(buffer);
    this.maxCaptured = Math.min(MAX_CAPTURED, bytes - 64);
    this.maxBlock = Math.min(MAX_CAPTURED + MAX_OPTION_BYTES, bytes);
  }

  /** Opens a file and reads its header. Throws SLUICE_CAPTURE_FILE. */
  open(path: string): void {
    this.close();
    this.path = path;
    this.warning = '';
    this.pos = this.end = this.base = 0;
    this.eof = false;
    this.interfaces.length = 0;
    try {
      this.fd = openSync(path, 'r');
      if (fstatSync(this.fd).isDirectory()) throw new Error('it is a directory');
    } catch (error) {
      this.close();
      throw new SluiceError('SLUICE_CAPTURE_FILE', `cannot open ${path}: ${reasonOf(error)}; name a pcap or pcapng file`, { cause: error });
    }
    if (!this.need(4)) throw this.damaged(0, this.end === 0 ? 'the file is empty' : 'the file is shorter than any capture');
    const magic = this.view.getUint32(0, true);
    if (magic === Block.Section) this.format = Format.PcapNg;
    else this.openPcap(magic);
  }

  /** Closes the file; the buffer stays for the next one. */
  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.format = Format.None;
  }

  /** Gives the memory back to the addon; the object is of no use afterwards. */
  dispose(): void {
    this.close();
    native.regionRelease(this.region);
  }

  /**
   * Fills in where the next packet lies, its lengths, link type, time and number; false at the end.
   * A file that ends within a packet ends there, with `warning` set. Throws SLUICE_CAPTURE_FILE on
   * damage, after every packet before it was delivered.
   */
  next(p: Packet): boolean {
    if (this.format === Format.Pcap) return this.nextRecord(p);
    if (this.format === Format.PcapNg) return this.nextBlock(p);
    return false;
  }

  private openPcap(magic: number): void {
    this.little = true;
    let known = this.setMagic(magic);
    if (!known) {
      this.little = false;
      known = this.setMagic(this.view.getUint32(0, false));
    }
    if (!known) {
      throw this.damaged(0, `neither pcap nor pcapng (it starts with 0x${this.view.getUint32(0, false).toString(16).padStart(8, '0')})`);
    }
    if (!this.need(Size.FileHeader)) throw this.damaged(0, `the file header is cut off after ${this.end} of ${Size.FileHeader} bytes`);
    const major = this.view.getUint16(4, this.little);
    if (major !== 2) throw this.damaged(4, `pcap version ${major}.${this.view.getUint16(6, this.little)} is not known, 2.x is`);
    const snapLen = this.view.getInt32(16, this.little);
    this.snapLen = snapLen <= 0 || snapLen > MAX_CAPTURED ? MAX_CAPTURED : snapLen;
    // The upper half tells of frame check sequences, not of the link.
    this.linkType = this.view.getUint32(20, this.little) & 0xffff;
    this.pos = Size.FileHeader;
    this.format = Format.Pcap;
  }

  private setMagic(magic: number): boolean {
    this.recordSize = magic === Magic.Modified ? Size.Record + Size.ModifiedExtra : Size.Record;
    this.fraction = magic === Magic.Nano ? 1 : 1000;
    return magic === Magic.Micro || magic === Magic.Nano || magic === Magic.Modified;
  }

  private nextRecord(p: Packet): boolean {
    const header = this.recordSize;
    if (this.end - this.pos < header && !this.need(header)) return this.finish('record header');
    const view = this.view;
    const little = this.little;
    const captured = view.getInt32(this.pos + 8, little);
    // One unsigned comparison: a negative length is a huge one.
    if (captured >>> 0 > this.maxCaptured) {
      throw this.damaged(this.pos, `a record claims ${captured >>> 0} captured bytes, more than ${this.maxCaptured}`);
    }
    if (this.end - this.pos < header + captured && !this.need(header + captured)) return this.finish('packet');
    const at = this.pos;
    const fraction = Math.imul(view.getInt32(at + 4, little), this.fraction);
    p.tsSec = view.getInt32(at, little);
    p.tsNsec = fraction >>> 0 < 1000000000 ? fraction : 0;
    this.pos = at + header + captured;
    this.deliver(p, at + header, Math.min(captured, this.snapLen), view.getInt32(at + 12, little), this.linkType);
    return true;
  }

  private deliver(p: Packet, off: number, capLen: number, wireLen: number, linkType: number): void {
    p.mem = this.mem;
    p.region = this.region;
    p.off = off;
    p.capLen = capLen;
    p.wireLen = Math.max(wireLen, capLen);
    p.linkType = linkType;
    this.packets = (this.packets + 1) | 0;
    p.pcapCount = this.packets;
  }

  private nextBlock(p: Packet): boolean {
    for (;;) {
      if (this.end - this.pos < BlockSize.Any && !this.need(BlockSize.Any)) return this.finish('block header');
      const view = this.view;
      let at = this.pos;
      const type = view.getInt32(at, this.little);
      if (type === Block.Section) this.setByteOrder(at);
      const length = view.getUint32(at + 4, this.little);
      // Writers of old left the padding out of the length.
      const whole = (length + 3) & ~3;
      if (length < BlockSize.Any || length > MAX_BLOCK) throw this.damaged(at, `a block claims ${length} bytes`);
      if (!isInspected(type)) {
        if (type === Block.Section) {
          if (!this.need(BlockSize.Section)) return this.finish('section header');
          this.startSection(this.pos, length);
        }
        if (!this.skip(whole)) return this.finish('block');
        continue;
      }
      if (length > this.maxBlock) throw this.damaged(at, `a block of type ${type} claims ${length} bytes, more than ${this.maxBlock}`);
      if (this.end - at < whole && !this.need(whole)) return this.finish('block');
      at = this.pos;
      if (view.getUint32(at + whole - 4, this.little) !== length) throw this.damaged(at, 'the two lengths of a block differ');
      this.pos = at + whole;
      if (type === Block.Interface) {
        this.interfaceBlock(at, length);
        continue;
      }
      if (type === Block.SimplePacket) this.simpleBlock(p, at, length);
      else
        this.packetBlock(
          p,
          at,
          length,
          type === Block.EnhancedPacket ? view.getUint32(at + 8, this.little) : view.getUint16(at + 8, this.little),
        );
      return true;
    }
  }

  /** A section chooses its own byte order; its type reads the same in both. */
  private setByteOrder(at: number): void {
    const view = this.view;
    if (view.getUint32(at + 8, true) === Magic.ByteOrder) this.little = true;
    else if (view.getUint32(at + 8, false) === Magic.ByteOrder) this.little = false;
    else throw this.damaged(at + 8, 'a section has no byte-order magic');
  }

  private startSection(at: number, length: number): void {
    if (length < BlockSize.Section) throw this.damaged(at, `a section header claims ${length} bytes`);
    const major = this.view.getUint16(at + 12, this.little);
    if (major !== 1) throw this.damaged(at + 12, `pcapng version ${major} is not known, 1 is`);
    this.interfaces.length = 0;
  }

  private interfaceBlock(at: number, length: number): void {
    if (length < BlockSize.Interface) throw this.damaged(at, `an interface block claims ${length} bytes`);
    if (this.interfaces.length >= MAX_INTERFACES) throw this.damaged(at, `a section names more than ${MAX_INTERFACES} interfaces`);
    const view = this.view;
    let resolution = 6;
    let offset = 0;
    const end = at + length - 4;
    for (let o = at + 16; o + 4 <= end; ) {
      const code = view.getUint16(o, this.little);
      const bytes = view.getUint16(o + 2, this.little);
      if (code === InterfaceOption.End) break;
      if (o + 4 + bytes > end) throw this.damaged(o, `an interface option claims ${bytes} bytes, beyond its block`);
      if (code === InterfaceOption.TsResol && bytes >= 1) resolution = view.getUint8(o + 4);
      if (code === InterfaceOption.TsOffset && bytes >= 8) offset = Number(BigInt.asIntN(32, view.getBigInt64(o + 4, this.little)));
      o += 4 + ((bytes + 3) & ~3);
    }
    const snapLen = view.getUint32(at + 12, this.little);
    this.interfaces.push({
      linkType: view.getUint16(at + 8, this.little),
      snapLen: snapLen === 0 || snapLen > MAX_CAPTURED ? MAX_CAPTURED : snapLen,
      clock: resolution === 6 && offset === 0 ? MICROSECONDS : clockOf(resolution, offset),
    });
  }

  /** Enhanced and obsolete packet blocks: after the interface, their layout is the same. */
  private packetBlock(p: Packet, at: number, length: number, index: number): void {
    if (length < BlockSize.Packet) throw this.damaged(at, `a packet block claims ${length} bytes`);
    if (index >= this.interfaces.length) {
      throw this.damaged(at + 8, `a packet names interface ${index}, the section has ${this.interfaces.length}`);
    }
    const view = this.view;
    const captured = view.getUint32(at + 20, this.little);
    if (captured > length - BlockSize.Packet || captured > this.maxCaptured) {
      throw this.damaged(at + 20, `a packet claims ${captured} captured bytes in a block of ${length}`);
    }
    const from = this.interfaces[index];
    toTime(from.clock, view.getInt32(at + 12, this.little), view.getInt32(at + 16, this.little));
    p.tsSec = time.sec;
    p.tsNsec = time.nsec;
    this.deliver(p, at + 28, captured, view.getInt32(at + 24, this.little), from.linkType);
  }

  /** No time, no captured length: as much as the block holds, the wire had and the interface kept. */
  private simpleBlock(p: Packet, at: number, length: number): void {
    if (length < BlockSize.Simple) throw this.damaged(at, `a packet block claims ${length} bytes`);
    const wire = this.view.getUint32(at + 8, this.little);
    if (this.interfaces.length === 0) throw this.damaged(at, 'a packet comes before the interface it was captured on');
    const from = this.interfaces[0];
    const captured = Math.min(wire, from.snapLen, length - BlockSize.Simple, this.maxCaptured);
    p.tsSec = 0;
    p.tsNsec = 0;
    this.deliver(p, at + 12, captured, wire | 0, from.linkType);
  }

  /** Makes `bytes` (at most the buffer) available at `pos`; false when the file has fewer left. */
  private need(bytes: number): boolean {
    if (this.pos > 0) {
      this.mem.copyWithin(0, this.pos, this.end);
      this.base += this.pos;
      this.end -= this.pos;
      this.pos = 0;
    }
    while (this.end < bytes && !this.eof) {
      const got = this.read(this.mem, this.end);
      if (got === 0) this.eof = true;
      this.end += got;
    }
    return this.end >= bytes;
  }

  private read(into: Uint8Array, at: number): number {
    try {
      return readSync(this.fd, into, at, into.length - at, null);
    } catch (error) {
      throw this.damaged(this.end, `reading failed (${reasonOf(error)})`, 'check the disk');
    }
  }

  /** Steps over bytes nobody looks at, even more than the buffer holds; false when the file ends first. */
  private skip(bytes: number): boolean {
    let left = bytes;
    while (left > this.end - this.pos) {
      left -= this.end - this.pos;
      this.pos = this.end;
      if (!this.need(1)) return false;
    }
    this.pos += left;
    return true;
  }

  /** The end of the file: clean between records, a warning within one. */
  private finish(what: string): false {
    const rest = this.end - this.pos;
    const inside = rest > 0 || what === 'block';
    if (inside) {
      this.truncatedFiles++;
      this.warning = `${this.path} ends within a ${what} at byte ${this.base + this.pos}: the packets before it were read`;
    }
    this.close();
    return false;
  }

  private damaged(at: number, what: string, mend = 'cut the file there or capture it again'): SluiceError {
    const offset = this.base + at;
    this.close();
    return new SluiceError('SLUICE_CAPTURE_FILE', `cannot read ${this.path} at byte ${offset}: ${what}; ${mend}`);
  }
}

function isInspected(type: number): boolean {
  return type === Block.EnhancedPacket || type === Block.SimplePacket || type === Block.ObsoletePacket || type === Block.Interface;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'the right to read it is missing';
  return message;
}
