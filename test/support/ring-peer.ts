import { native } from '../../src/native.js';
import { PacketRingConsumer, RECORD_HEADER, Rec } from '../../src/ring/packet-ring.js';
import { PeerFd, pattern, RING } from './ring-shape.js';

/**
 * The worker side of the two-process ring test: checks every record's bytes against the sequence, decides
 * it, and reports. `argv[2]`: records to take; `argv[3]`: die (SIGKILL) with a record taken but undecided
 * after so many.
 */
const total = Number(process.argv[2]);
const dieAfter = Number(process.argv[3] ?? -1);
const arena = native.mapFd(PeerFd.Arena, RING.bytes);
const mem = new Uint8Array(arena);
const words = new Int32Array(arena);
const ring = new PacketRingConsumer(words, RING.at, RING.capacity, RING.captureFlag, PeerFd.Event);
ring.attach();
process.send?.('attached');

let taken = 0;
while (taken < total) {
  if (!ring.refresh()) {
    Atomics.store(words, RING.workerFlag, 1);
    if (!ring.refresh()) native.futexWait(words, RING.workerFlag, 1, 100);
    Atomics.store(words, RING.workerFlag, 0);
    continue;
  }
  for (let at = ring.next(); at >= 0; at = ring.next()) {
    if (taken === dieAfter) process.kill(process.pid, 'SIGKILL');
    const r = at >> 2;
    const sequence = words[r + Rec.Seconds];
    const length = words[r + Rec.Captured];
    if (sequence !== taken) fail(`record ${taken} carries sequence ${sequence}`);
    for (let i = 0; i < length; i++)
      if (mem[at + RECORD_HEADER + i] !== pattern(sequence, i))
        fail(`record ${sequence} byte ${i} of ${length} is ${mem[at + RECORD_HEADER + i]}`);
    ring.decide(at, (sequence % 2) + 1, sequence & 0xff, sequence, ~sequence, sequence + 1);
    taken++;
  }
  ring.publish();
  if (ring.mustWake()) native.eventfdSignal(ring.captureEvent);
}
process.send?.('done', () => process.exit(0));

function fail(why: string): never {
  process.stderr.write(`ring peer: ${why}\n`);
  process.exit(1);
}
