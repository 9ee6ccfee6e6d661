const WIDTH = 30;
/** A load that is over sooner shows nothing. */
const QUIET_MS = 300;
const EVERY_MS = 50;

/** A bar on the terminal while something takes long: on stderr, only when that is a terminal, and gone at the end. */
export function loadProgress(what: string, off = false): { show(done: number): void; end(): void } {
  const began = Date.now();
  let last = 0;
  let shown = false;
  if (off || !process.stderr.isTTY) return { show() {}, end() {} };
  return {
    /** 0 to 1. */
    show(done) {
      const now = Date.now();
      if (now - began < QUIET_MS || now - last < EVERY_MS) return;
      last = now;
      shown = true;
      const filled = Math.round(Math.min(1, Math.max(0, done)) * WIDTH);
      process.stderr.write(`\r${what} [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${Math.floor(done * 100)} %`);
    },
    end() {
      if (shown) process.stderr.write('\r\x1b[K');
    },
  };
}
