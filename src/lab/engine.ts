import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../errors.js';
import { ROOT } from '../native.js';
import { waitFor } from './wait.js';

export const SLUICE = join(ROOT, 'bin', 'sluice');
const START_MS = 15_000;
const STOP_MS = 10_000;
/** Output kept to show when something fails. */
const TAIL_CHARS = 4000;

/** Sluice as a child, whose output goes to <logs>/sluice.out. */
export class Engine {
  private tail = '';
  private started = false;
  private ended = '';

  constructor(
    private readonly child: ChildProcess,
    logs: string,
  ) {
    const file = createWriteStream(join(logs, 'sluice.out'));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        file.write(text);
        this.tail = (this.tail + text).slice(-TAIL_CHARS);
        this.started ||= this.tail.includes('Engine started');
      });
    }
    child.on('error', (error) => {
      this.ended = `it cannot be run: ${error.message}`;
    });
    // 'close' rather than 'exit': all of its output is in.
    child.on('close', (code, signal) => {
      this.ended ||= signal ? `signal ${signal}` : `exit status ${code}`;
      file.end();
    });
  }

  /** Until the line `Engine started`. */
  async untilStarted(): Promise<void> {
    await waitFor(() => this.started || this.ended !== '', { timeoutMs: START_MS, what: "Sluice to say 'Engine started'" }).catch(
      (error) => {
        throw new SluiceError('SLUICE_LAB', `${error.message}\n${this.lastLines()}`);
      },
    );
    if (!this.started) throw new SluiceError('SLUICE_LAB', `Sluice ended before it started (${this.ended})\n${this.lastLines()}`);
  }

  /** Until it has ended by itself; '' when that was well. */
  async untilEnded(timeoutMs: number): Promise<string> {
    await waitFor(() => this.ended !== '', { timeoutMs, what: 'Sluice to end' });
    return this.ended === 'exit status 0' ? '' : this.ended;
  }

  /** SIGTERM, drain, end; '' when it went well, else what went wrong. */
  async stop(): Promise<string> {
    if (this.ended !== '') return `it had ended before (${this.ended})`;
    this.child.kill('SIGTERM');
    try {
      return await this.untilEnded(STOP_MS);
    } catch {
      this.child.kill('SIGKILL');
      return `it was still running ${STOP_MS / 1000} s after SIGTERM`;
    }
  }

  lastLines(): string {
    const lines = this.tail.trimEnd().split('\n').slice(-12);
    return lines.map((line) => `  | ${line}`).join('\n');
  }
}
