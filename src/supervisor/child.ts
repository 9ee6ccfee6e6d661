import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Log } from '../cli/log.js';
import { SluiceError } from '../errors.js';
import type { FromChild, ToChild } from './messages.js';
import type { RuleImage } from './rule-image.js';
import { sendRules } from './rule-pipe.js';

/** Wait before a process is started again: none after a long life, growing after short ones. */
const BACKOFF_MS = [0, 100, 300, 1000, 3000, 5000];
const LONG_LIFE_MS = 10_000;
const READY_MS = 60_000;
/** A process title may not be longer than the arguments it overwrites. */
const TITLE_ROOM = 20;
/** For measuring: Node's and V8's own flags for the packet processes, e.g. `--trace-deopt` or `--perf-basic-prof`. */
const NODE_FLAGS = (process.env.SLUICE_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');

export interface ChildOptions {
  /** Word for people: `capture`, `detection`. */
  what: string;
  script: URL;
  /** Descriptors from number 4 on; behind them comes the pipe for rules. */
  fds: (number | 'ignore')[];
  /** What the process is told first, and what it is told when it may begin; it answers that with `ready`. */
  init: () => ToChild;
  begin: () => [ToChild, RuleImage];
  log: Log;
  /** The process is up, for the first time or again. */
  onReady: () => void;
  /** The process is gone. */
  onLost: () => void;
  onMessage?: (message: FromChild) => void;
}

/** One child process that is kept alive: started, watched, started again when it dies. */
export class Child {
  restarts = 0;
  private process: ChildProcess | undefined;
  private startedAt = 0;
  private failures = 0;
  private stopping = false;
  /** It hung, and kill() ended it. */
  private killed = false;
  private timer: NodeJS.Timeout | undefined;
  private exited: Promise<void> = Promise.resolve();

  constructor(private readonly options: ChildOptions) {}

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /**
   * The first start: the process loads its modules at once, and begins after `when`. Rejects with the child's own words when it
   * cannot, or as `when` does.
   */
  async start(when: Promise<unknown>): Promise<void> {
    await this.launch(when);
    this.options.onReady();
  }

  /** `rules`: what an envelope in the message announces. */
  send(message: ToChild, rules?: RuleImage): void {
    if (!this.process?.connected) return;
    this.process.send(message);
    if (rules !== undefined) sendRules(this.process.stdio.at(-1) as Writable, rules);
  }

  /** Ends what hangs: the restart follows from the exit. */
  kill(why: string): void {
    this.options.log.error(`the ${this.options.what} process (pid ${this.pid}) ${why}: killed`);
    this.killed = true;
    this.process?.kill('SIGKILL');
  }

  /** Nothing is restarted from here on. */
  retire(): void {
    this.stopping = true;
    clearTimeout(this.timer);
  }

  /** Resolves when the retired process has ended; when `progress` stands still for `ms` it is killed. Returns false when it was. */
  async ended(ms: number, progress: () => number = () => 0): Promise<boolean> {
    this.retire();
    let clean = !this.killed;
    let before = progress();
    const deadline = setInterval(() => {
      const now = progress();
      if (now === before) {
        clean = false;
        this.process?.kill('SIGKILL');
      }
      before = now;
    }, ms);
    await this.exited;
    clearInterval(deadline);
    return clean;
  }

  private launch(when?: Promise<unknown>): Promise<void> {
    const { what, script, fds, init, begin } = this.options;
    this.startedAt = Date.now();
    this.killed = false;
    const child = spawn(process.execPath, [...NODE_FLAGS, fileURLToPath(script), `sluice: ${what}${' '.repeat(TITLE_ROOM)}`], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...fds, 'pipe'],
      serialization: 'advanced',
    });
    this.process = child;
    // Its end is news from elsewhere.
    child.stdio.at(-1)?.on('error', () => {});
    return new Promise((resolve, reject) => {
      let up = false;
      let failure: Error | undefined;
      let late: NodeJS.Timeout | undefined;
      const go = () => {
        late = setTimeout(() => {
          failure = new SluiceError('SLUICE_SYSTEM', `the ${what} process was not ready within ${READY_MS / 1000} s`);
          child.kill('SIGKILL');
        }, READY_MS);
        this.send(...begin());
      };
      this.exited = new Promise((gone) => {
        child.once('error', () => {
          if (child.pid === undefined) gone();
        });
        child.once('exit', (code, signal) => {
          clearTimeout(late);
          gone();
          if (up) this.lost(code, signal);
          else reject(failure ?? new SluiceError('SLUICE_SYSTEM', `the ${what} process ended at start (${signal ?? `status ${code}`})`));
        });
      });
      // Also when a message cannot be delivered to a process that is dying: unheard, it would end the supervisor.
      child.on('error', (error) => {
        failure ??= error;
        if (child.pid === undefined) clearTimeout(late);
        reject(error);
      });
      child.on('message', (message: FromChild) => {
        if (message.type === 'ready') {
          up = true;
          clearTimeout(late);
          resolve();
        } else if (message.type === 'failed') failure = reported(message.line);
        else this.options.onMessage?.(message);
        if (message.type === 'failed' && up) this.options.log.error(message.line);
      });
      child.send(init());
      if (when === undefined) go();
      else
        when.then(
          () => {
            if (child.exitCode === null && child.signalCode === null) go();
          },
          (error: Error) => {
            failure = error;
            child.kill('SIGKILL');
          },
        );
    });
  }

  private lost(code: number | null, signal: NodeJS.Signals | null): void {
    const { log, what, onLost } = this.options;
    if (this.stopping) {
      onLost();
      return;
    }
    log.warn(`the ${what} process (pid ${this.pid}) is gone (${signal ?? `status ${code}`}); starting a new one`);
    onLost();
    this.failures = Date.now() - this.startedAt > LONG_LIFE_MS ? 0 : this.failures + 1;
    this.again();
  }

  private again(): void {
    const wait = BACKOFF_MS[Math.min(Math.max(this.failures - 1, 0), BACKOFF_MS.length - 1)];
    this.timer = setTimeout(() => {
      this.restarts++;
      this.launch().then(
        () => {
          if (this.stopping) return;
          this.options.log.notice(`the ${this.options.what} process is back (pid ${this.pid})`);
          this.options.onReady();
        },
        (error: Error) => {
          if (this.stopping) return;
          this.options.log.error(`the ${this.options.what} process does not start again: ${error.message}`);
          this.failures++;
          this.again();
        },
      );
    }, wait);
  }
}

/** A line `CODE: text` from a child becomes the error it was. */
function reported(line: string): Error {
  const code = /^(SLUICE_[A-Z_]+): /.exec(line);
  return code ? new SluiceError(code[1] as SluiceError['code'], line.slice(code[0].length)) : new Error(line);
}
