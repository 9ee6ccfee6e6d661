import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { planCapture } from '../capture/plan.js';
import type { RunSetup } from '../cli/setup.js';
import { type DatasetDump, saveDumps } from '../detect/state/process-datasets.js';
import { SluiceError } from '../errors.js';
import { Counter } from '../metrics/counters.js';
import type { MetricsServer } from '../metrics/server.js';
import { CounterBlocks } from '../metrics/snapshot.js';
import { ROOT } from '../native.js';
import { Outputs } from '../output/outputs.js';
import { Control } from '../ring/arena.js';
import type { Refusal } from '../workers/rule-inbox.js';
import { requireRights } from './capabilities.js';
import { Child } from './child.js';
import { collectGarbage } from './collect.js';
import { daemonStarted } from './daemon.js';
import { SharedMemory } from './memory.js';
import type { Begin, FromChild, Init } from './messages.js';
import type { LoadReport, RuleImage } from './rule-image.js';
import { envelope } from './rule-pipe.js';
import { EMPTY_REPORT, failedRules, ruleStats } from './rule-stats.js';
import type { LoadedRules } from './rules.js';
import { userIds } from './user.js';
import { Watchdog } from './watchdog.js';

const DRAIN_BUSY_MS = 10;
const DRAIN_IDLE_MS = 100;
const STOP_CAPTURE_MS = 10_000;
const STOP_DETECT_MS = 10_000;
/** Records moved from one ring at a time: rings take turns, and signals and scrapes are answered in between. */
const DRAIN_RECORDS = 4096;
/** At the end: how long logs that are behind may stand still, milliseconds. */
const LOG_PATIENCE_MS = 5000;
/** How long what an ended process said last may take, milliseconds. */
const DATASETS_MS = 2000;

/** Live traffic: starts the processes, keeps them alive, writes what they report. Returns the exit status. */
export async function runLive(setup: RunSetup, load: () => Promise<LoadedRules>): Promise<number> {
  const supervisor = new Supervisor(setup, load);
  await supervisor.start();
  return supervisor.stopped;
}

class Supervisor {
  readonly stopped: Promise<number>;
  private resolveStopped: (status: number) => void = () => {};
  private readonly memory: SharedMemory;
  private readonly plan;
  private readonly blocks: CounterBlocks;
  private readonly outputs: Outputs;
  private readonly capture: Child;
  /** Absent in run mode `workers`. */
  private readonly detect: Child | undefined;
  private readonly watchdog: Watchdog;
  private metrics: MetricsServer | undefined;
  private readonly startMs = Date.now();
  private rules: LoadedRules = NOTHING_LOADED;
  private generation = 0;
  /** Of the rules that were sent last; `generation` is theirs or, if they were refused, that of the rules in force. */
  private lastGeneration = 0;
  /** While new rules are being taken: those in force until then. */
  private before: { rules: LoadedRules; generation: number } | undefined;
  /** Reloads that a detecting thread refused. */
  private reloadsRefused = 0;
  /** Files of the rule cache that were damaged or not to be trusted. */
  private cacheRefused = 0;
  /** When the rules in force came into force, milliseconds since 1970. */
  private rulesSince = Date.now();
  /** New rules are being read; being taken by the detecting threads. */
  private loading = false;
  private reloading = false;
  private up = { capture: false, detect: false };
  private stopping = false;
  private startedOnce = false;
  /** What is to be saved of datasets, once the detecting process has ended. */
  private readonly datasets: DatasetDump[] = [];
  /** Event records taken from the rings. */
  private drained = 0;
  private drainTimer: NodeJS.Timeout | undefined;
  private statsTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly setup: RunSetup,
    private readonly load: () => Promise<LoadedRules>,
  ) {
    const { config, log } = setup;
    this.stopped = new Promise((resolve) => {
      this.resolveStopped = resolve;
    });
    this.plan = planCapture(config);
    requireRights(this.plan);
    for (const warning of this.plan.warnings) log.warn(warning);
    const fused = config.runmode === 'workers';
    const workers = fused ? 0 : workerCount(config.sluice.workers, this.plan.threads.length);
    this.memory = new SharedMemory(config, this.plan, workers);
    // Every detecting thread has a flow table and reassembly of its own: memcaps are shared out.
    const share = workers || this.plan.threads.length;
    config.flow.memcap = Math.floor(config.flow.memcap / share);
    config.defrag.memcap = Math.floor(config.defrag.memcap / share);
    config.stream.reassembly.memcap = Math.floor(config.stream.reassembly.memcap / share);
    const names = this.memory.threadNames.map((thread, i) => ({
      ...thread,
      interface: this.plan.threads[i]?.sources.map((s) => this.plan.sources[s].name).join('-'),
    }));
    this.blocks = new CounterBlocks(this.memory.counters, names);
    this.outputs = new Outputs(
      config,
      [],
      this.plan.sources.map((source) => source.name),
      config.logDir,
      (line) => log.warn(line),
    );
    const { controlFd, countersFd, arenaFd, eventFds } = this.memory;
    const reloaded = (refusal?: Refusal): void => {
      if (!this.reloading) return;
      this.reloading = false;
      const { before } = this;
      this.before = undefined;
      if (refusal !== undefined && before !== undefined) {
        this.takeBack(before, refusal);
        return;
      }
      this.rulesSince = Date.now();
      setImmediate(collectGarbage);
      log.notice(`rule reload complete: ${this.rules.report.loaded} rules loaded, ${failedRules(this.rules.report)} failed`);
    };
    const told = (message: FromChild): void => {
      if (message.type === 'datasets') this.datasets.push(...message.sets);
      else reloaded(message.type === 'reloaded' ? message.refusal : undefined);
    };
    this.capture = new Child({
      what: fused ? 'capture + detect' : 'capture',
      script: new URL('./capture-process.js', import.meta.url),
      fds: [controlFd, countersFd, arenaFd, ...eventFds],
      init: () => {
        Atomics.store(this.memory.control, Control.Start, 0);
        return this.init();
      },
      begin: () => this.begin(fused),
      log,
      onReady: () => {
        this.up.capture = true;
        // Started anew while it was to take new rules: it began with them.
        if (fused) reloaded();
      },
      onLost: () => {
        this.up.capture = false;
      },
      onMessage: told,
    });
    if (!fused)
      this.detect = new Child({
        what: 'detect',
        script: new URL('./detect-process.js', import.meta.url),
        fds: ['ignore', countersFd, arenaFd, ...eventFds],
        init: () => this.init(),
        begin: () => this.begin(true),
        log,
        onReady: () => {
          this.detectReady();
          reloaded();
        },
        onLost: () => {
          this.up.detect = false;
          this.memory.set(Control.DetectAlive, 0);
        },
        onMessage: told,
      });
    this.watchdog = new Watchdog(
      this.memory,
      this.blocks,
      this.capture,
      this.detect,
      // At the end capture threads that have drained stand still; their workers must not.
      (kind) => !this.reloading && (this.stopping ? kind === 'detect' && this.up.detect : this.isUp()),
    );
  }

  /** Children load their modules while rules are read; detection begins when it has the rules, capture when detection has begun. */
  async start(): Promise<void> {
    const { log, config } = this.setup;
    let letLoad = () => {};
    const loaded = new Promise<void>((resolve) => {
      letLoad = resolve;
    }).then(() => this.firstRules());
    const detectStarted = this.detect?.start(loaded) ?? loaded;
    const started = Promise.all([detectStarted, this.capture.start(detectStarted)]);
    letLoad();
    try {
      // Failures of the children are waited for below.
      started.catch(() => {});
      await loaded;
      const { startMetrics } = await import('../metrics/server.js');
      this.metrics = await startMetrics(config.sluice.metrics, {
        blocks: this.blocks,
        version: JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version,
        runmode: config.runmode,
        startMs: this.startMs,
        // With fail-open it is the receive buffer that is full first (see native/nfnetlink).
        queueLimit: config.nfq.queues.length > 0 && !config.nfq.failOpen ? config.nfq.queueLength : 0,
        processes: () => this.processes(),
        rules: () => ruleStats(this.rules.report, this.rulesSince),
        cacheRefused: () => this.cacheRefused,
        reloadsRefused: () => this.reloadsRefused,
        lostLines: () => this.outputs.lostLines(),
        invalidRecords: () => this.outputs.invalid,
        up: () => this.isUp(),
      });
      await started;
    } catch (error) {
      this.detect?.send({ type: 'end' });
      await Promise.all([this.detect?.ended(1000), this.capture.ended(1000)]);
      await this.metrics?.close();
      await this.outputs.close();
      throw error;
    }
    this.startedOnce = true;
    if (this.stopping) return;
    this.drain();
    if (config.stats.enabled) this.statsTimer = setInterval(() => this.writeStats(), config.stats.interval * 1000);
    this.watchdog.start();
    const detecting =
      this.detect === undefined ? '' : `, ${this.memory.layout.workers} detection worker${this.memory.layout.workers === 1 ? '' : 's'}`;
    log.notice(
      `Engine started: ${this.plan.threads.length} capture thread${this.plan.threads.length === 1 ? '' : 's'}${detecting}, ${this.rules.rules.length} rules` +
        (this.metrics.port > 0 ? `, metrics on http://${config.sluice.metrics.address}:${this.metrics.port}/metrics` : ''),
    );
    daemonStarted();
    collectGarbage();
  }

  /** Signals are ours from here on: until then they end the process, and its children with it. */
  private async firstRules(): Promise<void> {
    const { log } = this.setup;
    this.rules = await this.load();
    this.cacheRefused += this.rules.cacheBad;
    this.rulesSince = Date.now();
    this.outputs.setRules(this.rules.rules);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void this.stop(0));
    process.on('SIGHUP', () => {
      this.outputs.reopen();
      log.reopen();
      log.notice('logs reopened');
    });
    process.on('SIGUSR2', () => void this.reload());
  }

  private init(): Init {
    const { config, runAs } = this.setup;
    const user = runAs.user || config.sluice.detectUser;
    // Connections that live through a crash have no handshake to show to the new process.
    const restarted = this.startedOnce ? { ...config, stream: { ...config.stream, midstream: true } } : config;
    return {
      type: 'init',
      config: restarted,
      plan: this.plan,
      layout: this.memory.layout,
      checksumValidation: config.stream.checksumValidation,
      become: user !== '' && process.getuid?.() === 0 ? userIds(user, runAs.group) : undefined,
    };
  }

  private begin(detects: boolean): [Begin, RuleImage] {
    const image = detects ? this.rules.image : NO_IMAGE;
    return [{ type: 'begin', rules: envelope(image), ruleGeneration: this.generation }, image];
  }

  private detectReady(): void {
    this.up.detect = true;
    Atomics.add(this.memory.control, Control.DetectGeneration, 1);
    this.memory.set(Control.DetectAlive, 1);
  }

  private isUp(): boolean {
    return this.up.capture && (this.detect === undefined || this.up.detect);
  }

  private processes(): { name: string; up: boolean; restarts: number; pid: number }[] {
    const list = [{ name: 'capture', up: this.up.capture, restarts: this.capture.restarts, pid: this.capture.pid }];
    if (this.detect) list.push({ name: 'detect', up: this.up.detect, restarts: this.detect.restarts, pid: this.detect.pid });
    return list;
  }

  /** Moves event records to the logs; often while there are some, seldom otherwise. */
  private drain(): void {
    const moved = this.drainOnce();
    const wait = moved >= DRAIN_RECORDS ? 0 : moved > 0 || this.outputs.congested() ? DRAIN_BUSY_MS : DRAIN_IDLE_MS;
    this.drainTimer = setTimeout(() => this.drain(), wait);
  }

  /** While the logs are far behind the rings hold what comes: they are larger, and what does not fit them is counted. */
  private drainOnce(force = false): number {
    const before = this.drained;
    for (const ring of this.memory.events) {
      if (!force && this.mustWait()) break;
      let n = 0;
      for (let at = ring.peek(); at >= 0; at = ring.peek()) {
        this.outputs.handle(ring.bytes, ring.view, at, ring.length);
        ring.release();
        if (++n === DRAIN_RECORDS) break;
      }
      this.drained += n;
    }
    return this.drained - before;
  }

  /** Logs that are behind. At the end stored files, too: while there is traffic, alerts do not wait for them. */
  private mustWait(): boolean {
    return this.outputs.congested() || (this.stopping && this.outputs.behindWithFiles);
  }

  /** The rest of the rings, once nobody fills them any more. */
  private async drainAll(): Promise<void> {
    for (let still = 0; still < LOG_PATIENCE_MS; ) {
      const moved = this.drainOnce();
      if (moved === 0 && !this.mustWait()) return;
      still = moved > 0 ? 0 : still + 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // The logs count what they cannot take.
    while (this.drainOnce(true) > 0);
  }

  /** What the detecting process had in its sets when it ended. We alone write their files. */
  private async saveDatasets(clean: boolean): Promise<void> {
    const specs = (this.rules.image.datasets ?? []).map(({ spec }) => spec).filter(({ save }) => save !== '');
    // The message may come behind the end of its sender.
    for (let waited = 0; specs.length > 0 && this.datasets.length === 0 && clean && waited < DATASETS_MS; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const problem of saveDumps(this.datasets, specs)) this.setup.log.error(problem);
    if (specs.length > 0 && this.datasets.length === 0)
      this.setup.log.error('datasets are not saved: the detecting process did not hand them over');
  }

  private writeStats(): void {
    this.outputs.stats({ ...this.blocks.snapshot(this.startMs), rules: ruleStats(this.rules.report, this.rulesSince) });
  }

  /** SIGUSR2: new rules, if they load, without losing a packet or a flow. */
  private async reload(): Promise<void> {
    const { log } = this.setup;
    if (this.loading || this.reloading || this.stopping || !this.isUp()) {
      log.warn('rule reload refused: another one is under way or the engine is not up; send USR2 again later');
      return;
    }
    let rules: LoadedRules;
    this.loading = true;
    try {
      rules = await this.load();
      refuseLoss(this.rules.report, rules.report);
    } catch (error) {
      log.error(`rule reload refused, the rules in force stay: ${error instanceof SluiceError ? error.message : String(error)}`);
      return;
    } finally {
      this.loading = false;
    }
    // The processes may have gone while the rules were read: what starts anew begins with them.
    this.before = { rules: this.rules, generation: this.generation };
    this.rules = rules;
    this.cacheRefused += rules.cacheBad;
    this.generation = ++this.lastGeneration;
    // Known before the first record that refers to it can arrive.
    this.outputs.setRules(rules.rules, this.generation);
    if (this.stopping) return;
    this.reloading = true;
    (this.detect ?? this.capture).send({ type: 'rules', rules: envelope(rules.image), ruleGeneration: this.generation }, rules.image);
  }

  /** Threads could not take the new rules: they keep the old ones, and a process that starts anew begins with those. */
  private takeBack({ rules, generation }: { rules: LoadedRules; generation: number }, { threads, of, reason }: Refusal): void {
    this.rules = rules;
    this.generation = generation;
    this.outputs.setRules(rules.rules, generation);
    this.reloadsRefused++;
    const who = threads === of ? 'the rules in force stay' : `${threads} of ${of} detecting threads keep the rules of before`;
    this.setup.log.error(`rule reload refused, ${who}: ${reason}`);
  }

  /** INT, TERM: no packet that was accepted from the kernel is lost. What workers hold that hang or die is decided by the exception policy. */
  private async stop(status: number): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    const { log } = this.setup;
    log.notice('stopping: draining what is in flight');
    this.detect?.retire();
    this.memory.set(Control.Stop, 1);
    // A detecting thread reports its flows at the pace of the logs.
    const drained = () => this.drained;
    let clean = await this.capture.ended(STOP_CAPTURE_MS, drained);
    this.watchdog.stop();
    if (this.detect) {
      this.detect.send({ type: 'end' });
      clean = (await this.detect.ended(STOP_DETECT_MS, drained)) && clean;
    }
    clearTimeout(this.drainTimer);
    clearInterval(this.statsTimer);
    await this.drainAll();
    await this.saveDatasets(clean);
    this.writeStats();
    await this.metrics?.close();
    await this.outputs.close();
    const total = (counter: Counter) => this.blocks.total(counter);
    log.notice(
      `stopped: ${total(Counter.Packets)} packets, ${total(Counter.VerdictPass)} passed, ${total(Counter.VerdictDrop)} dropped, ${total(Counter.Alerts)} alerts`,
    );
    for (const [name, lost] of Object.entries(this.outputs.lostLines())) if (lost > 0) log.warn(`${name}: ${lost} lines lost`);
    if (!clean) log.error('a process did not end in time and was killed');
    this.resolveStopped(clean ? status : 1);
  }
}

/** For a process that does not detect. */
const NO_IMAGE: RuleImage = { bytes: new Uint8Array(0), databases: [] };
const NOTHING_LOADED: LoadedRules = { image: NO_IMAGE, rules: [], report: EMPTY_REPORT, phases: {}, cached: false, cacheBad: 0 };

/** A file that is gone, or all rules gone, is more likely a mistake (an update under way) than a wish. */
function refuseLoss(before: LoadReport, after: LoadReport): void {
  const lost = before.files.filter((file) => !after.files.includes(file) && after.problems.some((p) => p.file === file && p.line === 0));
  if (lost.length > 0)
    throw new SluiceError('SLUICE_RULE', `${lost.join(', ')} cannot be read any more; put it back, or restart without it`);
}

function workerCount(configured: number, captureThreads: number): number {
  return configured || Math.max(1, availableParallelism() - captureThreads);
}
