import { spawn } from 'node:child_process';
import type { Log } from '../cli/log.js';

const MARK = 'SLUICE_DAEMON';

export function isDaemon(): boolean {
  return process.env[MARK] === '1';
}

/**
 * -D: starts this same command again without a terminal, and stays until it says that the engine has
 * started (status 0) or has ended (status 1, its last words shown).
 */
export function daemonize(log: Log): Promise<number> {
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.stderr?.pipe(process.stderr, { end: false });
  return new Promise((resolve) => {
    child.once('message', () => {
      log.info(`running in the background, pid ${child.pid}`);
      child.stderr?.destroy();
      child.disconnect();
      child.unref();
      resolve(0);
    });
    child.once('exit', () => resolve(1));
  });
}

/** In the daemon: lets the command that started it return. Its terminal is gone from here on. */
export function daemonStarted(): void {
  if (!isDaemon() || process.send === undefined) return;
  process.stderr.on('error', () => {});
  process.send('started');
  process.once('disconnect', () => process.channel?.unref());
}
