import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { SluiceError } from '../errors.js';

/**
 * Three network namespaces in a row, joined by veth pairs with the kernel's default offloads:
 *
 *   client                    bridge                     server
 *   10.99.0.1  eth0 ======== eth0    eth1 ======== eth0  10.99.0.2
 *   fd99::1                  (no address)                fd99::2
 *
 * Nothing crosses until something in `bridge` forwards. Names carry the pid of their owner
 * (`sluice-<pid>-client`), so that a later run can remove what a dead one left.
 */
export type Side = 'client' | 'bridge' | 'server';
export const SIDES: readonly Side[] = ['client', 'bridge', 'server'];

export const ADDRESS = { client: '10.99.0.1', server: '10.99.0.2', client6: 'fd99::1', server6: 'fd99::2' } as const;
export const BRIDGE_INTERFACES = ['eth0', 'eth1'] as const;

const OURS = /^sluice-(\d+)(-\d+)?-(client|bridge|server|probe)$/;
const NETNS_FOLDER = '/run/netns';

export interface ExecResult {
  /** Exit status; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ExecOptions {
  /** The program is killed after this; default 30 s. */
  timeoutMs?: number;
  input?: string;
  env?: NodeJS.ProcessEnv;
}

/** What is up now, to be taken down however this process ends. */
const up = new Set<Namespaces>();
let built = 0;
let guarded = false;
/** Someone waits for Ctrl-C and will take the lab down in order. */
let held: (() => void) | undefined;

export class Namespaces {
  private readonly prefix: string;
  private readonly children = new Set<ChildProcess>();

  private constructor() {
    built++;
    this.prefix = `sluice-${process.pid}${built > 1 ? `-${built}` : ''}`;
  }

  /** Removes leftovers of dead runs, then builds. Throws SLUICE_LAB with canUseNamespaces' reason, or the kernel's. */
  static create(): Namespaces {
    const reason = canUseNamespaces();
    if (reason !== '') throw new SluiceError('SLUICE_LAB', `cannot build network namespaces: ${reason}`);
    removeLeftovers();
    guard();
    const lab = new Namespaces();
    up.add(lab);
    try {
      lab.build();
    } catch (error) {
      lab.remove();
      throw error;
    }
    return lab;
  }

  name(side: Side): string {
    return `${this.prefix}-${side}`;
  }

  /** The command line that runs a program in a namespace, for a person to copy. */
  command(side: Side, ...args: string[]): string {
    return ['ip', 'netns', 'exec', this.name(side), ...args].join(' ');
  }

  /** Runs a program to its end. A non-zero status is a result, not an error. */
  exec(side: Side, command: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<ExecResult> {
    const child = this.spawn(side, command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env });
    const result: ExecResult = { code: null, signal: null, stdout: '', stderr: '' };
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      result.stdout += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      result.stderr += text;
    });
    // A program that ends without reading its input is no error of ours.
    child.stdin!.on('error', () => {}).end(options.input ?? '');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 30_000);
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(new SluiceError('SLUICE_LAB', `cannot run ${command} in the ${side} namespace: ${error.message}`, { cause: error }));
      });
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        resolve({ ...result, code, signal });
      });
    });
  }

  /** Starts a program; it is killed with the namespaces. Its pid is the program's own (`ip` becomes it). */
  spawn(side: Side, command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(side), command, ...args], options);
    this.children.add(child);
    child.on('exit', () => this.children.delete(child));
    child.on('error', () => this.children.delete(child));
    return child;
  }

  /** Until Ctrl-C or SIGTERM, once: the caller then ends in order; a second signal ends at once. */
  interrupted(): Promise<void> {
    return new Promise((resolve) => {
      held = resolve;
    });
  }

  /** Takes all down: programs first, then the namespaces, and with them the interfaces. May be called twice. */
  remove(): void {
    for (const child of this.children) child.kill('SIGKILL');
    for (const side of SIDES) removeNamespace(this.name(side));
    up.delete(this);
  }

  private build(): void {
    const [client, bridge, server] = SIDES.map((side) => this.name(side));
    for (const name of [client, bridge, server]) {
      // Of an earlier owner of our own pid.
      if (listNamespaces().includes(name)) removeNamespace(name);
      ip(['netns', 'add', name]);
    }
    // Before the interfaces come, so that they never speak: no router solicitation, no neighbour discovery.
    sysctl(bridge, 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
    for (const name of [client, server]) sysctl(name, 'net.ipv6.conf.default.accept_ra=0', 'net.ipv6.conf.default.router_solicitations=0');
    ip(['link', 'add', 'eth0', 'netns', client, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', bridge]);
    ip(['link', 'add', 'eth0', 'netns', server, 'type', 'veth', 'peer', 'name', 'eth1', 'netns', bridge]);
    batch(bridge, ['link set lo up', ...BRIDGE_INTERFACES.map((name) => `link set ${name} up`)]);
    const end = (address: string, address6: string) => [
      'link set lo up',
      `addr add ${address}/24 dev eth0`,
      `addr add ${address6}/64 dev eth0 nodad`,
      'link set eth0 up',
    ];
    batch(client, end(ADDRESS.client, ADDRESS.client6));
    batch(server, end(ADDRESS.server, ADDRESS.server6));
  }
}

/** '' when namespaces with veth pairs can be built here, else the reason in words. */
export function canUseNamespaces(): string {
  if (process.getuid?.() !== 0) return 'that needs root';
  const probe = `sluice-${process.pid}-probe`;
  try {
    removeNamespace(probe);
    ip(['netns', 'add', probe]);
    ip(['-n', probe, 'link', 'add', 'probe0', 'type', 'veth', 'peer', 'name', 'probe1']);
    return '';
  } catch (error) {
    return (error as Error).message;
  } finally {
    removeNamespace(probe);
  }
}

/** Names of all network namespaces, other people's too. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_FOLDER);
  } catch {
    return [];
  }
}

/** Removes the namespaces, with what runs in them, of earlier runs whose process is gone. Returns their names. */
export function removeLeftovers(): string[] {
  const gone = listNamespaces().filter((name) => {
    const pid = Number(OURS.exec(name)?.[1] ?? 0);
    return pid > 0 && !isAlive(pid);
  });
  for (const name of gone) removeNamespace(name);
  return gone;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Synchronous, and silent about what is gone already: it runs while the process ends. */
function removeNamespace(name: string): void {
  if (!listNamespaces().includes(name)) return;
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
  spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
}

/** Takes everything down on exit (an uncaught error included), SIGINT, SIGTERM and SIGHUP. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  const removeAll = () => {
    for (const lab of [...up]) lab.remove();
  };
  process.on('exit', removeAll);
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(signal, () => {
      if (held !== undefined) {
        held();
        held = undefined;
        return;
      }
      removeAll();
      process.exit(128 + number);
    });
  }
}

function ip(args: readonly string[], input?: string): void {
  run('ip', args, input);
}

function batch(namespace: string, lines: readonly string[]): void {
  ip(['-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`);
}

function sysctl(namespace: string, ...settings: string[]): void {
  // A kernel without IPv6 has none of these, and no need of them.
  ip(['netns', 'exec', namespace, 'sysctl', '-e', '-q', '-w', ...settings]);
}

function run(command: string, args: readonly string[], input?: string): void {
  const result = spawnSync(command, args, { encoding: 'utf8', input: input ?? '' });
  if (result.status === 0) return;
  const why = result.error ? result.error.message : result.stderr.trim().split('\n')[0];
  throw new SluiceError('SLUICE_LAB', `'${command} ${args.join(' ')}' failed: ${why}`);
}
