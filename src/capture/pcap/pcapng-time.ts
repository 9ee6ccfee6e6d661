/**
 * pcapng timestamps: a 64-bit count of units, the unit chosen per interface (if_tsresol), shifted by
 * whole seconds (if_tsoffset). Microseconds and nanoseconds, which is what programs write, are
 * converted in double arithmetic that stays exact; any other unit goes through BigInt.
 */
export interface Clock {
  /** Units per second. */
  readonly units: bigint;
  /** `units` when it is 10^6 or 10^9, else 0: the slow way. */
  readonly fast: number;
  /** Seconds to add. */
  readonly offset: number;
}

export const MICROSECONDS: Clock = { units: 1000000n, fast: 1000000, offset: 0 };

/** @param tsresol the option's byte: the high bit chooses 2^-n instead of 10^-n. */
export function clockOf(tsresol: number, offset: number): Clock {
  const exponent = BigInt(tsresol & 0x7f);
  const units = tsresol & 0x80 ? 2n ** exponent : 10n ** exponent;
  return { units, fast: units === 1000000n || units === 1000000000n ? Number(units) : 0, offset };
}

/** The last conversion: seconds (int32, wraps as the packet's field does) and nanoseconds. */
export const time = { sec: 0, nsec: 0 };

/** Converts high * 2^32 + low units (both given as int32) into `time`. */
export function toTime(clock: Clock, high: number, low: number): void {
  const units = clock.fast;
  if (units === 0) {
    slow(clock, high, low);
    return;
  }
  // Long division, digits of 16 bits: a remainder below 10^9 times 2^16 stays below 2^53.
  let rest = high >>> 0;
  let quotient = Math.floor(rest / units);
  rest -= quotient * units;
  rest = rest * 65536 + (low >>> 16);
  let digit = Math.floor(rest / units);
  quotient = quotient * 65536 + digit;
  rest -= digit * units;
  rest = rest * 65536 + (low & 0xffff);
  digit = Math.floor(rest / units);
  quotient = quotient * 65536 + digit;
  rest -= digit * units;
  time.sec = (quotient + clock.offset) | 0;
  time.nsec = (units === 1000000 ? rest * 1000 : rest) | 0;
}

function slow(clock: Clock, high: number, low: number): void {
  const count = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  time.sec = Number(BigInt.asIntN(32, count / clock.units + BigInt(clock.offset)));
  time.nsec = Number(((count % clock.units) * 1000000000n) / clock.units);
}
