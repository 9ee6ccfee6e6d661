import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ADDRESS, Namespaces } from '../src/lab/namespaces.js';
import { waitFor } from '../src/lab/wait.js';
import { ROOT } from '../src/native.js';
import type { LoadArguments } from './load.js';

/**
 * The rig: three namespaces in a row; the generator (and what receives) on the first core, the device
 * under test on the second.
 */
export const GENERATOR_CPU = '0';
export const DEVICE_CPU = availableParallelism() > 1 ? '1' : '0';
const LOAD = fileURLToPath(new URL('./load.js', import.meta.url));
const TICKS_PER_SECOND = 100;
const RULE = 'drop ip any any -> any any (msg:"bench"; content:"ZZZZEVIL"; sid:1000001; rev:1;)\n';

/** What stands between the two interfaces. */
export type Device = 'floor' | 'floor-gso' | 'workers' | 'autofp' | 'peer';

export class Rig {
  readonly lab = Namespaces.create();
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  private device: ChildProcess | undefined;
  private deviceOutput = '';

  constructor(private readonly peerCommand: string) {
    writeFileSync(join(this.folder, 'bench.rules'), RULE);
    writeFileSync(join(this.folder, 'sluice.yaml'), CONFIG);
  }

  /** Starts a device and waits until packets cross it. */
  async start(device: Device, seconds: number): Promise<void> {
    this.deviceOutput = '';
    const child = this.lab.spawn('bridge', 'taskset', ['-c', DEVICE_CPU, ...this.command(device, seconds)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.device = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.deviceOutput = (this.deviceOutput + text).slice(-4000);
      });
    if (device !== 'peer')
      await waitFor(() => this.deviceOutput.includes('Engine started') || child.exitCode !== null, {
        timeoutMs: 20_000,
        what: `${device} to start`,
      });
    const before = this.received();
    await waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`${device} ended: ${this.deviceOutput}`);
        await this.load('client', GENERATOR_CPU, 'generate', {
          interface: 'eth0',
          length: 64,
          seconds: 0.01,
          flows: 1,
          pps: 1000,
          ip: ADDRESS.server,
        });
        return this.received() > before;
      },
      { timeoutMs: 60_000, what: `packets to cross ${device}` },
    );
  }

  async stop(): Promise<void> {
    const child = this.device;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
    this.device = undefined;
  }

  /** Runs a part of the rig to its end; its answer. */
  async load<K extends keyof LoadArguments>(
    side: 'client' | 'server',
    cpu: string,
    what: K,
    options: LoadArguments[K],
    onReady?: () => void,
  ): Promise<Record<string, number>> {
    const child = this.lab.spawn(side, 'taskset', ['-c', cpu, process.execPath, LOAD, what, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (text.includes('ready')) onReady?.();
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${what} ended with ${code}: ${err}`);
    return JSON.parse(out);
  }

  /** Packets that arrived in the server's namespace. */
  received(): number {
    const out = execFileSync('ip', ['netns', 'exec', this.lab.name('server'), 'cat', '/sys/class/net/eth0/statistics/rx_packets'], {
      encoding: 'utf8',
    });
    return Number(out);
  }

  /** CPU seconds, user and system, that every process of the device has used. */
  cpu(): { user: number; system: number } {
    const pids = execFileSync('ip', ['netns', 'pids', this.lab.name('bridge')], { encoding: 'utf8' })
      .trim()
      .split('\n');
    let user = 0;
    let system = 0;
    for (const pid of pids) {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        user += Number(fields[11]) / TICKS_PER_SECOND;
        system += Number(fields[12]) / TICKS_PER_SECOND;
      } catch {
        // Ended between the two looks: not the device itself.
      }
    }
    return { user, system };
  }

  /** One value of the device's own metrics, summed over its series; 0 where it has none. */
  async metric(name: string): Promise<number> {
    const { stdout } = await this.lab.exec('bridge', 'curl', ['-s', '-m', '2', 'http://127.0.0.1:9917/metrics']);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  close(): void {
    this.lab.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private command(device: Device, seconds: number): string[] {
    switch (device) {
      case 'floor':
      case 'floor-gso':
        return [process.execPath, LOAD, 'floor', JSON.stringify({ a: 'eth0', b: 'eth1', seconds, vnet: device === 'floor-gso' })];
      case 'peer':
        return ['/bin/sh', '-c', `exec ${this.peerCommand}`];
      default:
        return [
          join(ROOT, 'bin', 'sluice'),
          '-c',
          join(this.folder, 'sluice.yaml'),
          '-S',
          join(this.folder, 'bench.rules'),
          '-l',
          this.folder,
          '--af-packet',
          '--runmode',
          device,
        ];
    }
  }
}

const CONFIG = `%YAML 1.1
---
af-packet:
  - {interface: eth0, threads: 1, cluster-id: 98, cluster-type: cluster_flow, copy-mode: ips, copy-iface: eth1}
  - {interface: eth1, threads: 1, cluster-id: 97, cluster-type: cluster_flow, copy-mode: ips, copy-iface: eth0}
outputs:
  - fast: {enabled: yes, filename: fast.log}
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, drop]}
stats: {enabled: no}
`;
