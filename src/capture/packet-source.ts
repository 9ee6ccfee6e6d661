import { SluiceError } from '../errors.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { Side } from '../ring/verdict.js';
import { MAX_BATCH, SEND_WORDS, SendResult } from './frames.js';
import type { PacketSourcePlan } from './plan.js';
import type { Responder } from './reject.js';
import { Source } from './source.js';

/** One AF_PACKET socket of a capture thread: what comes in by it, and where that goes out. */
export class PacketSource extends Source {
  readonly handle: number;
  readonly selective = 0;
  readonly ring: Uint8Array;
  readonly ringRegion: number;
  readonly overflow: Uint8Array;
  readonly vnet: boolean;
  /** The socket that its packets leave by; undefined for IDS. */
  peer: PacketSource | undefined;
  private readonly interfaceIndex: number;
  private readonly routed: boolean;

  // Frames waiting to leave by this socket
  private readonly queue = new Int32Array(MAX_BATCH * SEND_WORDS);
  private queued = 0;
  private queuedBytes = 0;
  private readonly result = new Int32Array(SendResult.Words);
  private readonly kernel = new Float64Array(2);

  constructor(
    plan: PacketSourcePlan,
    index: number,
    counters: Float64Array,
    private readonly responder: Responder,
  ) {
    super(index, plan.name, plan.mode, counters);
    const socket = native.packetOpen({
      interface: plan.name,
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
    this.vnet = plan.vnet;
    this.routed = plan.routed;
    this.interfaceIndex = indexOf(plan.name);
  }

  get losesTruncated(): boolean {
    return this.peer !== undefined;
  }

  memory(region: number): Uint8Array {
    return region === this.ringRegion ? this.ring : this.overflow;
  }

  admit(): number {
    return 0;
  }

  pass(_ticket: number, region: number, offset: number, length: number): void {
    if (this.peer !== undefined) this.peer.send(region, offset, length);
  }

  forwardRewritten(_ticket: number, region: number, offset: number, length: number): void {
    this.counters[Counter.Rewritten]++;
    this.pass(0, region, offset, length);
  }

  drop(): void {}

  /** The bridge answers on the link, from the addresses of the two that talk: it has none of its own. */
  answer(word: number, _ticket: number, mem: Uint8Array, offset: number, length: number, seconds: number): void {
    const { responder } = this;
    // Across a pair the answer goes ahead of the packet, a tap's too: sent with the number behind it, it would be out of order.
    const delivered = this.peer === undefined ? 1 : 0;
    if (this.routed) {
      responder.respondRouted(mem, offset, offset + length, word, delivered, seconds, 0);
      return;
    }
    const out = this.peer ?? this;
    // One at a time: the responder has room for one frame.
    if ((word & Side.Source) !== 0 && responder.frame(mem, offset, offset + length, word, Side.Source, delivered, seconds)) {
      this.send(responder.region, responder.offset, responder.length);
      this.flush();
    }
    if ((word & Side.Destination) !== 0 && responder.frame(mem, offset, offset + length, word, Side.Destination, delivered, seconds)) {
      out.send(responder.region, responder.offset, responder.length);
      out.flush();
    }
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

  impatient(): boolean {
    return false;
  }

  everySecond(): void {
    this.readStatistics();
    // A socket whose interface was deleted stays silent for ever. Ends the thread, and with it the process: the new
    // one binds to the interface that has the name then.
    if (indexOf(this.name) !== this.interfaceIndex)
      throw new SluiceError(
        'SLUICE_INTERFACE',
        `interface ${this.name} was taken away: capture starts anew and waits for one of that name`,
      );
  }

  /** Adds the kernel's counts since the last call (it resets them on reading). */
  private readStatistics(): void {
    native.packetStatistics(this.handle, this.kernel);
    this.counters[Counter.KernelPackets] += this.kernel[0];
    this.counters[Counter.KernelDrops] += this.kernel[1];
  }

  discard(): void {
    this.counters[Counter.Discarded] += native.packetDiscard(this.handle);
  }

  closeIntake(): void {
    native.sourceCloseIntake(this.handle);
  }

  close(): void {
    this.readStatistics();
    native.sourceClose(this.handle);
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
