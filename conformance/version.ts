/** Version numbers of the suite: `8`, `8.0`, `8.0.7`; a part that is not written is undefined. */
export interface Version {
  major: number;
  minor?: number;
  patch?: number;
}

/** Reads a version as the suite does: behind the words "Suricata version" or at the start of the text. */
export function parseVersion(text: string): Version | undefined {
  const match = /(?:Suricata version |^)(\d+)\.?(\d+)?\.?(\d+)?/.exec(text.trim());
  if (!match) return undefined;
  const part = (digits: string | undefined) => (digits === undefined ? undefined : Number(digits));
  return { major: Number(match[1]), minor: part(match[2]), patch: part(match[3]) };
}

/** Below 0, 0 or above 0, parts that are missing counted as 0. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || (a.minor ?? 0) - (b.minor ?? 0) || (a.patch ?? 0) - (b.patch ?? 0);
}

/** True when every part that both have is equal: 4 fits 4.1.2, 4.0.3 fits 4.0.3 only. */
export function sameVersion(a: Version, b: Version): boolean {
  const agree = (x: number | undefined, y: number | undefined) => x === undefined || y === undefined || x === y;
  return a.major === b.major && agree(a.minor, b.minor) && agree(a.patch, b.patch);
}
