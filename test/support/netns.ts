/**
 * What network tests need: three namespaces in a row (see src/lab/namespaces.ts), and waiting for
 * conditions instead of time.
 */
import { after } from 'node:test';
import { canUseNamespaces, Namespaces } from '../../src/lab/namespaces.js';

export {
  ADDRESS,
  BRIDGE_INTERFACES,
  canUseNamespaces,
  type ExecOptions,
  type ExecResult,
  listNamespaces,
  Namespaces,
  removeLeftovers,
  type Side,
} from '../../src/lab/namespaces.js';
export { sleep, waitFor } from '../../src/lab/wait.js';

/** For a test's `skip` option: false where namespaces can be built, else why not. */
export const skipWithoutNamespaces: string | false = canUseNamespaces() || false;

/** Namespaces for this test file (or suite, when called in one), removed after its tests. */
export function useNamespaces(): Namespaces {
  const lab = Namespaces.create();
  after(() => lab.remove());
  return lab;
}
