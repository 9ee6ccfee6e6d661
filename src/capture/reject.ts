import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { ANSWER_IP_MASK, ANSWER_IP_SHIFT, Side } from '../ring/verdict.js';
import { buildAnswer, MAX_ANSWER, MAX_LINK_HEADER, wrapLink } from './answer.js';

/** So many a second of packet time, and no more: who forges sources must not find an amplifier or a reflector here. */
export class AnswerLimit {
  private left: number;
  private second = 0;

  constructor(private readonly perSecond: number) {
    this.left = perSecond;
  }

  /** Takes one of the answers of that second. False: there is none left. */
  take(seconds: number): boolean {
    // Two sources may stand on two sides of a second: the earlier one does not bring a new allowance. A clock set back does.
    const passed = (seconds - this.second) | 0;
    if (passed > 0 || passed < -1) {
      this.second = seconds;
      this.left = this.perSecond;
    }
    if (this.left <= 0) return false;
    this.left--;
    return true;
  }
}

/**
 * The buffer that answers leave from. A frame's `offset` is byte 16, so the 10 bytes before it are its virtio_net_hdr:
 * never written, all zeros, nothing left to the hardware.
 *
 *   0      6            16                   16 + link
 *   | -    | vnet, 0s   | Ethernet and tags  | IP packet ...
 */
const LEAD = 16;

/** Answers rejected packets, for one capture thread. There is room for one answer at a time. */
export class Responder {
  readonly region: number;
  /** The frame that `frame` made last lies in `region`, here. */
  readonly offset = LEAD;
  length = 0;
  private readonly out = new Uint8Array(LEAD + MAX_LINK_HEADER + MAX_ANSWER);
  private readonly limit: AnswerLimit;

  /** `rate`: most answers per second of packet time; 0: none. */
  constructor(
    private readonly counters: Float64Array,
    rate: number,
  ) {
    this.region = native.region(this.out.buffer);
    this.limit = new AnswerLimit(rate);
  }

  /** Sends the answers asked for by way of the routing table. `ifIndex`: for link-local addresses, else 0. */
  respondRouted(mem: Uint8Array, frame: number, end: number, answer: number, delivered: 0 | 1, seconds: number, ifIndex: number): void {
    if ((answer & Side.Source) !== 0) this.route(mem, frame, end, answer, Side.Source, delivered, seconds, ifIndex);
    if ((answer & Side.Destination) !== 0) this.route(mem, frame, end, answer, Side.Destination, delivered, seconds, ifIndex);
  }

  /**
   * For a frame with an Ethernet header that crosses a bridge: to the source by the port it came in by, to the destination by
   * the port it would leave by. Where there is no such port (0: the host itself) the answer is routed.
   */
  respondLinkByIndex(
    mem: Uint8Array,
    frame: number,
    end: number,
    answer: number,
    delivered: 0 | 1,
    seconds: number,
    inDevice: number,
    outDevice: number,
  ): void {
    if ((answer & Side.Source) !== 0) {
      if (inDevice === 0) this.route(mem, frame, end, answer, Side.Source, delivered, seconds, outDevice);
      else this.link(mem, frame, end, answer, Side.Source, delivered, seconds, inDevice);
    }
    if ((answer & Side.Destination) !== 0) {
      if (outDevice === 0) this.route(mem, frame, end, answer, Side.Destination, delivered, seconds, inDevice);
      else this.link(mem, frame, end, answer, Side.Destination, delivered, seconds, outDevice);
    }
  }

  /**
   * Makes the Ethernet frame that answers one side, for a socket to send before the next call: `length` bytes at `offset`.
   * Counts it as sent. False: there is none.
   */
  frame(
    mem: Uint8Array,
    frame: number,
    end: number,
    answer: number,
    side: Side.Source | Side.Destination,
    delivered: 0 | 1,
    seconds: number,
  ): boolean {
    this.length = this.buildFrame(mem, frame, end, answer, side, delivered);
    if (!this.allowed(this.length, seconds)) return false;
    this.counters[Counter.RejectsSent]++;
    return true;
  }

  private route(
    mem: Uint8Array,
    frame: number,
    end: number,
    answer: number,
    side: Side.Source | Side.Destination,
    delivered: 0 | 1,
    seconds: number,
    ifIndex: number,
  ): void {
    const length = buildAnswer(mem, frame, end, answer, side, delivered, this.out, LEAD);
    if (this.allowed(length, seconds)) this.count(native.rawSend(this.region, LEAD, length, ifIndex));
  }

  private link(
    mem: Uint8Array,
    frame: number,
    end: number,
    answer: number,
    side: Side.Source | Side.Destination,
    delivered: 0 | 1,
    seconds: number,
    device: number,
  ): void {
    const length = this.buildFrame(mem, frame, end, answer, side, delivered);
    if (this.allowed(length, seconds)) this.count(native.linkSend(this.region, LEAD, length, device));
  }

  private buildFrame(
    mem: Uint8Array,
    frame: number,
    end: number,
    answer: number,
    side: Side.Source | Side.Destination,
    delivered: 0 | 1,
  ): number {
    const link = (answer >>> ANSWER_IP_SHIFT) & ANSWER_IP_MASK;
    if (link > MAX_LINK_HEADER) return 0;
    const length = buildAnswer(mem, frame, end, answer, side, delivered, this.out, LEAD + link);
    if (length === 0 || wrapLink(mem, frame, end, answer, side === Side.Source, this.out, LEAD) === 0) return 0;
    return link + length;
  }

  /** Only answers that there are use up the allowance. */
  private allowed(length: number, seconds: number): boolean {
    if (length === 0) {
      this.counters[Counter.RejectsFailed]++;
      return false;
    }
    if (this.limit.take(seconds)) return true;
    this.counters[Counter.RejectsLimited]++;
    return false;
  }

  private count(errno: number): void {
    this.counters[errno === 0 ? Counter.RejectsSent : Counter.RejectsFailed]++;
  }
}
