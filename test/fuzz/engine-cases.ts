import * as build from '../../src/lab/packets.js';
import { type Case, type Delivery, frame, type Random, type Talk } from './delivery.js';
import { deliveriesOf, MOST_PACKET, mutated } from './mutate.js';

const HOSTS = ['10.1.2.3', '192.0.2.7'];
const PORTS = [80, 443, 53, 22, 21, 25, 8080];
const { syn, ack, fin, rst, psh, urg } = build.TCP;

interface Segment {
  direction: number;
  seq: number;
  flags: number;
  bytes: Uint8Array;
}
const NOTHING = new Uint8Array(0);

/** A changed talk as segments of a connection: out of order, again and otherwise, overlapping, lost. */
export function streamCase(random: Random, talks: readonly Talk[]): Case {
  const list = segmentsOf(random, deliveriesOf(random, random.pick(talks), talks));
  if (random.chance(60)) disturb(random, list);
  const ports = [40000, random.pick(PORTS)];
  // What each side has sent: the other acknowledges it, or some of it.
  const sent = [list[0].seq + 1, list[1].seq + 1];
  const acknowledges = random.pick([0, 50, 95, 100]);
  const acked = [...sent];
  const deliveries: Delivery[] = [];
  for (const { direction, seq, flags, bytes } of list) {
    if (random.chance(acknowledges)) acked[direction ^ 1] = sent[direction ^ 1];
    const [src, dst] = direction === 0 ? HOSTS : [HOSTS[1], HOSTS[0]];
    const fields = { src, dst, srcPort: ports[direction], dstPort: ports[direction ^ 1], flags, seq: seq >>> 0, checksum: 0 };
    const segment = build.tcp({ ...fields, ack: (flags & ack) !== 0 ? acked[direction ^ 1] >>> 0 : 0, urgent: random.below(4) }, bytes);
    deliveries.push(frame(build.ethernet({}, build.ipv4({ src, dst, proto: build.PROTO.tcp }, segment))));
    sent[direction] = Math.max(sent[direction], seq + bytes.length);
  }
  return { datagrams: false, listener: random.chance(50), deliveries };
}

function segmentsOf(random: Random, pieces: readonly Delivery[]): Segment[] {
  const isn = [random.below(2 ** 32), random.below(2 ** 32)];
  const next = [isn[0] + 1, isn[1] + 1];
  const list: Segment[] = [
    { direction: 0, seq: isn[0], flags: syn, bytes: NOTHING },
    { direction: 1, seq: isn[1], flags: syn | ack, bytes: NOTHING },
    { direction: 0, seq: next[0], flags: ack, bytes: NOTHING },
  ];
  for (const { kind, direction, bytes, length } of pieces) {
    if (kind === 'finish') list.push({ direction, seq: next[direction], flags: fin | ack, bytes: NOTHING });
    else if (kind === 'data') {
      for (let at = 0; at < bytes.length; at += MOST_PACKET)
        list.push({ direction, seq: next[direction] + at, flags: ack | psh, bytes: bytes.subarray(at, at + MOST_PACKET) });
    }
    // A gap: segments that never come.
    next[direction] += length;
    if (random.chance(30)) list.push({ direction: direction ^ 1, seq: next[direction ^ 1], flags: ack, bytes: NOTHING });
  }
  if (random.chance(60)) for (const direction of [0, 1]) list.push({ direction, seq: next[direction], flags: fin | ack, bytes: NOTHING });
  return list;
}

function disturb(random: Random, list: Segment[]): void {
  const at = () => 3 + random.below(Math.max(1, list.length - 3));
  for (let n = random.size(8); n > 0 && list.length > 3; n--) {
    const i = Math.min(at(), list.length - 1);
    const one = list[i];
    const j = Math.min(list.length - 1, i + random.size(6));
    switch (random.below(7)) {
      case 0:
        [list[i], list[j]] = [list[j], one];
        break;
      case 1:
        list.splice(j, 0, one);
        break;
      case 2:
        if (one.bytes.length > 0) list.splice(j, 0, { ...one, bytes: mutated(random, one.bytes, one.bytes) });
        break;
      case 3:
        list.splice(i, 1);
        break;
      case 4:
        list[i] = { ...one, seq: one.seq + random.size(2 ** random.below(31)) * (random.chance(50) ? 1 : -1) };
        break;
      case 5:
        list.splice(j, 0, {
          ...one,
          seq: one.seq + random.below(one.bytes.length + 1),
          bytes: one.bytes.slice(0, random.below(one.bytes.length + 1)),
        });
        break;
      default:
        list[i] = { ...one, flags: one.flags ^ random.pick([rst, fin, syn, urg, ack]) };
    }
  }
}

/** Frames of a flow, some of them changed; those of another among them. */
export function packetCase(random: Random, flows: readonly Uint8Array[][]): Case {
  const rate = random.pick([5, 20, 50, 100]);
  const deliveries: Delivery[] = [];
  const frames = [...random.pick(flows)];
  if (random.chance(30)) {
    for (const other of random.pick(flows)) frames.splice(random.below(frames.length + 1), 0, other);
  }
  for (const bytes of frames) {
    const changed = random.chance(rate) ? mutated(random, bytes, random.pick(random.pick(flows))) : bytes;
    deliveries.push(frame(changed));
    if (random.chance(5)) deliveries.push(frame(changed));
    if (random.chance(2)) deliveries[deliveries.length - 1].wait = random.size(100_000);
  }
  return { datagrams: false, listener: random.chance(50), deliveries };
}
