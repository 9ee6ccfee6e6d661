import { RuleError } from './rule-error.js';

/**
 * Rules are bytes, not characters: a content may hold any byte. Inside this folder a rule is a
 * "byte string", a JavaScript string whose char codes are the bytes 0-255 (Node's latin1).
 */

/** Any string as a byte string: one with characters above U+00FF is encoded as UTF-8. */
export function toByteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A byte string as text for people: UTF-8 where it is valid UTF-8, one character a byte elsewhere. */
export function toText(bytes: string): string {
  let i = 0;
  while (i < bytes.length && bytes.charCodeAt(i) < 0x80) i++;
  if (i === bytes.length) return bytes;
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes;
  }
}

/** ASCII white space only: String.trim would take byte 0xA0 off the end of a UTF-8 sequence. */
export function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

export function trim(text: string): string {
  let first = 0;
  let end = text.length;
  while (first < end && isSpace(text.charCodeAt(first))) first++;
  while (end > first && isSpace(text.charCodeAt(end - 1))) end--;
  return first === 0 && end === text.length ? text : text.slice(first, end);
}

/** A decimal integer in [min, max]. */
export function parseInteger(option: string, text: string, min: number, max: number): number {
  if (!/^-?\d+$/.test(text)) throw new RuleError(option, `takes a number from ${min} to ${max}, got "${shorten(text)}"`);
  const value = Number(text);
  if (!(value >= min && value <= max)) throw new RuleError(option, `${shorten(text)} is out of range, ${min} to ${max} are allowed`);
  return value + 0; // no -0: it prints as 0
}

/** For messages: hostile rules may be megabytes long. */
export function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
