/**
 * Addresses as text, from the big-endian int32 words of `Packet.src` / `Packet.dst`.
 * IPv6 in full form (8 groups of 4 digits), as Suricata prints it in EVE and fast.log.
 */

export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function group(word: number): string {
  const digits = (word >>> 0).toString(16).padStart(8, '0');
  return `${digits.slice(0, 4)}:${digits.slice(4)}`;
}

/** Four words from `words[at]`. */
export function formatIpv6(words: Int32Array, at = 0): string {
  return `${group(words[at])}:${group(words[at + 1])}:${group(words[at + 2])}:${group(words[at + 3])}`;
}

/** `version` 4 or 6; anything else gives ''. */
export function formatAddress(version: number, words: Int32Array, at = 0): string {
  return version === 4 ? formatIpv4(words[at]) : version === 6 ? formatIpv6(words, at) : '';
}
