import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { SluiceError } from '../errors.js';

/** Writes our pid ('' = no file). Returns what removes the file again. */
export function writePidFile(path: string): () => void {
  if (path === '') return () => {};
  const owner = liveOwner(path);
  if (owner > 0)
    throw new SluiceError('SLUICE_USAGE', `pid file ${path}: process ${owner} is running; stop it, or name another file with --pidfile`);
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw new SluiceError('SLUICE_USAGE', `pid file ${path}: ${(error as Error).message}; name a file that can be written with --pidfile`);
  }
  return () => {
    try {
      unlinkSync(path);
    } catch {
      // Removed by somebody else: that is what we wanted.
    }
  };
}

/** The process that wrote the file, when it still lives; else 0. */
function liveOwner(path: string): number {
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(path, 'latin1'), 10);
  } catch {
    return 0;
  }
  if (!(pid > 0) || pid === process.pid) return 0;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : 0;
  }
}
