import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../config/paths.js';

/** The Suricata whose configuration, rule language and logs Sluice speaks: what scripts that read -V are told, in Suricata's words. */
export const SPEAKS_AS = '8.0.7';

/** Version of package.json: the only place it is written. */
export function version(): string {
  return (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

export function versionLine(): string {
  return `This is Sluice version ${version()} (speaks as: Suricata version ${SPEAKS_AS} RELEASE)`;
}
