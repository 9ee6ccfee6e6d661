import { ascii, lower } from './bytes.js';
import { Part } from './head-layout.js';

/** Headers that are parts by themselves: name, part, direction (2: both). */
const KNOWN: [string, Part, direction: number][] = [
  ['cookie', Part.Cookie, 0],
  ['set-cookie', Part.Cookie, 1],
  ['host', Part.Host, 0],
  ['user-agent', Part.UserAgent, 0],
  ['accept', Part.Accept, 0],
  ['accept-encoding', Part.AcceptEnc, 0],
  ['accept-language', Part.AcceptLang, 0],
  ['referer', Part.Referer, 0],
  ['connection', Part.Connection, 2],
  ['content-length', Part.ContentLen, 2],
  ['content-type', Part.ContentType, 2],
  ['location', Part.Location, 1],
  ['server', Part.Server, 1],
  ['content-disposition', Part.Disposition, 2],
  ['content-range', Part.ContentRange, 1],
  ['content-encoding', Part.Encoding, 2],
  ['transfer-encoding', Part.Transfer, 2],
  ['upgrade', Part.Upgrade, 2],
];
const NAME_BYTES = KNOWN.map(([name]) => ascii(name));

/** A name's hash, by a byte more (letters small, NUL bytes left out). */
export function step(hash: number, c: number): number {
  return (Math.imul(hash, 31) + c) | 0;
}

const AUTHORIZATION = ascii('authorization');
const AUTHORIZATION_HASH = AUTHORIZATION.reduce(step, 0);
const SCHEMES = ['basic', 'digest', 'bearer'].map(ascii);

/** By the hash's lowest bits: number in KNOWN, -1: none. */
const SLOTS = new Int8Array(256).fill(-1);
for (let k = 0; k < KNOWN.length; k++) {
  let slot = NAME_BYTES[k].reduce(step, 0) & 255;
  while (SLOTS[slot] >= 0) slot = (slot + 1) & 255;
  SLOTS[slot] = k;
}

/** The part that headers of this name are in messages of that direction, -1: none. `hash`: as `step` makes it of the name's bytes. */
export function partOf(hash: number, direction: number, mem: Uint8Array, off: number, len: number): number {
  for (let slot = hash & 255; SLOTS[slot] >= 0; slot = (slot + 1) & 255) {
    const known = KNOWN[SLOTS[slot]];
    if ((known[2] === direction || known[2] === 2) && isName(mem, off, len, NAME_BYTES[SLOTS[slot]])) return known[1];
  }
  return -1;
}

export function isAuthorization(hash: number, mem: Uint8Array, off: number, len: number): boolean {
  return hash === AUTHORIZATION_HASH && isName(mem, off, len, AUTHORIZATION);
}

/** Schemes of Authorization that Suricata knows. */
export function isKnownScheme(mem: Uint8Array, off: number, len: number): boolean {
  for (const scheme of SCHEMES) {
    let k = 0;
    while (k < scheme.length && k < len && lower(mem[off + k]) === scheme[k]) k++;
    if (k === scheme.length) return true;
  }
  return false;
}

/** `name` (lower case), NUL bytes left out. */
function isName(mem: Uint8Array, off: number, len: number, name: Uint8Array): boolean {
  let k = 0;
  for (let i = off; i < off + len; i++) {
    if (mem[i] === 0) continue;
    if (k === name.length || lower(mem[i]) !== name[k]) return false;
    k++;
  }
  return k === name.length;
}
