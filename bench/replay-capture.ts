import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureFile } from '../src/capture/pcap/capture-file.js';
import { PACKAGE_ROOT } from '../src/config/paths.js';
import { Packet } from '../src/decode/packet.js';
import { SluiceError } from '../src/errors.js';
import { native } from '../src/native.js';
import { Mode } from '../src/ring/verdict.js';

export const REFERENCE = join(PACKAGE_ROOT, '..', 'shared', 'reference');
/** Seconds between the last packet of a lap and the first of the next: longer than any flow of peer.yaml may idle. */
const BETWEEN_LAPS = 7200;

/** `path` itself, or what it unpacks to (.xz) in a temporary folder that `remove` takes away. */
export function unpacked(path: string): { path: string; remove(): void } {
  if (!path.endsWith('.xz')) return { path, remove: () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const out = join(folder, 'capture.pcap');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const fd = openSync(out, 'w');
  const { status, error, stderr } = spawnSync('xz', ['-dc', path], { stdio: ['ignore', fd, 'pipe'] });
  closeSync(fd);
  if (status === 0) return { path: out, remove };
  remove();
  throw new SluiceError(
    'SLUICE_CAPTURE_FILE',
    `${path}: xz does not unpack it (${error?.message ?? String(stderr).trim()}); is it there and whole?`,
  );
}

/** Where the packets of a capture lie in a memfd, plain data: every thread maps the same bytes. */
export interface CaptureData {
  fd: number;
  bytes: number;
  count: number;
  /** Per packet: offset, captured length, wire length, link type, seconds since the first packet, nanoseconds. */
  records: SharedArrayBuffer;
  /** Second of the first packet, and how long the capture lasts. */
  start: number;
  seconds: number;
  wireBytes: number;
}

const WORDS = 6;

/** Reads a whole capture into memory. Throws SLUICE_CAPTURE_FILE. */
export function readCapture(path: string): CaptureData {
  const sizes: number[] = [];
  const file = new CaptureFile();
  const p = new Packet();
  let bytes = 0;
  file.open(path);
  while (file.next(p)) {
    bytes += (64 + p.capLen + 63) & ~63;
    sizes.push(p.wireLen);
  }
  file.close();
  const records = new SharedArrayBuffer(4 * WORDS * sizes.length);
  const words = new Int32Array(records);
  const fd = native.memfdCreate('sluice-replay', bytes + 64);
  const mem = new Uint8Array(native.mapFd(fd, bytes + 64));
  let at = 0;
  let start = -1;
  let last = 0;
  let wireBytes = 0;
  file.open(path);
  for (let i = 0; file.next(p); i++) {
    if (start < 0) start = p.tsSec;
    const relative = Math.max(0, p.tsSec - start);
    last = Math.max(last, relative);
    mem.set(p.mem.subarray(p.off, p.off + p.capLen), at + 64);
    words.set([at + 64, p.capLen, p.wireLen, p.linkType, relative, p.tsNsec], i * WORDS);
    at += (64 + p.capLen + 63) & ~63;
    wireBytes += p.wireLen;
  }
  file.close();
  return { fd, bytes: bytes + 64, count: sizes.length, records, start, seconds: last + 1, wireBytes };
}

/** A thread's view of a capture: loads its packets, lap after lap, with a clock that only goes on. */
export class Tape {
  readonly order: Int32Array;
  private readonly mem: Uint8Array;
  private readonly region: number;
  private readonly words: Int32Array;
  private shift: number;

  /** `order`: the packets this thread gets; default all. */
  constructor(
    private readonly data: CaptureData,
    order?: Int32Array,
  ) {
    const buffer = native.mapFd(data.fd, data.bytes);
    this.mem = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.words = new Int32Array(data.records);
    this.order = order ?? Int32Array.from({ length: data.count }, (_, i) => i);
    this.shift = data.start;
  }

  /** The next lap begins; returns its first second. All flows of the last one have been idle for long enough to end. */
  rewind(): number {
    this.shift += this.data.seconds + BETWEEN_LAPS;
    return this.shift;
  }

  /** Packet `index` of the capture into `p`, as the loops of src/workers do it. */
  load(p: Packet, index: number): void {
    const { words } = this;
    const at = index * WORDS;
    p.mem = this.mem;
    p.region = this.region;
    p.off = words[at];
    p.capLen = words[at + 1];
    p.wireLen = words[at + 2];
    p.linkType = words[at + 3];
    p.tsSec = (this.shift + words[at + 4]) | 0;
    p.tsNsec = words[at + 5];
    p.source = 0;
    p.mode = Mode.Ids;
    p.csumNotReady = 0;
  }
}
