import { EventRing } from './event-ring.js';
import { PACKET_RING_HEADER } from './packet-ring.js';

/**
 * The shared memory between the capture and the detection process, drawn once.
 *
 *   arena memfd (capture + detection + supervisor)
 *   | capture flags     | worker flags      | event ring of thread 0..E-1 | packet ring (c, w), c-major        |
 *   | 64 B per thread   | 64 B per worker   | 128 B + eventRing bytes     | 4 KiB header + packetRing bytes    |
 *
 *   control memfd (capture + supervisor; the detection process never sees it)
 *   | 64 B of process words, see Control | 64 B per capture thread: word 0 counts its turns |
 *
 *   counters memfd: see src/metrics/counters.ts
 *
 * Flags: word 0 of a line is 1 while its thread sleeps; whoever finds it 1 sets it to 0 and wakes the
 * thread (eventfd for a capture thread, which also waits for sockets; futex for a worker).
 */
export interface ArenaLayout {
  captureThreads: number;
  workers: number;
  eventRings: number;
  eventRingBytes: number;
  packetRingBytes: number;
  eventsAt: number;
  packetsAt: number;
  bytes: number;
}

const LINE = 64;

export function arenaLayout(
  captureThreads: number,
  workers: number,
  eventRings: number,
  eventRingBytes: number,
  packetRingBytes: number,
): ArenaLayout {
  const eventsAt = LINE * (captureThreads + workers);
  const eventsEnd = eventsAt + eventRings * EventRing.bytesFor(eventRingBytes);
  // No int32 arithmetic: the caller checks the size afterwards.
  const packetsAt = Math.ceil(eventsEnd / 4096) * 4096;
  const bytes = packetsAt + captureThreads * workers * (PACKET_RING_HEADER + packetRingBytes);
  return { captureThreads, workers, eventRings, eventRingBytes, packetRingBytes, eventsAt, packetsAt, bytes };
}

/** Word index of a capture thread's sleeping flag. */
export function captureFlag(thread: number): number {
  return (LINE * thread) >> 2;
}

/** Word index of a worker's sleeping flag. */
export function workerFlag(layout: ArenaLayout, worker: number): number {
  return (LINE * (layout.captureThreads + worker)) >> 2;
}

/** First byte of an event ring, and of a packet ring's header. */
export function eventRingAt(layout: ArenaLayout, index: number): number {
  return layout.eventsAt + index * EventRing.bytesFor(layout.eventRingBytes);
}
export function packetRingAt(layout: ArenaLayout, capture: number, worker: number): number {
  return layout.packetsAt + (capture * layout.workers + worker) * (PACKET_RING_HEADER + layout.packetRingBytes);
}

/** Words of the control memfd. */
export const enum Control {
  /** 1: stop taking packets in, finish what is in flight, end. */
  Stop = 0,
  /** 1: every socket is open; forwarding may begin. */
  Start = 1,
  /** 1 while a detection process is attached to the rings. */
  DetectAlive = 2,
  /** Counts detection processes: a change tells capture threads to begin a new epoch. */
  DetectGeneration = 3,
  Words = 16,
}

/** Word index of a capture thread's heartbeat. */
export function heartbeatWord(thread: number): number {
  return Control.Words + 16 * thread;
}
export function controlBytes(captureThreads: number): number {
  return 4 * (Control.Words + 16 * captureThreads);
}
