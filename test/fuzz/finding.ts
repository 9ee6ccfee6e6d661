import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../src/errors.js';
import type { Case, Delivery } from './delivery.js';

/** What was found, and all that is needed to find it again. */
export interface Finding {
  subject: string;
  seed: number;
  run: number;
  what: string;
  case: Case;
}

/** Writes it as JSON, bytes in base64; returns the file's path. */
export function write(folder: string, finding: Finding): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${finding.subject}-${finding.seed}-${finding.run}.json`);
  const deliveries = finding.case.deliveries.map(({ bytes, ...rest }) => ({ ...rest, bytes: Buffer.from(bytes).toString('base64') }));
  writeFileSync(path, `${JSON.stringify({ ...finding, case: { ...finding.case, deliveries } }, null, 1)}\n`);
  return path;
}

export function read(path: string): Finding {
  try {
    const finding = JSON.parse(readFileSync(path, 'utf8'));
    for (const delivery of finding.case.deliveries as Delivery[])
      delivery.bytes = new Uint8Array(Buffer.from(delivery.bytes as unknown as string, 'base64'));
    return finding as Finding;
  } catch (error) {
    throw new SluiceError('SLUICE_USAGE', `${path}: no finding of npm run fuzz (${(error as Error).message}); name a file it wrote`);
  }
}
