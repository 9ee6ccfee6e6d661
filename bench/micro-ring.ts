import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RingBuffer } from 'ringbuf.js';
import { COPY_WORDS } from '../src/capture/frames.js';
import { native } from '../src/native.js';
import { PACKET_RING_HEADER, PacketRingConsumer, PacketRingProducer, RECORD_HEADER, Rec, RecFlag } from '../src/ring/packet-ring.js';
import { Reason, Verdict } from '../src/ring/verdict.js';
import { BATCH, type Group } from './micro-kit.js';
import { type Frames, FULL_PAYLOAD, framesOf, Memory, tcpFrame, text } from './micro-packets.js';

/** Memory of the ring benches: two lines of flags, then the ring at RING_AT. */
export const RING_AT = 4096;
export const RING_BYTES = 4 << 20;
export const ARENA_BYTES = RING_AT + PACKET_RING_HEADER + RING_BYTES;
export const CAPTURE_FLAG = 0;
export const WORKER_FLAG = 16;
export const enum PeerFd {
  Arena = 4,
  Event = 5,
}

/** Packets per batch, as a capture thread receives them. */
const RING_BATCH = 64;
const WINDOW = 2048;

/** The capture side of src/capture/dispatch.ts, less the sockets. */
class Capture {
  readonly ring: PacketRingProducer;
  private readonly jobs = new Int32Array(RING_BATCH * COPY_WORDS);
  private jobCount = 0;
  private next = 0;
  sum = 0;

  constructor(
    private readonly words: Int32Array,
    private readonly region: number,
    private readonly frames: Frames,
  ) {
    this.ring = new PacketRingProducer(words, RING_AT, RING_BYTES, WINDOW);
  }

  /** Puts up to `count` frames into the ring; returns how many fitted. */
  put(count: number): number {
    const { ring, words, jobs, frames } = this;
    let n = 0;
    for (; n < count; n++) {
      const i = this.next;
      const length = frames.length[i];
      const index = ring.reserve(length);
      if (index < 0) break;
      this.next = i + 1 === frames.count ? 0 : i + 1;
      const r = ring.at >> 2;
      words[r + Rec.Wire] = length;
      words[r + Rec.Flags] = RecFlag.Ips;
      words[r + Rec.Seconds] = 1;
      words[r + Rec.Nanoseconds] = i;
      words[r + Rec.Source] = 0;
      ring.source[index] = 0;
      ring.seconds[index] = 1;
      ring.nanoseconds[index] = i;
      const j = this.jobCount++ * COPY_WORDS;
      jobs[j] = frames.memory.region;
      jobs[j + 1] = frames.offset[i];
      jobs[j + 2] = this.region;
      jobs[j + 3] = ring.at + RECORD_HEADER;
      jobs[j + 4] = length;
    }
    if (this.jobCount > 0) {
      native.copyBatch(jobs, this.jobCount);
      this.jobCount = 0;
    }
    ring.publish();
    return n;
  }

  /** Reads the verdicts there are and gives the room back; returns how many. */
  collect(): number {
    const { ring, words } = this;
    const done = ring.completed();
    if (done < 0) throw new Error('micro: the worker claims more records than it was given');
    for (let k = 0; k < done; k++) {
      const i = (ring.first + k) & ring.mask;
      const word = words[(ring.recordAt[i] >> 2) + Rec.Verdict];
      if (word !== ((ring.epoch << 8) | Verdict.Pass)) throw new Error('micro: a record came back without its verdict');
      this.sum = (this.sum + ring.length[i] + ring.seconds[i]) | 0;
    }
    if (done > 0) ring.release(done);
    return done;
  }
}

/** The worker side of src/workers/detect-task.ts, less the engine: every record is looked at and passed. */
export class Worker {
  readonly ring: PacketRingConsumer;
  sum = 0;

  constructor(
    private readonly words: Int32Array,
    private readonly mem: Uint8Array,
    event: number,
  ) {
    this.ring = new PacketRingConsumer(words, RING_AT, RING_BYTES, CAPTURE_FLAG, event);
    this.ring.attach();
  }

  take(): number {
    const { ring, words, mem } = this;
    let n = 0;
    for (let at = ring.next(); at >= 0; at = ring.next()) {
      const r = at >> 2;
      const end = at + RECORD_HEADER + words[r + Rec.Captured] - 1;
      this.sum = (this.sum + words[r + Rec.Flags] + words[r + Rec.Nanoseconds] + mem[at + RECORD_HEADER] + mem[end]) | 0;
      ring.decide(at, Verdict.Pass, Reason.None, 0, 0, 0);
      if ((++n & (RING_BATCH - 1)) === 0) ring.publish();
    }
    ring.publish();
    return n;
  }
}

/** Frames cut to `length` bytes: nobody parses them here. */
function framesOfLength(length: number): Frames {
  const payload = text(FULL_PAYLOAD, 3);
  return framesOf(BATCH, (flow) => tcpFrame(flow, payload).subarray(0, length));
}

const LENGTHS = [64, 1460];

function label(length: number): string {
  return `${length.toLocaleString('en')} B`;
}

export const ring: Group = {
  name: 'packet ring',
  cases: (add, after) => {
    const memory = new Memory(ARENA_BYTES);
    after(() => memory.close());
    const words = new Int32Array(memory.buffer);
    const framesFor = (length: number) => {
      const frames = framesOfLength(length);
      after(() => frames.close());
      return frames;
    };
    for (const length of LENGTHS) {
      add(`copyBatch alone, 64 x ${label(length)}`, () => {
        const frames = framesFor(length);
        const jobs = new Int32Array(RING_BATCH * COPY_WORDS);
        for (let i = 0; i < RING_BATCH; i++)
          jobs.set(
            [frames.memory.region, frames.offset[i], memory.region, RING_AT + PACKET_RING_HEADER + i * 1600, length],
            i * COPY_WORDS,
          );
        return () => {
          for (let i = 0; i < BATCH; i += RING_BATCH) native.copyBatch(jobs, RING_BATCH);
        };
      });
    }
    for (const length of LENGTHS) {
      add(`there and back in one thread, ${label(length)}, batches of 64`, () => {
        const capture = new Capture(words, memory.region, framesFor(length));
        const worker = new Worker(words, memory.bytes, -1);
        return () => {
          for (let i = 0; i < BATCH; i += RING_BATCH) {
            capture.put(RING_BATCH);
            worker.ring.refresh();
            worker.take();
            capture.collect();
          }
        };
      });
    }
    add('verdicts collected, room released', () => {
      const capture = new Capture(words, memory.region, framesFor(64));
      const worker = new Worker(words, memory.bytes, -1);
      return {
        packets: WINDOW / 2,
        run: () => {
          capture.collect();
        },
        before: () => {
          for (let i = 0; i < WINDOW / 2; i += RING_BATCH) capture.put(RING_BATCH);
          worker.ring.refresh();
          worker.take();
        },
      };
    });
  },
};

/** For comparison: the library's ring, bytes in and bytes out, no verdict back, one thread. */
export const ringbuf: Group = {
  name: 'ringbuf.js',
  cases: (add) => {
    for (const length of LENGTHS) {
      add(`push and pop in one thread, ${label(length)}, batches of 64`, () => {
        const rb = new RingBuffer(new SharedArrayBuffer(8 + (1 << 20)), Uint8Array);
        const from = text(length, 4);
        const to = new Uint8Array(length);
        return {
          packets: RING_BATCH,
          run: () => {
            for (let k = 0; k < RING_BATCH; k++) if (rb.push(from, length) !== length) throw new Error('micro: ringbuf.js is full');
            for (let k = 0; k < RING_BATCH; k++) rb.pop(to, length);
          },
        };
      });
    }
  },
};

/** Records collected per sample: some milliseconds, so that a descheduled side shows as one outlier. */
const SAMPLE = 64 * BATCH;

/** The same ring with the worker in another process: how many a second go there and come back decided. */
export class TwoProcesses {
  readonly group: Group = {
    name: 'packet ring',
    cases: (add, after) => {
      for (const length of LENGTHS) {
        add(`throughput between two processes, ${label(length)}`, () => {
          const frames = framesOfLength(length);
          after(() => frames.close());
          const capture = new Capture(this.words, this.region, frames);
          return { packets: SAMPLE, run: () => this.push(capture) };
        });
      }
    },
  };
  private readonly fd = native.memfdCreate('sluice-micro', ARENA_BYTES);
  private readonly event = native.eventfd();
  private readonly buffer = native.mapFd(this.fd, ARENA_BYTES);
  private readonly words = new Int32Array(this.buffer);
  private readonly region = native.region(this.buffer);
  private readonly none = new Int32Array(0);
  private child: ChildProcess | undefined;

  async start(): Promise<void> {
    const peer = fileURLToPath(new URL('./micro-ring-peer.js', import.meta.url));
    this.child = spawn(process.execPath, [peer], { stdio: ['ignore', 'inherit', 'inherit', 'ipc', this.fd, this.event] });
    const [message] = await Promise.race([once(this.child, 'message'), once(this.child, 'exit')]);
    if (message !== 'attached') throw new Error(`micro: the ring's other process ended (${message}) before it was attached`);
  }

  private push(capture: Capture): void {
    const { words } = this;
    for (let collected = 0; collected < SAMPLE; ) {
      const sent = capture.put(RING_BATCH);
      if (sent > 0 && Atomics.load(words, WORKER_FLAG) === 1 && Atomics.exchange(words, WORKER_FLAG, 0) === 1)
        native.futexWake(words, WORKER_FLAG);
      const done = capture.collect();
      collected += done;
      if (done > 0 || sent > 0) continue;
      Atomics.store(words, CAPTURE_FLAG, 1);
      if (capture.ring.completed() === 0) native.sourceWait(this.none, 0, this.event, 100);
      Atomics.store(words, CAPTURE_FLAG, 0);
    }
  }

  close(): void {
    this.child?.kill('SIGKILL');
    native.regionRelease(this.region);
    native.closeFd(this.fd);
    native.closeFd(this.event);
  }
}
