import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package root, found without loading the addon (src/native.ts does). */
export const PACKAGE_ROOT = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'native', 'binding.gyp')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
})();

/** The configuration that is read when no -c is given. */
export const DEFAULT_CONFIG_FILE = join(PACKAGE_ROOT, 'etc', 'sluice.yaml');

/**
 * A file named in the configuration: absolute as it is, else beside the configuration file when it
 * is there, else in the working directory (where Suricata looks). Globs count as their folder.
 */
export function besideConfig(path: string, configFile: string): string {
  if (path === '' || isAbsolute(path)) return path;
  if (configFile !== '') {
    const beside = resolve(dirname(configFile), path);
    if (existsSync(/[*?[]/.test(path) ? dirname(beside) : beside)) return beside;
  }
  return resolve(path);
}
