import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../src/cli/log.js';
import { loadConfig } from '../src/config/load.js';
import { Detector } from '../src/detect/detector.js';
import { Counter } from '../src/metrics/counters.js';
import { holdDatabases, openImage } from '../src/supervisor/rule-image.js';
import { type LoadedRules, loadRuleSet } from '../src/supervisor/rules.js';

export interface LoadRow {
  how: 'cold' | 'warm';
  rules: number;
  /** Milliseconds from the first look at the files to rules in hand; of that by phase. */
  total: number;
  phases: Record<string, number>;
  /** Milliseconds to deserialize the databases, and for one thread to take the rules: what a reload keeps packets waiting. */
  deserialize: number;
  detector: number;
  imageBytes: number;
  databaseBytes: number;
  rssBytes: number;
}

/** Loads `file` (also .xz) `rounds` times without and with the cache. */
export async function loadBench(file: string, configFile: string, rounds: number): Promise<LoadRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-load-'));
  try {
    let path = file;
    if (file.endsWith('.xz')) {
      path = join(folder, 'all.rules');
      writeFileSync(path, spawnSync('xz', ['-dc', file], { maxBuffer: 1 << 30 }).stdout);
    }
    const { config } = loadConfig(configFile, { set: [], includes: [] });
    const log = createLog({ write: () => {} });
    const rows: LoadRow[] = [];
    for (let round = 0; round < rounds; round++) {
      config.sluice.cache = join(folder, `cache-${round}`);
      for (const how of ['cold', 'warm'] as const) {
        const from = performance.now();
        const loaded = await loadRuleSet(config, [path], log, { verbose: false, reportFolder: '' });
        const total = performance.now() - from;
        if (loaded.cached !== (how === 'warm')) throw new Error(`the ${how} load did ${loaded.cached ? '' : 'not '}come from the cache`);
        rows.push({
          how,
          rules: loaded.report.loaded,
          total,
          phases: loaded.phases,
          ...opening(loaded),
          rssBytes: process.memoryUsage().rss,
        });
      }
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function opening({ image }: LoadedRules): Pick<LoadRow, 'deserialize' | 'detector' | 'imageBytes' | 'databaseBytes'> {
  const from = performance.now();
  const held = holdDatabases(image);
  const middle = performance.now();
  const { rules, prepared } = openImage(image.bytes);
  const options = { pcreMatchLimit: 3500, pcreDepthLimit: 1500, thresholdEntries: 65_536 };
  const detector = new Detector(rules, options, new Float64Array(Counter.Count), undefined, prepared);
  const end = performance.now();
  detector.close();
  held.close();
  return {
    deserialize: middle - from,
    detector: end - middle,
    imageBytes: image.bytes.length,
    databaseBytes: image.databases.reduce((sum, one) => sum + one.bytes.length, 0),
  };
}

export function printLoad(rows: LoadRow[]): void {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  for (const row of rows) {
    const phases = Object.entries(row.phases).map(([name, ms]) => `${name} ${ms.toFixed(0)}`);
    process.stdout.write(
      `${row.how}  ${row.rules} rules in ${row.total.toFixed(0)} ms (${phases.join(', ')}); databases opened ${row.deserialize.toFixed(0)} ms, ` +
        `a thread takes them in ${row.detector.toFixed(0)} ms; image ${mb(row.imageBytes)}, databases ${mb(row.databaseBytes)}, RSS ${mb(row.rssBytes)}\n`,
    );
  }
}
