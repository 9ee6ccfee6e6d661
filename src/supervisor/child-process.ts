import type { DatasetDump } from '../detect/state/process-datasets.js';
import { errorLine, SluiceError } from '../errors.js';
import { native } from '../native.js';
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

/** Once set up, a packet process needs no right any more: what it holds open it may go on using. */
export function giveUpRights(what: string, { uid, gid }: { uid: number; gid: number }): void {
  try {
    native.confine(uid, gid);
  } catch (error) {
    throw new SluiceError(
      'SLUICE_CAPABILITY',
      `the ${what} process cannot become user ${uid}: ${(error as Error).message}; set sluice.detect-user to "" to leave it as it is`,
    );
  }
}

/** Ends with status 0 once the supervisor has what is to be saved. */
export function endWith(sets: DatasetDump[]): void {
  if (sets.length === 0 || !process.connected || !process.send) process.exit(0);
  process.send({ type: 'datasets', sets } satisfies FromChild, () => process.exit(0));
}

/** Tells why and ends with status 1. */
export function giveUp(error: unknown): void {
  process.exitCode = 1;
  if (process.connected && process.send)
    process.send({ type: 'failed', line: errorLine(error) } satisfies FromChild, () => process.exit(1));
  else process.exit(1);
}
