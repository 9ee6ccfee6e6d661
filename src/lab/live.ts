import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { METRICS_PORT } from './files.js';
import type { Namespaces } from './namespaces.js';
import { describe, parseSample, type Sample } from './samples.js';

const TTY_MS = 250;
const PLAIN_MS = 1000;

/** The live line: rewritten in place on a terminal, one line a second elsewhere. */
export class LiveLine {
  /** What is going on now. */
  progress = '';
  /** The last scrape that succeeded. */
  last: Sample | undefined;
  private readonly child: ChildProcess;
  private readonly timer: NodeJS.Timeout;
  private readonly tty = process.stdout.isTTY === true;
  private readonly start = performance.now();
  private buffered = '';
  private asked = false;
  private shown = false;

  constructor(lab: Namespaces) {
    const script = fileURLToPath(new URL('./scrape.js', import.meta.url));
    const url = `http://127.0.0.1:${METRICS_PORT}/metrics`;
    this.child = lab.spawn('bridge', process.execPath, [script, url], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.child.stdin!.on('error', () => {});
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.receive(text));
    this.timer = setInterval(() => this.ask(), this.tty ? TTY_MS : PLAIN_MS);
    this.ask();
  }

  /** Prints a line of its own above the live line. */
  print(line: string): void {
    this.clear();
    process.stdout.write(`${line}\n`);
  }

  stop(): void {
    clearInterval(this.timer);
    this.child.stdin!.end();
    this.clear();
  }

  private ask(): void {
    if (this.asked) return;
    this.asked = true;
    this.child.stdin!.write('\n');
  }

  private receive(text: string): void {
    this.buffered += text;
    const end = this.buffered.indexOf('\n');
    if (end < 0) return;
    const body = JSON.parse(this.buffered.slice(0, end)) as string | null;
    this.buffered = this.buffered.slice(end + 1);
    this.asked = false;
    if (body === null) return;
    const before = this.last;
    this.last = parseSample(body, performance.now());
    this.show(describe(before, this.last));
  }

  private show(text: string): void {
    const line = `${((performance.now() - this.start) / 1000).toFixed(0).padStart(3)} s  ${text}  [${this.progress}]`;
    if (this.tty) process.stdout.write(`\r${line.slice(0, (process.stdout.columns || 80) - 1)}\x1b[K`);
    else process.stdout.write(`${line}\n`);
    this.shown = this.tty;
  }

  private clear(): void {
    if (this.shown) process.stdout.write('\r\x1b[K');
    this.shown = false;
  }
}
