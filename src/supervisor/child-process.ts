import { errorLine } from '../errors.js';
import type { FromChild, ToChild } from './messages.js';

/** The child's end of the line to the supervisor: orders in, answers out. */
export function tell(message: FromChild): void {
  process.send?.(message);
}

/**
 * Sets a capture or detection process up: its title, its signals (the supervisor decides when it ends;
 * USR1 must not open Node's inspector), and its orders.
 */
export function childProcess(title: string, onOrder: (order: ToChild) => void | Promise<void>, onOrphaned: () => void): void {
  process.title = title;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});
  process.on('message', (order: ToChild) => {
    Promise.resolve()
      .then(() => onOrder(order))
      .catch(giveUp);
  });
  process.on('disconnect', onOrphaned);
}

/** Tells why and ends with status 1. */
export function giveUp(error: unknown): void {
  process.exitCode = 1;
  if (process.connected && process.send)
    process.send({ type: 'failed', line: errorLine(error) } satisfies FromChild, () => process.exit(1));
  else process.exit(1);
}
