import { getHeapStatistics } from 'node:v8';
import type { AppLayer } from '../app-layer/app-layer.js';
import type { FileStore } from '../app-layer/files/store.js';
import type { Config } from '../config/config.js';
import type { Defragmenter } from '../decode/defrag.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import type { EventEncoder } from '../output/event-record.js';
import type { EventRing } from '../ring/event-ring.js';

/** Due flows looked at when a second begins, and every so many packets while more are due. */
const EXPIRE_AT_TICK = 256;
const EXPIRE_PER_TURN = 64;
const TURN_MASK = 15;
/** At the end: how long a reader of the event ring may stand still before it is taken for gone, milliseconds. */
const READER_PATIENCE = 2000;

/** What the clock drives, and the end: flows whose time is over, memory that is measured, files on their way to the store. */
export class Housekeeping {
  private lastTick = -1;
  /** 1: more flows are due than have been looked at. */
  private behind = 0;
  private turn = 0;
  private readonly asleep = new Int32Array(1);

  constructor(
    private readonly config: Config,
    private readonly flows: FlowTable,
    private readonly app: AppLayer,
    private readonly defrag: Defragmenter,
    private readonly events: EventEncoder,
    private readonly ring: EventRing,
    /** Files on their way to the file store; null: none are stored. */
    private readonly fileStore: FileStore | null,
    private readonly counters: Float64Array,
  ) {}

  /** Before each packet of that second. */
  packet(seconds: number): void {
    this.turn = (this.turn + 1) | 0;
    if (seconds !== this.lastTick) this.tick(seconds);
    else if (this.behind !== 0 && (this.turn & TURN_MASK) === 0) this.expire(EXPIRE_PER_TURN);
  }

  /** After each packet, and when there is none. */
  pump(): void {
    if (this.fileStore?.pending === true) this.fileStore.pump(this.ring);
  }

  /** Clock-driven work: once per second of packet time, or when nothing arrives. */
  tick(seconds: number): void {
    this.lastTick = seconds;
    this.fileStore?.pump(this.ring);
    this.events.nowSec = seconds;
    this.events.nowNsec = 0;
    this.expire(EXPIRE_AT_TICK);
    this.defrag.tick(seconds);
    this.counters[Counter.HeapUsed] = getHeapStatistics().used_heap_size;
    this.measureMemory();
  }

  /** Bytes in use, and how near the nearest memcap is. */
  private measureMemory(): void {
    const { counters: c, config } = this;
    c[Counter.ReassemblyMemuse] = this.app.order.memuse;
    c[Counter.DefragMemuse] = this.defrag.memuse;
    const fullest = Math.max(
      c[Counter.FlowMemuse] / config.flow.memcap,
      c[Counter.ReassemblyMemuse] / config.stream.reassembly.memcap,
      c[Counter.DefragMemuse] / config.defrag.memcap,
    );
    c[Counter.MemcapPressure] = Math.floor(100 * fullest);
    if (c[Counter.MemcapPressure] > c[Counter.MemcapPressureMax]) c[Counter.MemcapPressureMax] = c[Counter.MemcapPressure];
  }

  /** For times when there is nothing else to do: ends some flows whose time is over. Returns true when more are due. */
  catchUp(): boolean {
    this.pump();
    if (this.behind !== 0) this.expire(EXPIRE_AT_TICK);
    return this.behind !== 0;
  }

  private expire(budget: number): void {
    this.behind = this.flows.tick(this.lastTick, budget) ? 1 : 0;
  }

  /**
   * Reports as many live flows as the event ring has room for. Returns true when there are more: call again when the
   * ring has been read. Nothing is inspected afterwards.
   */
  finishSome(): boolean {
    this.fileStore?.pump(this.ring);
    const room = this.events.flowRoom();
    const more = room > 0 ? this.flows.endSome(room) : this.flows.active > 0;
    return more || this.fileStore?.pending === true;
  }

  /**
   * Reports every live flow to a reader in another thread or process, at its pace. What a reader that has stopped leaves
   * no room for is lost and counted (Counter.EventsLost, Counter.FilesNotStored).
   */
  finish(): void {
    let left = this.flows.active;
    let stored = this.fileStore?.records ?? 0;
    for (let waited = 0; this.finishSome() && waited < READER_PATIENCE; waited++) {
      native.futexWait(this.asleep, 0, 0, 1);
      const moved = this.fileStore?.records ?? 0;
      if (this.flows.active < left || moved !== stored) waited = 0;
      left = this.flows.active;
      stored = moved;
    }
    this.fileStore?.abandon();
  }
}
