import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SLUICE } from '../../src/lab/engine.js';
import { BRIDGE_INTERFACES, type ExecResult, type Namespaces, waitFor } from './netns.js';

/** One entry of af-packet. */
export interface Interface {
  interface: string;
  threads?: number;
  'cluster-id'?: number;
  'cluster-type'?: string;
  'copy-mode'?: 'ips' | 'tap';
  'copy-iface'?: string;
  'ring-size'?: number;
}

export interface BridgeOptions {
  runmode?: Runmode;
  /** One rule a line. */
  rules?: readonly string[];
  /** Keys under `sluice:`. */
  sluice?: Record<string, string | number>;
  /** Default: the pair eth0/eth1, ips, with `threads`. */
  interfaces?: readonly Interface[];
  threads?: number;
  /** Flags that name the sources of packets. Default: --af-packet. */
  capture?: readonly string[];
  /** More YAML, at the top level. */
  yaml?: string;
  /** More types of eve-log, e.g. `alert: { payload: yes }`. Default: alert. */
  alert?: string;
  /** More outputs, e.g. `file-store: { version: 2, enabled: yes }`. */
  outputs?: readonly string[];
  args?: readonly string[];
  /** Leaves what runs in this lab alone. */
  beside?: boolean;
  /** Default: a new folder. */
  logs?: string;
  /**
   * suricata.yaml as somebody else wrote it, given the run's folder, where `rules` are `test.rules` and logs go to `log`.
   * `args` is then the whole command line, given in that folder.
   */
  suricata?: (folder: string) => string;
}

export type Runmode = 'autofp' | 'workers';
export const RUNMODES: readonly Runmode[] = ['autofp', 'workers'];

export interface ChildInfo {
  pid: number;
  title: string;
}

const START_MS = 15_000;
const STOP_MS = 20_000;

/** The pair of the lab, both ways alike. */
export function pair(mode: 'ips' | 'tap' = 'ips', threads = 1, [left, right]: readonly string[] = BRIDGE_INTERFACES, id = 98): Interface[] {
  const one = (name: string, peer: string, cluster: number): Interface => ({
    interface: name,
    threads,
    'cluster-id': cluster,
    'cluster-type': 'cluster_flow',
    'copy-mode': mode,
    'copy-iface': peer,
  });
  return [one(left, right, id), one(right, left, id - 1)];
}

/** What a run is started with: config and rules in a folder of their own. */
export interface BridgeFiles {
  folder: string;
  config: string;
  rules: string;
  logs: string;
  args: string[];
}

let folder = '';

export function writeFiles(options: BridgeOptions = {}): BridgeFiles {
  if (folder === '') {
    folder = mkdtempSync(join(tmpdir(), 'sluice-net-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const own = mkdtempSync(join(folder, 'run-'));
  const logs = options.logs ?? join(own, 'log');
  mkdirSync(logs, { recursive: true });
  const entry = (one: Interface) =>
    Object.entries(one)
      .map(([key, value], i) => `  ${i === 0 ? '-' : ' '} ${key}: ${value}\n`)
      .join('');
  const sluice = Object.entries(options.sluice ?? {}).map(([key, value]) => `  ${key}: ${value}\n`);
  const config = join(own, options.suricata === undefined ? 'sluice.yaml' : 'suricata.yaml');
  writeFileSync(
    config,
    options.suricata?.(own) ??
      `%YAML 1.1
---
af-packet:
${(options.interfaces ?? pair('ips', options.threads)).map(entry).join('')}
stats:
  enabled: yes
  interval: 60
outputs:
  - fast: { enabled: yes, filename: fast.log }
  - eve-log:
      enabled: yes
      filename: eve.json
      types: [ ${options.alert ?? 'alert'}, drop: { flows: all }, flow, stats ]
${(options.outputs ?? []).map((one) => `  - ${one}\n`).join('')}sluice:
  metrics: { enabled: yes, address: 127.0.0.1, port: 9917 }
${sluice.join('')}${options.yaml ?? ''}
`,
  );
  const rules = join(own, 'test.rules');
  writeFileSync(rules, `${(options.rules ?? []).join('\n')}\n`);
  if (options.suricata !== undefined) return { folder: own, config, rules, logs, args: [...(options.args ?? [])] };
  const args = [
    '-c',
    config,
    '-S',
    rules,
    '-l',
    logs,
    ...(options.capture ?? ['--af-packet']),
    '--runmode',
    options.runmode ?? 'autofp',
    ...(options.args ?? []),
  ];
  return { folder: own, config, rules, logs, args };
}

/** Sluice to its end in the bridge namespace: for what it refuses to start with. `through`: a program that runs it. */
export function runToEnd(lab: Namespaces, options: BridgeOptions, through: readonly string[] = []): Promise<ExecResult> {
  const [command, ...args] = [...through, SLUICE, ...writeFiles(options).args];
  return lab.exec('bridge', command, args, { timeoutMs: START_MS });
}

/** Sluice, bridging. */
export class Bridge {
  /** Those of each lab, so that a test that failed does not take the next one with it. */
  private static readonly running = new WeakMap<Namespaces, Bridge[]>();
  output = '';
  private ended: string | undefined;

  private constructor(
    private readonly lab: Namespaces,
    readonly files: BridgeFiles,
    private readonly child: ChildProcess,
  ) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    child.on('close', (code, signal) => {
      this.ended = signal ?? String(code);
    });
  }

  /** Resolves once it says `Engine started`. */
  static async start(lab: Namespaces, options: BridgeOptions = {}): Promise<Bridge> {
    const others = Bridge.running.get(lab) ?? [];
    if (options.beside !== true) {
      for (const other of others.splice(0)) await other.kill();
      await abandonConnections(lab);
    }
    const files = writeFiles(options);
    const bridge = new Bridge(
      lab,
      files,
      lab.spawn('bridge', SLUICE, files.args, { cwd: files.folder, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    Bridge.running.set(lab, [...others, bridge]);
    try {
      await bridge.said(/Engine started/, START_MS);
    } catch (error) {
      bridge.child.kill('SIGKILL');
      throw error;
    }
    return bridge;
  }

  get pid(): number {
    return this.child.pid!;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Until a line of its output matches; fails when it ends before. */
  async said(what: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    const found = await waitFor(() => what.exec(this.output) ?? (this.ended === undefined ? undefined : 'ended'), {
      timeoutMs,
      what: `Sluice to say ${what}`,
    }).catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.output}`);
    });
    if (found === 'ended') throw new Error(`Sluice ended (${this.ended}) before it said ${what}\n${this.output}`);
    return found as RegExpExecArray;
  }

  /** The sum of a metric over the series that carry these labels. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const found = await this.series(name, labels);
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  async series(name: string, labels: Record<string, string> = {}): Promise<{ labels: string; value: number }[]> {
    const page = await this.lab.exec('bridge', 'curl', ['-q', '--noproxy', '*', '-sS', '--max-time', '5', 'http://127.0.0.1:9917/metrics']);
    if (page.code !== 0) throw new Error(`metrics: ${page.stderr}`);
    return page.stdout
      .split('\n')
      .filter((line) => line.startsWith(`sluice_${name}{`) || line.startsWith(`sluice_${name} `))
      .map((line) => ({ labels: line.slice(0, line.lastIndexOf(' ')), value: Number(line.slice(line.lastIndexOf(' ') + 1)) }))
      .filter((one) => Object.entries(labels).every(([key, value]) => one.labels.includes(`${key}="${value}"`)));
  }

  /** SIGTERM, then the status it ends with; what it said last. */
  async stop(): Promise<Stopped> {
    this.child.kill('SIGTERM');
    return this.end();
  }

  private async kill(): Promise<void> {
    if (this.ended !== undefined) return;
    const children = this.children();
    this.child.kill('SIGKILL');
    for (const { pid } of children) spawnSync('kill', ['-9', String(pid)]);
    await this.end();
  }

  /** Until it has ended. */
  async end(): Promise<Stopped> {
    await waitFor(() => this.ended !== undefined, { timeoutMs: STOP_MS, what: `Sluice to end\n${this.output}` }).catch((error) => {
      this.child.kill('SIGKILL');
      throw error;
    });
    const line = /stopped: (\d+) packets, (\d+) passed, (\d+) dropped, (\d+) alerts/.exec(this.output);
    const [packets, passed, dropped, alerts] = line === null ? [-1, -1, -1, -1] : line.slice(1).map(Number);
    return { status: this.ended!, packets, passed, dropped, alerts };
  }

  /** Processes that the supervisor started, by what they call themselves. */
  children(): ChildInfo[] {
    const list = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(this.pid)], { encoding: 'utf8' }).stdout;
    return list
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(.*?)\s*$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => ({ pid: Number(match[1]), title: match[2] }));
  }

  /** Pid of `capture` or `detect`, once it has given itself its name. In run mode workers the capture process is both. */
  childPid(what: 'capture' | 'detect'): Promise<number> {
    const find = () => this.children().find(({ title }) => title.startsWith(`sluice: ${what}`))?.pid;
    return waitFor(find, { what: `a process called sluice: ${what}` }) as Promise<number>;
  }

  log(name: string): string {
    try {
      return readFileSync(join(this.files.logs, name), 'utf8');
    } catch {
      return '';
    }
  }

  /** Whole lines of fast.log that match. */
  fast(what: RegExp | string = ''): string[] {
    const lines = this.log('fast.log').split('\n').slice(0, -1);
    return lines.filter((line) => (typeof what === 'string' ? line.includes(what) : what.test(line)));
  }

  // biome-ignore lint/suspicious/noExplicitAny: EVE records have whatever shape their type has
  eve(type: string): any[] {
    return this.log('eve.json')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter((record) => record.event_type === type);
  }
}

/**
 * A kernel goes on sending what an earlier test blocked, long after the program that said it has ended, and a session that goes on is
 * picked up: it would be another alert, another drop. What nobody owns any more ends here.
 */
async function abandonConnections(lab: Namespaces): Promise<void> {
  const orphans = ['fin-wait-1', 'fin-wait-2', 'last-ack', 'closing'].flatMap((state) => ['state', state]);
  for (const side of ['client', 'server'] as const) await lab.exec(side, 'ss', ['-HKtn', ...orphans]);
}

export interface Stopped {
  /** Exit status, or the signal's name. */
  status: string;
  packets: number;
  passed: number;
  dropped: number;
  alerts: number;
}

/** Not when it is dead and waits for somebody to ask for its status: init may take its time. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Lines of /proc/<pid>/task/<every thread>/status that begin with `key:`. */
export function statusOfThreads(pid: number, key: string): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const line = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${key}:`));
    return (line ?? '').slice(key.length + 1).trim();
  });
}

/** What a process's descriptors are, e.g. `socket:[123]`, `/memfd:sluice-arena (deleted)`. */
export function descriptors(pid: number): { fd: number; target: string }[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [{ fd: Number(fd), target: readlinkSync(`/proc/${pid}/fd/${fd}`) }];
    } catch {
      return [];
    }
  });
}
