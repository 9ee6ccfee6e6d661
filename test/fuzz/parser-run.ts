import { AppProto, BUFFER_NAMES, Buffers } from '../../src/app-layer/buffers.js';
import { Files } from '../../src/app-layer/files/files.js';
import { writeFile } from '../../src/app-layer/files/record.js';
import { FtpCommand } from '../../src/app-layer/ftp/commands.js';
import { Expectations } from '../../src/app-layer/ftp-data/expectations.js';
import { AppMemory } from '../../src/app-layer/memory.js';
import { Likeness, Parsed, PROBE_BYTES, type Protocol } from '../../src/app-layer/protocol.js';
import type { ProtocolSpec } from '../../src/app-layer/protocols.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { Transactions, Tx, TxFlag } from '../../src/app-layer/transactions.js';
import { TxLimits } from '../../src/app-layer/tx-limits.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { AppRecordWriter, appRecordJson, fileRecordJson } from '../../src/output/app-record.js';
import type { Case, Delivery, Subject } from './delivery.js';
import { MOST_HOLE, MOST_PACKET } from './mutate.js';

const GUARD = 64;
const LINES = 8;
/** As AppLayer has them: transactions of a flow beside those of the packet at hand. */
const MOST_PER_SESSION = 256;
const MOST_PER_PACKET = 1 << 19;
/** Records of one packet that are made JSON, too. */
const MOST_JSON = 32;
/** 1 ms: issue 5. */
const LIMIT_NS = 1_000_000;

/**
 * One parser, driven as AppLayer drives it: begin, the bytes, select of every moment, settle with the records of what ended.
 * The clock runs while the parser takes the bytes; select and record are timed apart (`inspectNs`).
 */
export class ParserRun implements Subject {
  readonly name: string;
  readonly limit = LIMIT_NS;
  /** Of the deliveries since these were set to 0: most nanoseconds that select and the records of one took; most moments. */
  worstInspectNs = 0;
  mostMoments = 0;
  private inspectNs = 0;
  private readonly sessions = new Sessions(4);
  private readonly txs = new Transactions(MOST_PER_PACKET + 4096, 64 << 20, MOST_PER_PACKET, 4);
  private readonly memory = new AppMemory(4, LINES);
  private readonly counters = new Float64Array(Counter.Count);
  private readonly files = new Files(this.txs, this.counters);
  private readonly limits: TxLimits;
  private readonly expectations = new Expectations(
    Expectations.create(16, false),
    { key: new Int32Array(16), flowId: () => 1, dstPort: () => 20 },
    this.counters,
  );
  private readonly parser: Protocol;
  private readonly buffers = new Buffers();
  private readonly writer = new AppRecordWriter();
  private readonly mem = new Uint8Array(MOST_HOLE + MOST_PACKET + 2 * GUARD);
  private readonly region = native.region(this.mem.buffer);
  private session = -1;
  /** Where the packet's bytes begin, those given last, and where these end. */
  private begin = GUARD;
  private at = GUARD;
  private end = GUARD;
  private digest = 0;

  constructor(private readonly spec: ProtocolSpec) {
    this.name = spec.names.type;
    const { sessions, txs, memory, counters } = this;
    this.expectations.slot = 0;
    this.expectations.now = 1000;
    this.parser = spec.make({ sessions, txs, memory, files: this.files, expectations: this.expectations, counters });
    const parsers = Array.from({ length: AppProto.Count }, (_, proto) => (proto === spec.proto ? this.parser : null));
    this.limits = new TxLimits(txs, parsers, MOST_PER_SESSION, MOST_PER_PACKET, counters);
  }

  run(one: Case, times: Float64Array, strict: boolean): void {
    this.once(one, times, 0xa5);
    if (!strict || outlivesFlow(one)) return;
    // What lies around the bytes must not matter.
    const first = this.digest;
    this.once(one, new Float64Array(times.length), 0x0a);
    if (this.digest !== first) throw new Error('it reads beyond the bytes it was given: with others around them it says another thing');
  }

  close(): void {
    this.txs.heap.close();
    this.memory.close();
    this.files.dispose();
    native.regionRelease(this.region);
  }

  private once(one: Case, times: Float64Array, around: number): void {
    const { parser, sessions, txs } = this;
    this.digest = 0;
    this.session = one.datagrams ? -1 : sessions.take();
    if (this.session >= 0) {
      if (parser.proto === AppProto.FtpData) this.expect(one);
      parser.open(this.session);
    }
    if (parser.nextId !== undefined) parser.nextId = 0;
    let going = true;
    times.fill(0);
    for (let i = 0; i < one.deliveries.length && going; i++) {
      const delivery = one.deliveries[i];
      const behind = i > 0 && this.session >= 0 && one.deliveries[i - 1].more === true && this.fits(delivery);
      if (i > 0 && !behind) this.endPacket();
      this.place(delivery, around, behind);
      if (!behind) txs.begin();
      const from = process.hrtime.bigint();
      const parsed = this.deliver(delivery, behind);
      times[i] = Number(process.hrtime.bigint() - from);
      going = parsed === Parsed.Go || this.session < 0;
    }
    this.endPacket();
    if (this.session >= 0) this.endFlow(going);
    this.checkEmpty();
  }

  /** A control connection has told of this flow: what, and how the file is called, comes of the case. */
  private expect({ deliveries }: Case): void {
    const bytes = deliveries[0]?.bytes ?? this.mem.subarray(0, 0);
    const kind = deliveries.length & 3;
    const command = (kind & 1) === 0 ? FtpCommand.Stor : FtpCommand.Retr;
    this.expectations.expect(kind > 1, 20, command, bytes, 0, Math.min(bytes.length, 600));
  }

  private endPacket(): void {
    this.files.keep();
    this.inspect();
    this.settle();
  }

  /**
   * The bytes into the packet's memory, with guards around them; `behind`: what came before in the same packet stays, and they lie behind
   * it, at once or not.
   *
   *   guard | bytes | bytes | guard | bytes | guard
   *           begin                   at      end
   */
  private place({ bytes }: Delivery, around: number, behind: boolean): void {
    const { mem } = this;
    if (!behind) this.begin = GUARD;
    this.at = behind ? this.end + (this.end & 1) * GUARD : GUARD;
    this.end = this.at + bytes.length;
    if (!behind) mem.fill(around, 0, GUARD);
    mem.set(bytes, this.at);
    mem.fill(around, this.end, this.end + GUARD);
  }

  private fits({ bytes }: Delivery): boolean {
    return this.end + bytes.length + 2 * GUARD <= this.mem.length;
  }

  private deliver({ kind, direction, length }: Delivery, behind: boolean): Parsed {
    const { parser, session } = this;
    if (!behind) {
      parser.begin();
      this.files.begin();
    }
    if (kind === 'data') {
      if (length === 0) return Parsed.Go;
      if (parser.probe(direction, this.mem, this.at, Math.min(length, PROBE_BYTES), 0) > Likeness.More)
        throw new Error('probe says what is no answer');
      return parser.data(session, direction, this.mem, this.region, this.at, this.end - this.at);
    }
    if (session < 0) return Parsed.Go;
    if (kind === 'gap') return parser.gap(session, direction, length);
    parser.finish(session, direction);
    return Parsed.Go;
  }

  /** Every moment is selected, as detection would have it; each buffer must lie within its memory. */
  private inspect(): void {
    const { buffers, parser, txs } = this;
    if (txs.count > this.mostMoments) this.mostMoments = txs.count;
    const from = process.hrtime.bigint();
    for (let i = 0; i < txs.count; i++) {
      buffers.clear();
      parser.select(txs.moments[2 * i], txs.moments[2 * i + 1], buffers);
    }
    this.inspectNs = Number(process.hrtime.bigint() - from);
    for (let i = 0; i < txs.count; i++) {
      const direction = txs.moments[2 * i + 1];
      if (direction !== 0 && direction !== 1) throw new Error(`a moment of direction ${direction}`);
      buffers.clear();
      parser.select(txs.moments[2 * i], direction, buffers);
      for (let id = 0; id < BUFFER_NAMES.length; id++) if (buffers.len[id] >= 0) this.checkBuffer(id, i < MOST_JSON);
    }
  }

  private checkBuffer(id: number, hashed: boolean): void {
    const { buffers, mem } = this;
    let count = 0;
    for (let k = id; k >= 0; k = buffers.next[k]) {
      const off = buffers.off[k];
      const len = buffers.len[k];
      const own = buffers.mem[k] === mem;
      const low = own ? this.begin : 0;
      const high = own ? this.end : buffers.mem[k].length;
      if (off < low || len < 0 || off + len > high)
        throw new Error(`${BUFFER_NAMES[id]} [${off}, ${off + len}) lies outside ${own ? 'the packet' : 'its memory'} [${low}, ${high})`);
      count++;
      if (hashed && count <= 16) this.hash(buffers.mem[k], off, len < 512 ? len : 512, id * 31 + len);
    }
    if (count !== buffers.count[id]) throw new Error(`${BUFFER_NAMES[id]}: ${count} instances in the list, ${buffers.count[id]} counted`);
  }

  private hash(mem: Uint8Array, off: number, len: number, more: number): void {
    let h = Math.imul(this.digest ^ more, 0x9e3779b1);
    for (let i = off; i < off + len; i++) h = Math.imul(h ^ mem[i], 0x5bd1e995);
    this.digest = h ^ (h >>> 15);
  }

  /** As AppLayer.settle. */
  private settle(): void {
    if (this.session < 0) this.txs.closeAll(-1);
    else this.limits.closeComplete(this.session);
    this.ended();
  }

  private ended(): void {
    const { txs, spec, parser, writer } = this;
    for (let i = 0; i < txs.endedCount; i++) {
      const tx = txs.ended[i];
      if ((txs.words[tx * Tx.Words + Tx.Flags] & TxFlag.Logged) !== 0) continue;
      const from = process.hrtime.bigint();
      writer.reset();
      parser.record(tx, writer);
      this.inspectNs += Number(process.hrtime.bigint() - from);
      if (i < MOST_JSON) {
        const text = appRecordJson(spec.proto, Buffer.from(writer.bytes.subarray(0, writer.length)));
        if (text === '') throw new Error('a record that cannot be read');
        JSON.parse(text);
        this.hash(writer.bytes, 0, writer.length, writer.length);
      }
      const { files } = this;
      for (let file = files.first(tx); file >= 0; file = files.behind(file)) {
        writer.reset();
        writeFile(files, file, 0, writer);
        if (i >= MOST_JSON || writer.length === 0) continue;
        JSON.parse(fileRecordJson(Buffer.from(writer.bytes.subarray(0, writer.length))));
      }
    }
    if (this.inspectNs > this.worstInspectNs) this.worstInspectNs = this.inspectNs;
    txs.clearEnded();
  }

  private endFlow(going: boolean): void {
    const { parser, session, sessions, txs } = this;
    txs.begin();
    parser.begin();
    this.files.begin();
    if (going) {
      parser.finish(session, 0);
      parser.finish(session, 1);
      this.begin = this.at = this.end = GUARD;
      this.inspect();
    }
    parser.close(session);
    txs.closeAll(session);
    this.ended();
    sessions.give(session);
  }

  private checkEmpty(): void {
    const { txs, sessions, memory, parser } = this;
    parser.begin();
    memory.resetScratch();
    const lines: number[] = [];
    for (let line = memory.takeLine(); line >= 0 && lines.length <= LINES; line = memory.takeLine()) lines.push(line);
    for (const line of lines) memory.giveLine(line);
    const left = [
      ['transactions', txs.active],
      ['bytes of the heap', txs.heap.used],
      ['sessions', sessions.active],
      ['line buffers', LINES - lines.length],
    ] as const;
    const lost = left.filter(([, n]) => n !== 0).map(([what, n]) => `${n} ${what}`);
    if (lost.length > 0) throw new Error(`left behind at the flow's end: ${lost.join(', ')}`);
  }
}

/** Pieces of files (Content-Range) are kept for other flows: a second time they say something else. */
function outlivesFlow({ deliveries }: Case): boolean {
  let text = '';
  for (const { bytes, direction } of deliveries) if (direction === 1) text += Buffer.from(bytes).toString('latin1');
  return /content-range/i.test(text);
}
