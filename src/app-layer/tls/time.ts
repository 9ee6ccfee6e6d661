import { Tag } from './der.js';
import type { Printer } from './printer.js';

const SECONDS_OF_DAY = 86400;

/**
 * A time of a certificate (RFC 5280, 4.1.2.5): UTCTime or GeneralizedTime; seconds, fractions and an offset may be there.
 * The object is reused: days since 1970 and seconds of that day, in UTC.
 */
export class CertificateTime {
  days = 0;
  seconds = 0;

  /** False: no time; nothing was changed. */
  read(tag: number, mem: Uint8Array, from: number, to: number): boolean {
    let at = from;
    let year: number;
    if (tag === Tag.UtcTime) {
      year = pair(mem, at, to);
      year += year >= 50 ? 1900 : 2000;
      at += 2;
    } else if (tag === Tag.GeneralizedTime) {
      year = pair(mem, at, to) * 100 + pair(mem, at + 2, to);
      at += 4;
    } else return false;
    const month = pair(mem, at, to);
    const day = pair(mem, at + 2, to);
    const hour = pair(mem, at + 4, to);
    const minute = pair(mem, at + 6, to);
    at += 8;
    if (at > to || year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23) return false;
    if (minute < 0 || minute > 59) return false;
    let second = 0;
    if (at < to && mem[at] >= 0x30 && mem[at] <= 0x39) {
      second = pair(mem, at, to);
      if (second < 0 || second > 60) return false;
      at += 2;
    }
    if (at < to && (mem[at] === 0x2e || mem[at] === 0x2c)) {
      at++;
      while (at < to && mem[at] >= 0x30 && mem[at] <= 0x39) at++;
    }
    let total = hour * 3600 + minute * 60 + second;
    if (at < to && (mem[at] === 0x2b || mem[at] === 0x2d)) {
      const hours = pair(mem, at + 1, to);
      const minutes = pair(mem, at + 3, to);
      if (hours < 0 || minutes < 0) return false;
      total += (mem[at] === 0x2b ? -1 : 1) * (hours * 3600 + minutes * 60);
    }
    const over = Math.floor(total / SECONDS_OF_DAY);
    this.days = daysFromDate(year, month, day) + over;
    this.seconds = total - over * SECONDS_OF_DAY;
    return true;
  }
}

/** Two digits, or a number far below 0. */
function pair(mem: Uint8Array, at: number, to: number): number {
  if (at + 2 > to) return -100000;
  const a = mem[at] - 0x30;
  const b = mem[at + 1] - 0x30;
  return a < 0 || a > 9 || b < 0 || b > 9 ? -100000 : a * 10 + b;
}

/** Days since 1970 of a date in the Gregorian calendar. */
export function daysFromDate(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719468;
}

/** As EVE has it: `2019-10-10T20:58:42`. */
export function printTime(days: number, seconds: number, out: Printer): void {
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const ofEra = z - era * 146097;
  const yearOfEra = Math.floor((ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36524) - Math.floor(ofEra / 146096)) / 365);
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const mp = Math.floor((5 * ofYear + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  out.padded(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), 4);
  out.byte(0x2d);
  out.padded(month, 2);
  out.byte(0x2d);
  out.padded(ofYear - Math.floor((153 * mp + 2) / 5) + 1, 2);
  out.byte(0x54);
  out.padded(Math.floor(seconds / 3600), 2);
  out.byte(0x3a);
  out.padded(Math.floor(seconds / 60) % 60, 2);
  out.byte(0x3a);
  out.padded(seconds % 60, 2);
}
