/** A transform of a buffer (user guide, "Transformations"): its keyword and its value in canonical form, '' without one. */
export interface Transform {
  name: string;
  value: string;
}

/** from_base64 without a value: all bytes from the first, in the mode of RFC 4648. */
export interface Base64Form {
  /** 0: all. */
  bytes: number;
  offset: number;
  mode: Base64Mode;
}
export type Base64Mode = 'strict' | 'rfc4648' | 'rfc2045';

/** gunzip and zlib_deflate: most bytes they make when the rule does not say, and when it does. */
export const DEFAULT_INFLATED = 1024;
export const MAX_INFLATED = 16 * 1024 * 1024;

/** The fields of a canonical value: `bytes 6, offset 2, mode rfc4648`. Missing ones as the user guide has them. */
export function base64Form(value: string): Base64Form {
  const field = (name: string): string | undefined => new RegExp(`\\b${name} (\\S+?)(?:,|$)`).exec(value)?.[1];
  return {
    bytes: Number(field('bytes') ?? 0),
    offset: Number(field('offset') ?? 0),
    mode: (field('mode') ?? 'rfc4648') as Base64Mode,
  };
}

/** Most bytes of a canonical `max-size 64`. */
export function inflatedSize(value: string): number {
  return value === '' ? DEFAULT_INFLATED : Number(value.slice('max-size '.length));
}

/** First byte and byte behind the last of a canonical `2` or `2,-1`; negative ones count from the end. NaN: up to the end. */
export function sliceBounds(value: string): { from: number; to: number } {
  const [from, to] = value.split(',');
  return { from: Number(from), to: to === undefined ? Number.NaN : Number(to) };
}
