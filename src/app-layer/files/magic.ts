import { SluiceError } from '../../errors.js';
import { native } from '../../native.js';

/** Longer descriptions are kept this far. */
export const MAGIC_BYTES = 512;

/** Opens libmagic for this thread. Throws SluiceError SLUICE_MAGIC; `asker`: what needs it, for the error. */
export function openMagic(asker: string): void {
  try {
    native.magicOpen('');
  } catch (error) {
    throw new SluiceError(
      'SLUICE_MAGIC',
      `${asker} needs libmagic, which cannot be used: ${(error as Error).message}; install it (Debian: libmagic1, libmagic-mgc), or take ${asker} out`,
    );
  }
}
