import { SluiceError } from '../errors.js';

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Polls until `condition` gives a truthy value, and gives that back; throws SLUICE_LAB naming `what`
 * after `timeoutMs`. A condition that throws is not met yet; what it threw last is told.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 25, what }: { timeoutMs?: number; intervalMs?: number; what: string },
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last = '';
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = '';
    } catch (error) {
      last = ` (${error instanceof Error ? error.message : error})`;
    }
    if (performance.now() >= deadline) throw new SluiceError('SLUICE_LAB', `waited ${timeoutMs} ms for ${what}, in vain${last}`);
    await sleep(intervalMs);
  }
}
