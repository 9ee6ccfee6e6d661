import { SluiceError } from '../errors.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import type { Mode } from '../ring/verdict.js';
import { MAX_BATCH, SEND_WORDS, SendResult } from './frames.js';
import type { SourcePlan } from './plan.js';

/** One socket of a capture thread: what comes in by it, and where that goes out. */
export class PacketSource {
  readonly handle: number;
  readonly ring: Uint8Array;
  readonly ringRegion: number;
  readonly overflow: Uint8Array;
  readonly overflowRegion: number;
  readonly vnet: boolean;
  readonly mode: Mode;
  /** Index of the interface in the plan; what Packet.source carries. */
  readonly index: number;
  /** The socket that its packets leave by; undefined for IDS. */
  peer: PacketSource | undefined;
  readonly name: string;
  private readonly interfaceIndex: number;

  // Frames waiting to leave by this socket
  readonly queue = new Int32Array(MAX_BATCH * SEND_WORDS);
  queued = 0;
  private queuedBytes = 0;
  private readonly result = new Int32Array(SendResult.Words);
  private readonly kernel = new Float64Array(2);

  constructor(
    plan: SourcePlan,
    index: number,
    private readonly counters: Float64Array,
  ) {
    const socket = native.packetOpen({
      interface: plan.interface,
      vnet: plan.vnet,
      promiscuous: plan.promiscuous,
      frameSize: plan.frameSize,
      frameCount: plan.frameCount,
      receiveBuffer: plan.receiveBuffer,
      fanoutId: plan.threads > 1 || plan.fanoutDefrag ? plan.clusterId : -1,
      fanoutType: plan.fanoutType,
      fanoutDefrag: plan.fanoutDefrag,
    });
    this.handle = socket.handle;
    this.ring = new Uint8Array(socket.ring);
    this.ringRegion = socket.ringRegion;
    this.overflow = new Uint8Array(socket.overflow);
    this.overflowRegion = socket.overflowRegion;
    this.vnet = plan.vnet;
    this.mode = plan.mode;
    this.index = index;
    this.name = plan.interface;
    this.interfaceIndex = indexOf(plan.interface);
  }

  /** Queues a frame to leave by this socket; sends when the batch is full. */
  send(region: number, offset: number, length: number): void {
    const q = this.queued * SEND_WORDS;
    this.queue[q] = region;
    this.queue[q + 1] = offset;
    this.queue[q + 2] = length;
    this.queuedBytes += length;
    if (++this.queued === MAX_BATCH) this.flush();
  }

  /** Sends what is queued: each frame is sent, or counted under the reason it was not. False: there was nothing. */
  flush(): boolean {
    if (this.queued === 0) return false;
    const r = this.result;
    const c = this.counters;
    r.fill(0);
    native.packetTransmit(this.handle, this.queue, this.queued, r);
    c[Counter.TransmitCalls]++;
    c[Counter.Transmitted] += r[SendResult.Sent];
    c[Counter.TransmittedBytes] +=
      r[SendResult.Sent] === this.queued ? this.queuedBytes : Math.round((this.queuedBytes * r[SendResult.Sent]) / this.queued);
    c[Counter.SendErrors] += r[SendResult.Errors];
    c[Counter.SendBusy] += r[SendResult.Busy];
    c[Counter.SendTooLong] += r[SendResult.TooLong];
    c[Counter.LinkDown] += r[SendResult.LinkDown];
    this.queued = 0;
    this.queuedBytes = 0;
    return true;
  }

  /** Adds the kernel's counts since the last call (it resets them on reading). */
  readStatistics(): void {
    native.packetStatistics(this.handle, this.kernel);
    this.counters[Counter.KernelPackets] += this.kernel[0];
    this.counters[Counter.KernelDrops] += this.kernel[1];
  }

  /**
   * A socket whose interface was deleted stays silent for ever. Ends the thread, and with it the process: the new
   * one binds to the interface that has the name then.
   */
  checkInterface(): void {
    if (indexOf(this.name) !== this.interfaceIndex)
      throw new SluiceError(
        'SLUICE_INTERFACE',
        `interface ${this.name} was taken away: capture starts anew and waits for one of that name`,
      );
  }

  discard(): void {
    this.counters[Counter.Discarded] += native.packetDiscard(this.handle);
  }

  closeIntake(): void {
    native.packetCloseIntake(this.handle);
  }

  close(): void {
    this.readStatistics();
    native.packetClose(this.handle);
  }
}

/** 0: there is none of that name. */
function indexOf(name: string): number {
  try {
    return native.interfaceFacts(name).index;
  } catch {
    return 0;
  }
}
