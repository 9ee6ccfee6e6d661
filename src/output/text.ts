/** Pieces of text the log formats share: addresses, times, printable payload. */

/** IPv4 dotted; IPv6 in full, eight groups of four digits, as Suricata prints it. `words`: see EventRecord.src. */
export function addressText(version: number, words: Uint32Array): string {
  if (version === 4) {
    const w = words[0];
    return `${w >>> 24}.${(w >>> 16) & 255}.${(w >>> 8) & 255}.${w & 255}`;
  }
  if (version !== 6) return '';
  let text = '';
  for (let i = 0; i < 4; i++) {
    const hex = words[i].toString(16).padStart(8, '0');
    text += `${i > 0 ? ':' : ''}${hex.slice(0, 4)}:${hex.slice(4)}`;
  }
  return text;
}

const two = (n: number) => (n < 10 ? `0${n}` : String(n));

/** Microseconds of a nanosecond count, six digits. */
function micros(nsec: number): string {
  return Math.trunc(nsec / 1000)
    .toString()
    .padStart(6, '0');
}

interface Second {
  sec: number;
  eve: string;
  zone: string;
  fast: string;
}

/** Events come in bursts of the same few seconds: a direct-mapped cache saves the calendar arithmetic. */
const seconds: Second[] = Array.from({ length: 64 }, () => ({ sec: -1, eve: '', zone: '', fast: '' }));

function second(sec: number): Second {
  const entry = seconds[sec & 63];
  if (entry.sec === sec) return entry;
  const d = new Date(sec * 1000);
  const year = String(d.getFullYear());
  const month = two(d.getMonth() + 1);
  const day = two(d.getDate());
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const east = -d.getTimezoneOffset();
  const abs = Math.abs(east);
  entry.sec = sec;
  entry.eve = `${year}-${month}-${day}T${clock}.`;
  entry.zone = `${east < 0 ? '-' : '+'}${two(Math.trunc(abs / 60))}${two(abs % 60)}`;
  entry.fast = `${month}/${day}/${year}-${clock}.`;
  return entry;
}

/** `2023-11-14T22:13:20.770571+0000`, local time. */
export function eveTime(sec: number, nsec: number): string {
  const s = second(sec);
  return s.eve + micros(nsec) + s.zone;
}

/** `11/14/2023-22:13:20.770571`, local time. */
export function fastTime(sec: number, nsec: number): string {
  return second(sec).fast + micros(nsec);
}

/** Bytes as ASCII, each byte that is not printable as a dot; line ends stay (eve `payload_printable`). */
export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const b of bytes) text += (b >= 0x20 && b < 0x7f) || b === 0x0a || b === 0x0d ? String.fromCharCode(b) : '.';
  return text;
}

/** One line of a log must stay one line, whatever a rule's msg holds. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  return text.replace(/[\u0000-\u001f\u007f]/g, ' ');
}
