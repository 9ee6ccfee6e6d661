import { ADDRESS } from '../src/lab/namespaces.js';
import { sleep } from '../src/lab/wait.js';
import { type Device, GENERATOR_CPU, Rig } from './rig.js';

export interface InlineOptions {
  peer: string;
  seconds: number;
  rounds: number;
  only: string[];
}

export interface Row {
  test: string;
  device: string;
  /** Median over the rounds, by name. */
  values: Record<string, number>;
}

const FLOWS = 1000;
const PORT = 9999;
const HEAP_PACKETS = 10_000_000;
const WARM_UP_PACKETS = 1_000_000;

/** The inline benchmark: every device in turn, the floor in every round. */
export async function inline(options: InlineOptions, say: (line: string) => void): Promise<Row[]> {
  const rig = new Rig(options.peer);
  const peer: Device[] = options.peer === '' ? [] : ['peer'];
  const tests: [string, Device[], (device: Device) => Promise<Record<string, number>>][] = [
    ['udp-64', ['floor', 'workers', 'autofp', ...peer], (device) => flood(rig, device, 64, options.seconds)],
    ['udp-1500', ['floor', 'workers', 'autofp', ...peer], (device) => flood(rig, device, 1514, options.seconds)],
    ['tcp-gso', ['floor-gso', 'workers', 'autofp', ...peer], (device) => stream(rig, device, options.seconds)],
    ['latency-20k', ['floor', 'workers', 'autofp', ...peer], (device) => latency(rig, device, 20_000, options.seconds)],
    ['latency-100k', ['floor', 'workers', 'autofp', ...peer], (device) => latency(rig, device, 100_000, options.seconds)],
    ['heap', ['workers', 'autofp'], (device) => heap(rig, device)],
  ];
  const rows: Row[] = [];
  try {
    for (const [test, devices, measure] of tests) {
      if (options.only.length > 0 && !options.only.includes(test)) continue;
      const rounds = test === 'heap' ? 1 : options.rounds;
      const results = new Map<Device, Record<string, number>[]>(devices.map((device) => [device, []]));
      for (let round = 0; round < rounds; round++)
        for (const device of devices) {
          const values = await measure(device);
          results.get(device)?.push(values);
          say(`${test} ${device} (${round + 1}/${rounds}): ${show(values)}`);
        }
      for (const [device, list] of results) rows.push({ test, device, values: medians(list) });
    }
  } finally {
    rig.close();
  }
  return rows;
}

/** UDP as fast as the generator can: loss, and CPU of all of the device's processes per packet that arrived. */
async function flood(rig: Rig, device: Device, length: number, seconds: number): Promise<Record<string, number>> {
  await rig.start(device, seconds + 60);
  try {
    // Just-in-time compilation belongs to start-up, not to the packet.
    await generate(rig, length, 1);
    await sleep(300);
    const cpu = rig.cpu();
    const received = rig.received();
    const sent = await generate(rig, length, seconds);
    await sleep(300);
    const after = rig.cpu();
    const arrived = rig.received() - received;
    return {
      kpps: arrived / seconds / 1000,
      'loss %': (100 * Math.max(0, sent - arrived)) / sent,
      'µs/packet': ((after.user + after.system - cpu.user - cpu.system) / arrived) * 1e6,
      'user µs': ((after.user - cpu.user) / arrived) * 1e6,
    };
  } finally {
    await rig.stop();
  }
}

async function generate(rig: Rig, length: number, seconds: number): Promise<number> {
  const { sent } = await rig.load('client', GENERATOR_CPU, 'generate', {
    interface: 'eth0',
    length,
    seconds,
    flows: FLOWS,
    pps: 0,
    ip: ADDRESS.server,
  });
  return sent;
}

/** One TCP stream with the kernel's default offloads: super-packets cross whole, all payload inspected. */
async function stream(rig: Rig, device: Device, seconds: number): Promise<Record<string, number>> {
  await rig.start(device, seconds + 60);
  try {
    const server = rig.lab.spawn('server', 'taskset', ['-c', GENERATOR_CPU, 'iperf3', '-s', '-1'], { stdio: 'ignore' });
    await sleep(500);
    const { stdout } = await rig.lab.exec(
      'client',
      'taskset',
      ['-c', GENERATOR_CPU, 'iperf3', '-c', ADDRESS.server, '-t', String(seconds), '-O', '1', '-J'],
      {
        timeoutMs: (seconds + 20) * 1000,
      },
    );
    server.kill('SIGKILL');
    return { 'Gbit/s': (JSON.parse(stdout).end?.sum_received?.bits_per_second ?? 0) / 1e9 };
  } finally {
    await rig.stop();
  }
}

/** One-way latency of a paced stream, sender's clock to the kernel's receive time stamp. */
async function latency(rig: Rig, device: Device, pps: number, seconds: number): Promise<Record<string, number>> {
  await rig.start(device, seconds + 60);
  try {
    const once = async (duration: number) => {
      let sending: Promise<Record<string, number>> | undefined;
      const received = await rig.load(
        'server',
        GENERATOR_CPU,
        'receive',
        { port: PORT, seconds: duration + 5, expected: Math.ceil(pps * (duration + 1)) },
        () => {
          sending = rig.load('client', GENERATOR_CPU, 'send', { ip: ADDRESS.server, port: PORT, pps, seconds: duration, payload: 64 });
        },
      );
      return { ...received, ...(await sending) } as Record<string, number>;
    };
    // As in flood(): at the probe's own pace the compiler would still be at work when the measurement begins.
    await generate(rig, 64, 1);
    await once(1);
    const r = await once(seconds);
    return { 'p50 µs': r.p50, 'p90 µs': r.p90, 'p99 µs': r.p99, 'p99.9 µs': r.p999, 'loss %': (100 * (r.sent - r.received)) / r.sent };
  } finally {
    await rig.stop();
  }
}

/** Growth of the JavaScript heap of all packet threads over ten million packets. */
async function heap(rig: Rig, device: Device): Promise<Record<string, number>> {
  await rig.start(device, 600);
  try {
    const until = async (packets: number) => {
      while ((await rig.metric('sluice_detect_packets_total')) < packets) await generate(rig, 64, 2);
      await sleep(2500);
      return { packets: await rig.metric('sluice_detect_packets_total'), bytes: await rig.metric('sluice_heap_used_bytes') };
    };
    const warm = await until(WARM_UP_PACKETS);
    const end = await until(warm.packets + HEAP_PACKETS);
    return {
      packets: end.packets - warm.packets,
      'growth kB': (end.bytes - warm.bytes) / 1000,
      'B/packet': (end.bytes - warm.bytes) / (end.packets - warm.packets),
    };
  } finally {
    await rig.stop();
  }
}

function medians(list: Record<string, number>[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const key of Object.keys(list[0] ?? {})) {
    const sorted = list.map((values) => values[key]).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    result[key] = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  return result;
}

export function show(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${format(value)}`)
    .join(', ');
}

export function format(value: number): string {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
