import { makeRouter, ROUTED } from '../src/lab/router.js';
import { waitFor } from '../src/lab/wait.js';
import { GENERATOR_CPU, NEEDLE, OUTPUTS, Rig, type Target } from './rig.js';
import { type Options, type Row, rounds, type Test } from './rounds.js';

export interface QueueOptions extends Options {
  /** KEY=VALUE for Sluice's configuration. */
  set: string[];
}

const QUEUE = 0;
const FLOOR_BATCH = 64;
const BATCHES = [1, 20, 64, 255];
const PORT = 9998;
/** What the kernel's counts of a queue mean, by column of /proc/net/netfilter/nfnetlink_queue. */
const enum Column {
  Depth = 2,
  QueueFull = 5,
  ReceiveBuffer = 6,
}

const CONFIG = `%YAML 1.1
---
${OUTPUTS}`;

/**
 * The namespace in the middle routes, and netfilter gives every packet that is forwarded to queue 0.
 *
 *   generator ─ veth ─► ip_forward ─ FORWARD ─ enqueue ─┐ netlink      softirq of the sender: core 0, the generator's
 *                                                       ▼
 *   server ◄─ veth ── transmit ◄── reinject ◄── verdict ─ device       inside the device's sendmsg(): core 1
 *
 * So the generator pays for the way into the queue, the device for the copy out of it, for its own work, and for
 * everything behind the verdict up to the receiving host.
 */
class QueueRig extends Rig {
  protected readonly target: Target = { ip: ROUTED.server, mac: '' };

  private constructor(
    peer: string,
    private readonly settings: readonly string[],
  ) {
    super(peer, CONFIG);
  }

  static async create(options: QueueOptions): Promise<QueueRig> {
    const rig = new QueueRig(
      options.peer,
      options.set.flatMap((setting) => ['--set', setting]),
    );
    try {
      await makeRouter(rig.lab);
      await rig.prepare();
    } catch (error) {
      rig.close();
      throw error;
    }
    return rig;
  }

  /** `batch`, `gso`: undefined leaves Sluice its default. */
  start(device: string, seconds: number, batch?: number, gso?: boolean): Promise<void> {
    const kind = device.split('-')[0];
    if (kind === 'peer') return this.launch(device, this.peer(), false);
    if (kind === 'floor') {
      // Its queue length is 65,535 packets and its receive buffer 64 MiB; Sluice has its defaults.
      const part = this.part('queue-floor', { queue: QUEUE, seconds, batch: batch ?? FLOOR_BATCH, gso: gso ?? false });
      return this.launch(device, part, true);
    }
    const settings = [...this.settings];
    if (batch !== undefined) settings.push('--set', `nfq.batchcount=${batch}`);
    if (gso !== undefined) settings.push('--set', `sluice.nfq.gso=${gso ? 'yes' : 'no'}`);
    return this.launch(device, this.sluice('-q', String(QUEUE), '--runmode', kind, ...settings), true);
  }

  /** The device has answered all it got, and what it answers is what it was told to. */
  async prove(device: string): Promise<void> {
    await this.drained();
    const heard = await this.load('server', GENERATOR_CPU, 'listen', { port: PORT, last: 'last', seconds: 10 }, () => {
      this.load('client', GENERATOR_CPU, 'say', { ip: this.target.ip, port: PORT, texts: ['first', NEEDLE, 'last'] }).catch(() => {});
    });
    // Which rules a peer has is its own affair.
    const expected = device === 'peer' ? heard.datagrams : device.startsWith('floor') ? 3 : 2;
    if (heard.last !== 1 || heard.datagrams !== expected)
      throw new Error(`${device}: ${heard.datagrams} of 3 datagrams arrived, the last ${heard.last ? 'too' : 'not'}; expected ${expected}`);
  }

  /** UDP at the generator's full rate, with what the kernel refused for want of room in the queue or in the socket. */
  floodQueue(length: number, seconds: number): Promise<Record<string, number>> {
    return this.flood(length, seconds, () => ({
      'queue full': this.column(Column.QueueFull),
      'no buffer': this.column(Column.ReceiveBuffer),
    }));
  }

  protected override async drained(): Promise<void> {
    await waitFor(() => this.column(Column.Depth) === 0, { timeoutMs: 10_000, what: 'the whole queue to be answered' });
  }

  private async prepare(): Promise<void> {
    await this.run('bridge', 'iptables', '-w', '-A', 'FORWARD', '-j', 'NFQUEUE', '--queue-num', String(QUEUE));
    this.target.mac = this.read('bridge', '/sys/class/net/eth0/address');
    // No neighbour discovery during a measurement.
    const mac = { right: this.read('bridge', '/sys/class/net/eth1/address'), server: this.read('server', '/sys/class/net/eth0/address') };
    const forever = (ip: string, lladdr: string, dev: string) => ['neigh', 'replace', ip, 'lladdr', lladdr, 'dev', dev, 'nud', 'permanent'];
    await this.run('bridge', 'ip', ...forever(ROUTED.server, mac.server, 'eth1'));
    await this.run('server', 'ip', ...forever(ROUTED.right, mac.right, 'eth0'));
    // The generator's sources: nothing listens to it, and no unreachables are to go back.
    await this.run('server', 'ip', 'route', 'add', 'blackhole', '10.100.0.0/16');
  }

  private async run(side: 'bridge' | 'server', command: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await this.lab.exec(side, command, args);
    if (code !== 0) throw new Error(`'${command} ${args.join(' ')}' failed: ${stderr.trim().split('\n')[0]}`);
  }

  private column(column: Column): number {
    for (const line of this.read('bridge', '/proc/net/netfilter/nfnetlink_queue').split('\n')) {
      const fields = line.trim().split(/\s+/).map(Number);
      if (fields[0] === QUEUE && fields.length > Column.ReceiveBuffer) return fields[column];
    }
    throw new Error(`queue ${QUEUE} is nobody's`);
  }
}

/** The NFQUEUE benchmark: one queue; every device in turn, the floor in every round. */
export async function nfqueue(options: QueueOptions, say: (line: string) => void): Promise<Row[]> {
  const rig = await QueueRig.create(options);
  const { seconds } = options;
  const peer = options.peer === '' ? [] : ['peer'];
  const on = async (
    device: string,
    batch: number | undefined,
    gso: boolean | undefined,
    measure: () => Promise<Record<string, number>>,
  ) => {
    await rig.start(device, seconds + 60, batch, gso);
    try {
      const values = await measure();
      await rig.prove(device);
      return values;
    } finally {
      await rig.stop();
    }
  };
  const tests: Test<string>[] = [
    {
      name: 'udp-64',
      devices: ['floor', 'workers', 'autofp', ...peer],
      measure: (device) => on(device, undefined, undefined, () => rig.floodQueue(64, seconds)),
    },
    ...BATCHES.map((batch) => ({
      name: `batch-${batch}`,
      devices: [`floor-${batch}`, `workers-${batch}`],
      measure: (device: string) => on(device, batch, undefined, () => rig.floodQueue(64, seconds)),
    })),
    {
      name: 'tcp',
      devices: ['floor', 'floor-gso', 'workers', 'workers-gso', 'autofp', 'autofp-gso', ...peer],
      measure: (device) => on(device, undefined, device.endsWith('-gso'), () => rig.stream(seconds)),
      floor: (device) => (device.endsWith('-gso') ? 'floor-gso' : 'floor'),
    },
  ];
  try {
    const rows = await rounds(tests, options, say);
    return [...rows, ...gain(rows)];
  } finally {
    rig.close();
  }
}

/** How many times faster one TCP stream is when super-packets stay whole. */
function gain(rows: Row[]): Row[] {
  const found: Row[] = [];
  for (const row of rows) {
    const whole = rows.find((other) => other.test === row.test && other.device === `${row.device}-gso`);
    if (row.test === 'tcp' && whole !== undefined)
      found.push({
        test: 'tcp: gain',
        device: row.device,
        floor: '',
        values: { 'gso / without': whole.values['Gbit/s'] / row.values['Gbit/s'] },
      });
  }
  return found;
}
