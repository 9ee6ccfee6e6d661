/**
 * Tests on bytes: what content, pcre and their like become. They stand in lists, one per buffer (the packet's payload or
 * a sticky buffer), in the order written. Source: user guide, "Payload Keywords".
 */

export interface ContentOption {
  kind: 'content';
  /** Raw bytes, |hex| and escapes decoded. Lower-cased when nocase. */
  pattern: Uint8Array;
  negated: boolean;
  nocase: boolean;
  offset?: number;
  depth?: number;
  distance?: number;
  within?: number;
  startswith: boolean;
  endswith: boolean;
  /** fast_pattern; `only` and `chop` as given. */
  fastPattern: boolean;
  fastPatternOnly: boolean;
  fastPatternChop?: { offset: number; length: number };
  rawbytes: boolean;
  /** `replace`: as many bytes as the pattern, written over its match when the packet is forwarded inline. */
  replace?: Uint8Array;
}

export interface PcreOption {
  kind: 'pcre';
  /** Without delimiters. */
  pattern: string;
  negated: boolean;
  /** PCRE2 flags: a subset of i, s, m, x, A, E, G. */
  flags: string;
  /** R: relative to the last match. */
  relative: boolean;
}

export type ByteOption = ContentOption | PcreOption;
