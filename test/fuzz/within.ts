import { Script } from 'node:vm';

const HOOK = Symbol.for('sluice.fuzz.within');
const script = new Script(`globalThis[Symbol.for('sluice.fuzz.within')]()`);

/** Runs something that may never end; throws when it has not after `ms`. What it worked on is then not to be used any more. */
export function within(ms: number, run: () => void): void {
  (globalThis as unknown as Record<symbol, () => void>)[HOOK] = run;
  try {
    script.runInThisContext({ timeout: ms, displayErrors: false });
  } catch (error) {
    // Its own stack says nothing of where.
    if ((error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new Endless(`it does not end within ${ms / 1000} s`);
    throw error;
  }
}

export class Endless extends Error {}
