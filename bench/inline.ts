import { ADDRESS } from '../src/lab/namespaces.js';
import { sleep } from '../src/lab/wait.js';
import { GENERATOR_CPU, OUTPUTS, Rig } from './rig.js';
import { type Options, type Row, rounds, type Test } from './rounds.js';

/** What stands between the two interfaces. */
type Device = 'floor' | 'floor-gso' | 'workers' | 'autofp' | 'peer';

const PORT = 9999;
const HEAP_PACKETS = 10_000_000;
const WARM_UP_PACKETS = 1_000_000;

const CONFIG = `%YAML 1.1
---
af-packet:
  - {interface: eth0, threads: 1, cluster-id: 98, cluster-type: cluster_flow, copy-mode: ips, copy-iface: eth1}
  - {interface: eth1, threads: 1, cluster-id: 97, cluster-type: cluster_flow, copy-mode: ips, copy-iface: eth0}
${OUTPUTS}`;

/** The device bridges the two interfaces of the namespace in the middle. */
class BridgeRig extends Rig {
  protected readonly target = { ip: ADDRESS.server, mac: 'ff:ff:ff:ff:ff:ff' };

  constructor(peer: string) {
    super(peer, CONFIG);
  }

  start(device: Device, seconds: number): Promise<void> {
    const command =
      device === 'peer'
        ? this.peer()
        : device === 'floor' || device === 'floor-gso'
          ? this.part('floor', { a: 'eth0', b: 'eth1', seconds, vnet: device === 'floor-gso' })
          : this.sluice('--af-packet', '--runmode', device);
    return this.launch(device, command, device !== 'peer');
  }
}

/** The inline benchmark: every device in turn, the floor in every round. */
export async function inline(options: Options, say: (line: string) => void): Promise<Row[]> {
  const rig = new BridgeRig(options.peer);
  const { seconds } = options;
  const all: Device[] = ['floor', 'workers', 'autofp', ...(options.peer === '' ? [] : ['peer' as const])];
  const gso = all.map((device): Device => (device === 'floor' ? 'floor-gso' : device));
  const on = async (device: Device, measure: () => Promise<Record<string, number>>) => {
    await rig.start(device, seconds + 60);
    try {
      return await measure();
    } finally {
      await rig.stop();
    }
  };
  const tests: Test<Device>[] = [
    { name: 'udp-64', devices: all, measure: (device) => on(device, () => rig.flood(64, seconds)) },
    { name: 'udp-1500', devices: all, measure: (device) => on(device, () => rig.flood(1514, seconds)) },
    { name: 'tcp-gso', devices: gso, measure: (device) => on(device, () => rig.stream(seconds)) },
    { name: 'latency-20k', devices: all, measure: (device) => on(device, () => latency(rig, 20_000, seconds)) },
    { name: 'latency-100k', devices: all, measure: (device) => on(device, () => latency(rig, 100_000, seconds)) },
    { name: 'heap', devices: ['workers', 'autofp'], rounds: 1, measure: (device) => on(device, () => heap(rig)) },
  ];
  try {
    return await rounds(tests, options, say);
  } finally {
    rig.close();
  }
}

/** One-way latency of a paced stream, sender's clock to the kernel's receive time stamp. */
async function latency(rig: Rig, pps: number, seconds: number): Promise<Record<string, number>> {
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
  // As in Rig.flood(): at the probe's own pace the compiler would still be at work when the measurement begins.
  await rig.generate(64, 1);
  await once(1);
  const r = await once(seconds);
  return { 'p50 µs': r.p50, 'p90 µs': r.p90, 'p99 µs': r.p99, 'p99.9 µs': r.p999, 'loss %': (100 * (r.sent - r.received)) / r.sent };
}

/** Growth of the JavaScript heap of all packet threads over ten million packets. */
async function heap(rig: Rig): Promise<Record<string, number>> {
  const until = async (packets: number) => {
    while ((await rig.metric('sluice_detect_packets_total')) < packets) await rig.generate(64, 2);
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
}
