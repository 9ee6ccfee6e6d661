/**
 * Which bytes a host takes when two segments that it cannot hand to its program yet have numbers in common: what
 * suricata.yaml's host-os-policy names, as classes of hosts that do the same.
 *
 *   new wins        begins before held     begins with held              begins behind held
 *   First           -                      -                             -
 *   Last            always                 always                        always
 *   Bsd             always                 -                             -
 *   Linux           always                 ends behind it                -
 *   OldLinux        always                 ends with it or behind it     -
 *   Solaris         ends with it or behind ends with it or behind it     ends behind it
 */
export const enum Overlap {
  First = 0,
  Last = 1,
  Bsd = 2,
  Linux = 3,
  OldLinux = 4,
  Solaris = 5,
}

/** Class of each name in host-os-policy. */
export const OVERLAP_BY_NAME: Readonly<Record<string, Overlap>> = {
  first: Overlap.First,
  last: Overlap.Last,
  bsd: Overlap.Bsd,
  'bsd-right': Overlap.First,
  'old-linux': Overlap.OldLinux,
  linux: Overlap.Linux,
  'old-solaris': Overlap.First,
  solaris: Overlap.Solaris,
  hpux10: Overlap.Bsd,
  hpux11: Overlap.Solaris,
  irix: Overlap.Bsd,
  macos: Overlap.Bsd,
  vista: Overlap.First,
  windows: Overlap.Bsd,
  windows2k3: Overlap.Bsd,
};

/** What an address without an entry gets, as in Suricata. */
export const DEFAULT_OVERLAP = Overlap.Bsd;

/**
 * Whether the bytes of the newcomer replace those held. `begin`: where the newcomer begins as seen from the held segment
 * (negative: before it); `end`: where it ends as seen from the end of the held one.
 */
export function newWins(policy: number, begin: number, end: number): boolean {
  switch (policy) {
    case Overlap.Last:
      return true;
    case Overlap.Bsd:
      return begin < 0;
    case Overlap.Linux:
      return begin < 0 || (begin === 0 && end > 0);
    case Overlap.OldLinux:
      return begin < 0 || (begin === 0 && end >= 0);
    case Overlap.Solaris:
      return begin > 0 ? end > 0 : end >= 0;
    default:
      return false;
  }
}

/** Where segments begin and end does not matter: neighbours may be kept as one. */
export function ignoresBounds(policy: number): boolean {
  return policy <= Overlap.Last;
}
