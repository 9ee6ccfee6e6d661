import { setImmediate as breathe, setTimeout as rest } from 'node:timers/promises';
import { CaptureFile } from '../capture/pcap/capture-file.js';
import { expandCaptures } from '../capture/pcap/expand.js';
import type { RunSetup } from '../cli/setup.js';
import { ProcessDatasets, saveDumps } from '../detect/state/process-datasets.js';
import { SluiceError } from '../errors.js';
import { BLOCK_BYTES, BLOCK_FLOATS, Counter } from '../metrics/counters.js';
import { CounterBlocks } from '../metrics/snapshot.js';
import { Outputs } from '../output/outputs.js';
import { writeRuleProfile } from '../output/rule-profile.js';
import { EventRing } from '../ring/event-ring.js';
import { Mode, Verdict } from '../ring/verdict.js';
import { holdDatabases, openImage } from '../supervisor/rule-image.js';
import { ruleStats } from '../supervisor/rule-stats.js';
import type { LoadedRules } from '../supervisor/rules.js';
import { Engine } from './engine.js';

/** Packets between two looks at events and signals: a few milliseconds' work. */
const SLICE = 4096;
/** Packets between two looks at how far the logs are behind: a file can wait, so no line need be lost. */
const CONGESTION_EVERY = 256;
const RESCAN_MS = 500;

/** Run mode `single`: capture files through the same engine, in this thread. Returns the exit status. */
export async function readCaptures(setup: RunSetup, rules: LoadedRules): Promise<number> {
  const { log, pcap } = setup;
  if (pcap === undefined) throw new SluiceError('SLUICE_USAGE', 'reading captures without -r');
  const reader = new OfflineReader(setup, rules);
  const stop = () => reader.stop();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', () => reader.outputs.reopen());
  const seen = new Set<string>();
  let failed = 0;
  log.notice('Engine started.');
  for (;;) {
    for (const path of expandCaptures(pcap.path, { recursive: pcap.recursive, order: 'time' })) {
      if (seen.has(path) || reader.stopped) continue;
      seen.add(path);
      const before = reader.counters[Counter.Packets];
      try {
        await reader.read(path);
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        // One damaged file does not keep the others of a folder from being read; one that is good up to the damage was read.
        log.error(`${error.code}: ${error.message}`);
        if (reader.counters[Counter.Packets] === before) failed++;
      }
    }
    if (!pcap.continuous || reader.stopped) break;
    await new Promise((resolve) => setTimeout(resolve, RESCAN_MS));
  }
  await reader.finish();
  const c = reader.counters;
  log.notice(
    `read ${seen.size - failed} file${seen.size - failed === 1 ? '' : 's'}, ${c[Counter.Packets]} packets, ${c[Counter.Bytes]} bytes, ${c[Counter.Alerts]} alerts`,
  );
  return failed > 0 && failed === seen.size ? 1 : 0;
}

class OfflineReader {
  readonly counters: Float64Array;
  readonly outputs: Outputs;
  stopped = false;
  private readonly engine: Engine;
  private readonly events: EventRing;
  private readonly blocks: CounterBlocks;
  private readonly file = new CaptureFile();
  private readonly mode: Mode;
  private readonly datasets = new ProcessDatasets();
  private readonly startMs = Date.now();

  constructor(
    private readonly setup: RunSetup,
    private readonly rules: LoadedRules,
  ) {
    const { config, log } = setup;
    const block = new ArrayBuffer(BLOCK_BYTES);
    this.counters = new Float64Array(block, 0, BLOCK_FLOATS);
    this.blocks = new CounterBlocks(block, [{ name: 'single', kind: 'detect' }]);
    this.mode = setup.simulateIps ? Mode.Ips : Mode.Ids;
    this.events = new EventRing(new ArrayBuffer(EventRing.bytesFor(config.sluice.eventRing)), config.sluice.eventRing);
    this.outputs = new Outputs(config, rules.rules, [setup.pcap?.path ?? ''], config.logDir, (line) => log.warn(line));
    const databases = holdDatabases(rules.image);
    this.engine = new Engine({
      thread: 0,
      config,
      rules: rules.rules,
      prepared: openImage(rules.image.bytes).prepared,
      ruleGeneration: 0,
      datasets: this.datasets.take(rules.image.datasets),
      checksumValidation: config.stream.checksumValidation,
      counters: this.counters,
      events: this.events,
    });
    databases.close();
  }

  stop(): void {
    this.stopped = true;
  }

  /** @throws SluiceError SLUICE_CAPTURE_FILE after what was good before the damage. */
  async read(path: string): Promise<void> {
    const { engine, file, counters, events } = this;
    const p = engine.packet;
    file.open(path);
    try {
      let n = 0;
      while (!this.stopped && file.next(p)) {
        p.source = 0;
        p.mode = this.mode;
        p.csumNotReady = 0;
        counters[Counter.Packets]++;
        // Before inspection, which goes on to the packets inside this one.
        counters[Counter.Bytes] += p.wireLen;
        const verdict = engine.inspect();
        if (verdict === Verdict.Drop) {
          counters[Counter.VerdictDrop]++;
          counters[Counter.DropReason + engine.reason]++;
        } else counters[Counter.VerdictPass]++;
        if (events.peek() >= 0) this.write();
        if (++n % SLICE === 0) await breathe();
        if ((n & (CONGESTION_EVERY - 1)) === 0) while (this.outputs.congested() || this.outputs.behindWithFiles) await rest(1);
      }
      if (file.warning !== '') this.setup.log.warn(file.warning);
    } finally {
      file.close();
    }
  }

  async finish(): Promise<void> {
    for (let more = true; more; ) {
      more = this.engine.finishSome();
      this.write();
      while (this.outputs.congested() || this.outputs.behindWithFiles) await rest(1);
    }
    this.engine.close();
    const specs = (this.rules.image.datasets ?? []).map(({ spec }) => spec);
    for (const problem of saveDumps(this.datasets.dump(), specs)) this.setup.log.error(problem);
    const { ruleProfile, logDir } = this.setup.config;
    if (ruleProfile !== undefined) process.stdout.write(writeRuleProfile(this.engine.ruleCosts(), ruleProfile, logDir));
    const { rules, startMs } = this;
    this.outputs.stats({ ...this.blocks.snapshot(startMs), rules: ruleStats(rules.report, startMs) });
    await this.outputs.close();
    for (const [name, lost] of Object.entries(this.outputs.lostLines())) if (lost > 0) this.setup.log.warn(`${name}: ${lost} lines lost`);
  }

  private write(): void {
    const { events, outputs } = this;
    for (let at = events.peek(); at >= 0; at = events.peek()) {
      outputs.handle(events.bytes, events.view, at, events.length);
      events.release();
    }
  }
}
