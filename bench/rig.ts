import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Namespaces, type Side } from '../src/lab/namespaces.js';
import { sleep, waitFor } from '../src/lab/wait.js';
import { ROOT } from '../src/native.js';
import type { LoadArguments } from './load.js';

export const GENERATOR_CPU = '0';
export const DEVICE_CPU = availableParallelism() > 1 ? '1' : '0';
export const LOAD = fileURLToPath(new URL('./load.js', import.meta.url));
const TICKS_PER_SECOND = 100;
const FLOWS = 1000;
/** What must have arrived before a device counts as started: less is the interfaces' own talk. */
const CROSSED = 32;
export const NEEDLE = 'ZZZZEVIL';
const RULE = `drop ip any any -> any any (msg:"bench"; content:"${NEEDLE}"; sid:1000001; rev:1;)\n`;

/** Where the generator's frames go. */
export interface Target {
  ip: string;
  mac: string;
}

/**
 * A rig: three namespaces in a row; the generator (and what receives) on the first core, all processes of the device
 * under test on the second, in the namespace in the middle. Subclasses say how the device gets the packets.
 */
export abstract class Rig {
  readonly lab = Namespaces.create();
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  protected abstract readonly target: Target;
  private device: ChildProcess | undefined;
  private deviceOutput = '';

  /** `peerCommand`: the program that stands in as device `peer`. `config`: suricata.yaml for Sluice. */
  constructor(
    private readonly peerCommand: string,
    config: string,
  ) {
    writeFileSync(join(this.folder, 'bench.rules'), RULE);
    writeFileSync(join(this.folder, 'sluice.yaml'), config);
  }

  /** Starts a device and waits until packets cross it. `announces`: it prints 'Engine started' first. */
  protected async launch(name: string, command: string[], announces: boolean): Promise<void> {
    this.deviceOutput = '';
    const child = this.lab.spawn('bridge', 'taskset', ['-c', DEVICE_CPU, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.device = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.deviceOutput = (this.deviceOutput + text).slice(-4000);
      });
    if (announces)
      await waitFor(() => this.deviceOutput.includes('Engine started') || child.exitCode !== null, {
        timeoutMs: 20_000,
        what: `${name} to start`,
      });
    const before = this.received();
    await waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`${name} ended: ${this.deviceOutput}`);
        await this.generate(64, 0.01, 1000, 1);
        return this.received() - before >= CROSSED;
      },
      { timeoutMs: 60_000, what: `packets to cross ${name}` },
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
    side: Side,
    cpu: string,
    what: K,
    options: LoadArguments[K],
    onReady?: () => void,
  ): Promise<Record<string, number>> {
    const child = this.lab.spawn(side, 'taskset', ['-c', cpu, ...this.part(what, options)], {
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

  /** UDP from the client, as fast as the generator can when `pps` is 0. Returns the frames sent. */
  async generate(length: number, seconds: number, pps = 0, flows = FLOWS): Promise<number> {
    const { sent } = await this.load('client', GENERATOR_CPU, 'generate', {
      interface: 'eth0',
      length,
      seconds,
      flows,
      pps,
      ...this.target,
    });
    return sent;
  }

  /**
   * UDP as fast as the generator can: loss, and CPU of all of the device's processes per packet that arrived.
   * `counts`: more values whose growth is wanted.
   */
  async flood(length: number, seconds: number, counts: () => Record<string, number> = () => ({})): Promise<Record<string, number>> {
    // Just-in-time compilation belongs to start-up, not to the packet.
    await this.generate(length, 1);
    await sleep(300);
    const cpu = this.cpu();
    const before = counts();
    const received = this.received();
    const sent = await this.generate(length, seconds);
    const ended = performance.now();
    await this.drained();
    // What a deep queue still held when the generator ended took time as well.
    const took = seconds + (performance.now() - ended) / 1000;
    await sleep(300);
    const after = this.cpu();
    const arrived = this.received() - received;
    const growth = Object.entries(counts()).map(([name, value]) => [name, value - before[name]]);
    return {
      'sent kpps': sent / seconds / 1000,
      kpps: arrived / took / 1000,
      'loss %': (100 * Math.max(0, sent - arrived)) / sent,
      'µs/packet': ((after.user + after.system - cpu.user - cpu.system) / arrived) * 1e6,
      'user µs': ((after.user - cpu.user) / arrived) * 1e6,
      ...Object.fromEntries(growth),
    };
  }

  /** Returns when the kernel holds nothing more for the device. */
  protected drained(): Promise<void> {
    return Promise.resolve();
  }

  /** One TCP stream with the kernel's default offloads: super-packets cross whole where the device takes them. */
  async stream(seconds: number): Promise<Record<string, number>> {
    const server = this.lab.spawn('server', 'taskset', ['-c', GENERATOR_CPU, 'iperf3', '-s', '-1'], { stdio: 'ignore' });
    await sleep(500);
    const { stdout } = await this.lab.exec(
      'client',
      'taskset',
      ['-c', GENERATOR_CPU, 'iperf3', '-c', this.target.ip, '-t', String(seconds), '-O', '1', '-J'],
      { timeoutMs: (seconds + 20) * 1000 },
    );
    server.kill('SIGKILL');
    return { 'Gbit/s': (JSON.parse(stdout).end?.sum_received?.bits_per_second ?? 0) / 1e9 };
  }

  /** Packets that arrived in the server's namespace. */
  received(): number {
    return Number(this.read('server', '/sys/class/net/eth0/statistics/rx_packets'));
  }

  /** A file as it looks from inside a namespace. */
  protected read(side: Side, file: string): string {
    return execFileSync('ip', ['netns', 'exec', this.lab.name(side), 'cat', file], { encoding: 'utf8' }).trim();
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

  /** Sluice's command line; `source` names what it captures from. */
  protected sluice(...source: string[]): string[] {
    const file = (name: string) => join(this.folder, name);
    return [join(ROOT, 'bin', 'sluice'), '-c', file('sluice.yaml'), '-S', file('bench.rules'), '-l', this.folder, ...source];
  }

  protected part<K extends keyof LoadArguments>(what: K, options: LoadArguments[K]): string[] {
    return [process.execPath, LOAD, what, JSON.stringify(options)];
  }

  protected peer(): string[] {
    return ['/bin/sh', '-c', `exec ${this.peerCommand}`];
  }
}

/** What every configuration of Sluice ends with: the outputs that a drop writes to. */
export const OUTPUTS = `outputs:
  - fast: {enabled: yes, filename: fast.log}
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, drop]}
stats: {enabled: no}
`;
