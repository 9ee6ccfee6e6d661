import { isAbsolute, join } from 'node:path';
import { APP_TYPE_NAMES } from '../app-layer/buffers.js';
import { STORE_TYPE } from '../app-layer/files/store-record.js';
import type { Config, EveConfig } from '../config/config.js';
import type { Rule } from '../rules/rule.js';
import { storedFile } from './app-record.js';
import { eveAlert, eveAnomaly, eveApp, eveDrop, eveFile, evePacket } from './eve.js';
import { eveFlow, eveNetflow } from './eve-flow.js';
import { decodeEvent, EventRecord } from './event-decode.js';
import { EventType } from './event-layout.js';
import { fastLine } from './fast.js';
import { FileStoreWriter } from './file-store.js';
import { LogFile } from './log-file.js';
import { anomalyType } from './names.js';
import { EveStats, type StatsSnapshot, statsTable } from './stats.js';

/** Rule sets kept at once: records made before a reload still name the rules of then. */
const GENERATIONS = 2;

interface EveLog {
  config: EveConfig;
  log: LogFile;
  stats: EveStats;
}

/** The record as a line of that log, '' when it does not want it. */
function eveLine(e: EventRecord, rule: Rule | undefined, config: EveConfig, source: string): string {
  switch (e.type) {
    case EventType.Alert:
      return config.alert.enabled ? eveAlert(e, rule as Rule, config, source) : '';
    case EventType.Drop:
      return config.drop.enabled ? eveDrop(e, rule, config, source) : '';
    case EventType.Anomaly:
      return config.anomaly[anomalyType(e.event)] ? eveAnomaly(e, config, source) : '';
    case EventType.Packet:
      return config.alert.enabled && config.alert.taggedPackets ? evePacket(e, config, source) : '';
    case EventType.App:
      return config.app?.includes(APP_TYPE_NAMES[e.appProto]) ? eveApp(e, config, source) : '';
    case EventType.File:
      return config.files === true ? eveFile(e, config, source) : '';
    default:
      return config.flow ? eveFlow(e, config, source) : '';
  }
}

/**
 * The output writers: event records in, lines out. Lives in the supervisor. Nothing here throws or waits:
 * a record that makes no sense is counted in `invalid`, a line that cannot be written in `lostLines()`.
 */
export class Outputs {
  /** Records refused: bad type, length, code, rule or source number. */
  invalid = 0;
  /** Records turned into lines (of whatever logs want them). */
  handled = 0;
  private readonly record = new EventRecord();
  private readonly ruleSets = new Map<number, Rule[]>();
  private readonly fast: LogFile | undefined;
  private readonly eves: readonly EveLog[];
  private readonly statsLog: LogFile | undefined;
  private readonly fileStore: FileStoreWriter | undefined;

  /** `sources`: by source number, the name of the interface or queue, or the path of the capture file (with a slash). */
  constructor(
    private readonly config: Config,
    rules: Rule[],
    private readonly sources: string[],
    logDir: string,
    onProblem: (line: string) => void,
  ) {
    this.ruleSets.set(0, rules);
    const file = (o: { enabled: boolean; filename: string; append: boolean }): LogFile | undefined => {
      if (!o.enabled) return undefined;
      const path = isAbsolute(o.filename) ? o.filename : join(logDir, o.filename);
      return new LogFile({ name: o.filename, path, append: o.append, onProblem });
    };
    const { fast, eve, stats } = config.outputs;
    this.fast = file(fast);
    this.statsLog = config.stats.enabled ? file(stats) : undefined;
    const store = config.outputs.fileStore;
    if (store !== undefined) this.fileStore = new FileStoreWriter(store, logDir, onProblem);
    const taken = new Set<string>();
    this.eves = [eve, ...(config.outputs.otherEves ?? [])].flatMap((one) => {
      const log = file(one);
      if (log === undefined) return [];
      // Two writers of one file would cut each other's lines.
      if (taken.has(one.filename)) onProblem(`outputs: two eve-logs write ${one.filename}: give each its own filename; the second is off`);
      else {
        taken.add(one.filename);
        return [{ config: one, log, stats: new EveStats(one.stats) }];
      }
      return [];
    });
  }

  /** One record of an event ring: the arguments are EventRing.bytes, .view, the offset of `peek` and .length. */
  handle(bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    const e = this.record;
    if (length > 0 && bytes[offset] === STORE_TYPE) {
      if (this.fileStore?.handle(bytes, view, offset, length) === true) this.handled++;
      else this.invalid++;
      return;
    }
    if (!decodeEvent(bytes, view, offset, length, e) || e.source < -1 || e.source >= this.sources.length) {
      this.invalid++;
      return;
    }
    const source = e.source < 0 ? '' : this.sources[e.source];
    const rule = e.ruleIndex < 0 ? undefined : this.ruleSets.get(e.ruleGeneration)?.[e.ruleIndex];
    const isRuleless = e.type !== EventType.Alert && e.type !== EventType.Drop;
    if (isRuleless ? e.ruleIndex !== -1 : rule === undefined && (e.ruleIndex >= 0 || e.type === EventType.Alert)) {
      this.invalid++;
      return;
    }
    this.handled++;
    if (e.type === EventType.File && this.config.outputs.fileStore?.writeFileinfo === true) this.besideFile(e, source);
    if (e.type === EventType.Alert) this.fast?.write(fastLine(e, rule as Rule));
    for (const { config, log } of this.eves) {
      const line = eveLine(e, rule, config, source);
      if (line !== '') log.write(config.prefix + line);
      if (e.type === EventType.Flow && config.netflow) for (const side of eveNetflow(e, config, source)) log.write(config.prefix + side);
    }
  }

  private besideFile(e: EventRecord, source: string): void {
    const stored = storedFile(e.packet);
    const { eve, fileStore } = this.config.outputs;
    if (stored !== null)
      this.fileStore?.info(eveFile(e, { ...eve, xff: fileStore?.xff ?? eve.xff }, source), stored.digest, stored.id, e.tsSec);
  }

  stats(snapshot: StatsSnapshot): void {
    const store = this.fileStore;
    if (store !== undefined)
      snapshot.fileStore = { openFiles: store.openFiles, openFilesMaxHit: store.openFilesMaxHit, fsErrors: store.fsErrors };
    this.statsLog?.write(statsTable(snapshot, this.config.outputs.stats));
    if (!this.config.stats.enabled) return;
    for (const { config, log, stats } of this.eves) if (config.stats.enabled) log.write(config.prefix + stats.line(snapshot));
  }

  /**
   * New rules after a reload. With `generation` the last two sets stay known, for records still on their way
   * (EventEncoder.ruleGeneration says which); without, the set of generation 0 is replaced.
   */
  setRules(rules: Rule[], generation = 0): void {
    this.ruleSets.delete(generation);
    this.ruleSets.set(generation, rules);
    for (const old of this.ruleSets.keys()) {
      if (this.ruleSets.size <= GENERATIONS) break;
      this.ruleSets.delete(old);
    }
  }

  /** True while a log that works is far behind: whoever can wait with the next record should. */
  congested(): boolean {
    return this.fast?.congested() === true || this.eves.some(({ log }) => log.congested());
  }

  /** True while stored files come faster than the disk takes them: whoever can wait should, else files are given up. */
  get behindWithFiles(): boolean {
    return this.fileStore?.behind === true;
  }

  /** SIGHUP: the files were moved away by log rotation. */
  reopen(): void {
    for (const log of this.logs()) log.reopen();
  }

  /** By log: lines that were not written and never will be. */
  lostLines(): Record<string, number> {
    return Object.fromEntries(this.logs().map((log) => [log.name, log.lost]));
  }

  /** Writes what is still in memory (unless the disk refuses), then closes. */
  async close(): Promise<void> {
    await Promise.all([...this.logs().map((log) => log.close()), this.fileStore?.close()]);
  }

  private logs(): LogFile[] {
    return [this.fast, ...this.eves.map((eve) => eve.log), this.statsLog].filter((log) => log !== undefined);
  }
}
