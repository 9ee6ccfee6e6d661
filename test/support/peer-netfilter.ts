import { FrameWord, MAX_BATCH, QueueStat, VerdictWord } from '../../src/capture/frames.js';
import { type LogOptions, native, type QueueOptions, type SourceHandle } from '../../src/native.js';

/** A received frame; `words` by FrameWord. */
export interface NetfilterFrame {
  words: number[];
  bytes: Uint8Array;
}
export interface NetfilterVerdict {
  id: number;
  verdict: number;
  upTo?: boolean;
  mark?: number;
  payload?: Uint8Array;
}

const PAYLOAD_ROOM = 65_536;

/** Queues and log groups for a peer process, by name: takes packets, answers them as told. */
export class NetfilterPeer {
  private readonly open = new Map<string, SourceHandle>();
  private readonly frames = new Int32Array(MAX_BATCH * FrameWord.Words);
  private readonly payload = new Uint8Array(PAYLOAD_ROOM);
  private readonly payloadRegion = native.region(this.payload.buffer as ArrayBuffer);

  /** '' or the code of the error and its message. */
  queueOpen(name: string, options: Partial<QueueOptions> & { queue: number }): string {
    const defaults = { queueLength: 1024, receiveBuffer: 1 << 20, copyRange: 0xffff, gso: true, failOpen: false };
    return this.keep(name, () => native.queueOpen({ ...defaults, ...options }));
  }

  logOpen(name: string, options: Partial<LogOptions> & { group: number }): string {
    const defaults = { receiveBuffer: 1 << 20, qthreshold: 1, qtimeout: 100, maxSize: 18_432 };
    return this.keep(name, () => native.logOpen({ ...defaults, ...options }));
  }

  /** Waits for something, then takes what is there, at most `max`. */
  take(name: string, max = 64, ms = 2000): NetfilterFrame[] {
    const source = this.of(name);
    const handles = Int32Array.of(source.handle);
    if (!native.sourceWait(handles, 1, -1, ms)) return [];
    const count = native.sourceReceive(handles, 1, this.frames, max);
    const memory = new Uint8Array(source.buffer);
    return Array.from({ length: count }, (_, i) => {
      const words = Array.from(this.frames.subarray(i * FrameWord.Words, (i + 1) * FrameWord.Words));
      return { words, bytes: memory.slice(words[FrameWord.Offset], words[FrameWord.Offset] + words[FrameWord.Captured]) };
    });
  }

  /** Messages sent and refused; a refusal is known after the next take. */
  answer(name: string, verdicts: NetfilterVerdict[]): number[] {
    const words = new Int32Array(verdicts.length * VerdictWord.Words);
    let at = 0;
    verdicts.forEach(({ id, verdict, upTo, mark, payload }, i) => {
      const w = i * VerdictWord.Words;
      words.set([id, upTo ? 1 : 0, verdict, mark ?? 0, mark === undefined ? 0 : 1], w);
      if (payload === undefined) return;
      this.payload.set(payload, at);
      words.set([this.payloadRegion, at, payload.length], w + VerdictWord.Region);
      at += payload.length;
    });
    const result = new Int32Array(2);
    native.queueVerdict(this.of(name).handle, words, verdicts.length, result);
    return Array.from(result);
  }

  queueStatistics(name: string): number[] {
    const out = new Float64Array(QueueStat.Words);
    native.queueStatistics(this.of(name).handle, out);
    return Array.from(out);
  }

  logStatistics(name: string): number[] {
    const out = new Float64Array(2);
    native.logStatistics(this.of(name).handle, out);
    return Array.from(out);
  }

  closeIntake(name: string): void {
    native.sourceCloseIntake(this.of(name).handle);
  }

  close(name: string): void {
    native.sourceClose(this.of(name).handle);
    this.open.delete(name);
  }

  /** Errno of each: the packet routed, the frame put on the interface with that index. */
  rawSend(packet: Uint8Array, iface = 0): number {
    native.rawOpen();
    this.payload.set(packet);
    return native.rawSend(this.payloadRegion, 0, packet.length, iface);
  }

  linkSend(frame: Uint8Array, iface: number): number {
    native.rawOpen();
    this.payload.set(frame);
    return native.linkSend(this.payloadRegion, 0, frame.length, iface);
  }

  private keep(name: string, open: () => SourceHandle): string {
    try {
      this.open.set(name, open());
      return '';
    } catch (error) {
      return `${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`;
    }
  }

  private of(name: string): SourceHandle {
    const source = this.open.get(name);
    if (source === undefined) throw new Error(`no source ${name}`);
    return source;
  }
}
