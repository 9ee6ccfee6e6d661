import assert from 'node:assert/strict';
import { buildAnswer } from '../../src/capture/answer.js';
import { Decoder } from '../../src/decode/decoder.js';
import { DECODE_EVENT_NAMES } from '../../src/decode/events.js';
import { Packet } from '../../src/decode/packet.js';
import { Counter } from '../../src/metrics/counters.js';
import { packAnswer, Side } from '../../src/ring/verdict.js';

const decoder = new Decoder({ vxlanPorts: [], teredo: false, teredoPorts: [], checksumValidation: true }, new Float64Array(Counter.Count));

/** Decodes `bytes` as a link type (101 raw IP, 1 Ethernet), checksums validated. */
export function decode(bytes: Uint8Array, linkType = 101): { p: Packet; events: string[] } {
  const p = new Packet();
  p.mem = bytes.slice();
  p.capLen = p.wireLen = bytes.length;
  p.linkType = linkType;
  decoder.decode(p);
  return { p, events: Array.from(p.events.subarray(0, p.eventCount), (code) => DECODE_EVENT_NAMES[code]) };
}

/** The answer word as the worker makes it from a decoded packet. */
export function answerWord(bytes: Uint8Array, linkType = 101, side: Side = Side.Both): number {
  const { p } = decode(bytes, linkType);
  assert.notEqual(p.ipVersion, 0, 'the packet to be rejected does not decode');
  return packAnswer(side, p.ipOff - p.off, p.ipHeaderLen);
}

/**
 * The answer to one side, decoded without events; undefined when there is none. The frame lies amid other bytes, and
 * the answer is written amid others, none of which may change.
 */
export function answerTo(
  frame: Uint8Array,
  side: Side.Source | Side.Destination,
  delivered: 0 | 1 = 0,
  linkType = 101,
  captured = frame.length,
): { p: Packet; bytes: Uint8Array } | undefined {
  const mem = new Uint8Array(frame.length + 100).fill(0xa5);
  mem.set(frame, 37);
  const out = new Uint8Array(600).fill(0x5a);
  const word = answerWord(frame, linkType);
  const length = buildAnswer(mem, 37, 37 + captured, word, side, delivered, out, 51);
  for (let i = 0; i < out.length; i++) if (i < 51 || i >= 51 + length) assert.equal(out[i], 0x5a, `byte ${i} written`);
  if (length === 0) return undefined;
  const bytes = out.slice(51, 51 + length);
  const { p, events } = decode(bytes);
  assert.deepEqual(events, []);
  assert.equal(p.invalid, 0);
  assert.equal(p.ipLen, length);
  assert.equal(p.ttl, 64);
  return { p, bytes };
}
