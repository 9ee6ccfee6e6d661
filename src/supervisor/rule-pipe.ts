import { readSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { SluiceError } from '../errors.js';
import type { RuleImage } from './rule-image.js';

/**
 * A RuleImage on its way to a child: a message says what it consists of, a pipe carries the bytes, in that order. As part of the
 * message they would be copied three times over, and the copies, 25 MB each for 25,000 rules, would lie about until something
 * else makes V8 collect them.
 *
 *   message { image: 22742632, databases: [ { key, length: 614344 }, .. ] }    pipe | image | database 0 | database 1 | ..
 */
export interface RuleEnvelope extends Omit<RuleImage, 'bytes' | 'databases'> {
  /** Bytes of the image, and of each database. */
  image: number;
  databases: { key: string; length: number }[];
}

export function envelope({ bytes, databases, ...rest }: RuleImage): RuleEnvelope {
  return { ...rest, image: bytes.length, databases: databases.map((one) => ({ key: one.key, length: one.bytes.length })) };
}

/** The bytes of an envelope; they must not change before the other side has answered. */
export function sendRules(pipe: Writable, { bytes, databases }: RuleImage): void {
  for (const part of [bytes, ...databases.map((one) => one.bytes)]) if (part.length > 0) pipe.write(part);
}

/**
 * The other side: waits for the bytes. The image lies in memory that threads share, in `into` when it has the room. Throws
 * SLUICE_SYSTEM when the supervisor is gone.
 */
export function receiveRules(fd: number, { image, databases, ...rest }: RuleEnvelope, into?: SharedArrayBuffer): RuleImage {
  const room = into !== undefined && into.byteLength >= image ? into : new SharedArrayBuffer(image);
  const bytes = receive(fd, new Uint8Array(room, 0, image));
  return { ...rest, bytes, databases: databases.map(({ key, length }) => ({ key, bytes: receive(fd, new Uint8Array(length)) })) };
}

function receive(fd: number, into: Uint8Array): Uint8Array {
  for (let at = 0; at < into.length; ) {
    const n = readSync(fd, into, at, into.length - at, null);
    if (n === 0) throw new SluiceError('SLUICE_SYSTEM', 'the rules were cut short: the supervisor is gone');
    at += n;
  }
  return into;
}
