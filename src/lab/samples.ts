/** Reading what Sluice says of itself: the Prometheus text format, and what two scrapes say of the time between. */

/** What the lab looks at, summed over threads. */
export interface Sample {
  /** Milliseconds, monotonic. */
  at: number;
  packets: number;
  bytes: number;
  /** Drops by reason, those above 0. */
  drops: Map<string, number>;
  /** Packets that got lost without a verdict saying so: kernel, ring, send errors. */
  lost: number;
  /** Verdict latency: upper bound in seconds → packets at or below it. */
  latency: Map<number, number>;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LOST = new Set(['sluice_kernel_drops_total', 'sluice_send_errors_total', 'sluice_truncated_packets_total']);

export function parseSample(text: string, at: number): Sample {
  const sample: Sample = { at, packets: 0, bytes: 0, drops: new Map(), lost: 0, latency: new Map() };
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name, labels = '', number] = match;
    const value = Number(number);
    if (name === 'sluice_capture_packets_total') sample.packets += value;
    else if (name === 'sluice_capture_bytes_total') sample.bytes += value;
    else if (LOST.has(name)) sample.lost += value;
    else if (name === 'sluice_drops_total' && value > 0) add(sample.drops, label(labels, 'reason'), value);
    else if (name === 'sluice_verdict_latency_seconds_bucket') add(sample.latency, bound(label(labels, 'le')), value);
  }
  return sample;
}

function label(labels: string, name: string): string {
  return new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}

function bound(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
}

function add<K>(map: Map<K, number>, key: K, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value);
}

/** The upper bound, in seconds, below which the fraction `q` of the packets since `before` was decided; NaN for none. */
export function latencyQuantile(before: Sample | undefined, now: Sample, q: number): number {
  const bounds = [...now.latency.keys()].sort((a, b) => a - b);
  const since = (b: number) => now.latency.get(b)! - (before?.latency.get(b) ?? 0);
  if (bounds.length === 0) return Number.NaN;
  const total = since(bounds[bounds.length - 1]);
  return total > 0 ? bounds.find((b) => since(b) >= total * q)! : Number.NaN;
}

/** One line for a person: rates between two scrapes, totals of drops. */
export function describe(before: Sample | undefined, now: Sample): string {
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  const rate = (a: number, b = 0) => (seconds > 0 ? (a - b) / seconds : 0);
  const kpps = (rate(now.packets, before?.packets) / 1000).toFixed(1);
  const gbits = ((rate(now.bytes, before?.bytes) * 8) / 1e9).toFixed(2);
  const drops = [...now.drops].map(([reason, count]) => `${reason} ${count}`).join(', ') || 'none';
  const micros = (q: number) => {
    const s = latencyQuantile(before, now, q);
    return Number.isNaN(s) ? '-' : Number.isFinite(s) ? (s * 1e6).toFixed(0) : '>max';
  };
  return `${kpps} kpackets/s  ${gbits} Gbit/s  drops: ${drops}  lost: ${now.lost}  verdict p50/p99 ${micros(0.5)}/${micros(0.99)} µs`;
}
