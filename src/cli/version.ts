import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../config/paths.js';

/** Version of package.json: the only place it is written. */
export function version(): string {
  return (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

export function versionLine(): string {
  return `This is Sluice version ${version()} (compatible with Suricata 7 configuration and rules)`;
}
