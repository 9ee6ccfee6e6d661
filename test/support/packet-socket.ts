import { FrameWord, MAX_BATCH, SEND_WORDS, SendResult } from '../../src/capture/frames.js';
import { native } from '../../src/native.js';

/** Longest frame sent. */
const SLOT = 2048;

/** A frame that was received: mem[at, at + length), until the call returns. `ms`: the kernel's time stamp, milliseconds. */
export type TakeFrame = (mem: Uint8Array, at: number, length: number, ms: number) => void;

/**
 * Raw frames of a network interface, for peer processes. No offloads: what is received is what the wire would show, with VLAN tags
 * put back.
 */
export class PacketSocket {
  private readonly handles: Int32Array;
  private readonly ring: Uint8Array;
  private readonly ringRegion: number;
  private readonly overflow: Uint8Array;
  private readonly received = new Int32Array(MAX_BATCH * FrameWord.Words);
  private readonly slots = new ArrayBuffer(MAX_BATCH * SLOT);
  private readonly slotBytes = new Uint8Array(this.slots);
  private readonly slotView = new DataView(this.slots);
  private readonly slotRegion = native.region(this.slots);
  private readonly words = new Int32Array(MAX_BATCH * SEND_WORDS);
  private readonly result = new Int32Array(SendResult.Words);
  private readonly statistics = new Float64Array(2);

  /** `frameCount`: how many received frames wait in the kernel. */
  constructor(iface: string, frameCount: number) {
    const socket = native.packetOpen({
      interface: iface,
      vnet: false,
      promiscuous: true,
      frameSize: SLOT,
      frameCount,
      receiveBuffer: 16 << 20,
      fanoutId: -1,
      fanoutType: 0,
      fanoutDefrag: false,
    });
    this.handles = Int32Array.of(socket.handle);
    this.ring = new Uint8Array(socket.ring);
    this.ringRegion = socket.ringRegion;
    this.overflow = new Uint8Array(socket.overflow);
  }

  /** The i-th frame of the next batch. */
  put(i: number, frame: Uint8Array): void {
    this.slotBytes.set(frame, i * SLOT);
  }

  /** Writes 32 bits into the i-th frame. */
  put32(i: number, at: number, value: number): void {
    this.slotView.setUint32(i * SLOT + at, value);
  }

  /** Sends the frames put, as many as there are lengths. Throws when the kernel did not take them all. */
  transmit(lengths: readonly number[]): void {
    if (lengths.length === 0) return;
    lengths.forEach((length, i) => {
      this.words.set([this.slotRegion, i * SLOT, length], i * SEND_WORDS);
    });
    this.result.fill(0);
    native.packetTransmit(this.handles[0], this.words, lengths.length, this.result);
    if (this.result[SendResult.Sent] !== lengths.length)
      throw new Error(`packet socket: sent ${this.result.join(' ')} of ${lengths.length}`);
  }

  send(frame: Uint8Array): void {
    this.put(0, frame);
    this.transmit([frame.length]);
  }

  /** Gives all frames that have come. */
  receive(take: TakeFrame): void {
    const { received } = this;
    for (;;) {
      const n = native.sourceReceive(this.handles, 1, received, MAX_BATCH);
      if (n === 0) return;
      for (let i = 0; i < n; i++) {
        const f = i * FrameWord.Words;
        const mem = received[f + FrameWord.Region] === this.ringRegion ? this.ring : this.overflow;
        const ms = received[f + FrameWord.Seconds] * 1000 + received[f + FrameWord.Nanoseconds] / 1e6;
        take(mem, received[f + FrameWord.Offset], received[f + FrameWord.Captured], ms);
      }
    }
  }

  /** Frames that the kernel dropped since the last call. */
  drops(): number {
    native.packetStatistics(this.handles[0], this.statistics);
    return this.statistics[1];
  }
}
