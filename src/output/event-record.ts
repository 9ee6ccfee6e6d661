import { AppProto } from '../app-layer/buffers.js';
import type { Files } from '../app-layer/files/files.js';
import { writeFile } from '../app-layer/files/record.js';
import { ProtoEvent } from '../app-layer/proto-events.js';
import type { Protocol } from '../app-layer/protocol.js';
import type { Packet } from '../decode/packet.js';
import type { FlowVars } from '../detect/state/flow-vars.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { EventRing } from '../ring/event-ring.js';
import { Reason } from '../ring/verdict.js';
import { AppRecordWriter } from './app-record.js';
import type { EncoderOptions } from './encoder-options.js';
import { At, EventType, MAX_PACKET_BYTES, Origin } from './event-layout.js';
import { FLOW_MACS_BYTES, FlowMacs } from './flow-macs.js';
import { APP_EVENT_BASE, PROTO_EVENT_BASE, STREAM_EVENT_BASE } from './names.js';
import { RecordFields } from './record-fields.js';
import { MOST_STATE_BYTES, StateRecordWriter } from './state-record.js';

export * from './encoder-options.js';
export * from './event-layout.js';

/** Bytes of a packet without IP that every alert carries: fast.log prints them as "Raw pkt". */
const RAW_BYTES = 32;

/** Few transactions are open when a flow ends, and most have little to say. */
const ENDING_BYTES = 4096;

/** Bytes of the packet in an anomaly record (eve `packethdr`). */
const ANOMALY_BYTES = 32;

/** Drops already reported per flow and direction: direct-mapped, so a collision costs one record too many. */
const DROP_LOGGED = 8192;

/** An alert names so many files of its transaction. */
const MOST_ALERT_FILES = 16;

/**
 * Writes event records into a worker's ring. Nothing is allocated per call; a full ring counts
 * Counter.EventsLost and returns.
 */
export class EventEncoder extends RecordFields {
  private readonly payloadMax: number;
  private readonly packets: boolean;
  private readonly drops: boolean;
  private readonly flowRecords: boolean;
  private readonly dropStart: boolean;
  private readonly decodeAnomalies: boolean;
  private readonly streamAnomalies: boolean;
  /** Somebody writes records of transactions' events. */
  readonly appAnomalies: boolean;
  private readonly taggedPackets: boolean;
  private readonly anomalyBytes: number;
  private readonly wantsMacs: boolean;
  private readonly wantsState: boolean;
  private state: StateRecordWriter | null = null;
  /** EventVerdict and sides told of a rejection, for the alerts that follow: the engine knows before it reports them. */
  verdict = 0;
  rejectSides = 0;
  private streamMem: Uint8Array | null = null;
  private streamOff = 0;
  private streamLen = 0;
  private readonly appTypes = new Uint8Array(AppProto.Count);
  private readonly appAlerts: boolean;
  private readonly files: boolean;
  private txFiles: Files | null = null;
  private readonly fileRecord = new AppRecordWriter();
  /** For the records of transactions that end with a flow. */
  private readonly appRoom: number;
  private readonly record = new AppRecordWriter();
  /** Of the transaction that alerts are about: its parser, and whether `record` holds it already. */
  private txParser: Protocol | null = null;
  private tx = -1;
  private txId = -1;
  private guessed = false;
  private isWritten = false;
  private readonly dropLogged = new Float64Array(DROP_LOGGED).fill(-1);

  constructor(
    private readonly ring: EventRing,
    private readonly counters: Float64Array,
    options: EncoderOptions,
  ) {
    super(ring.view, ring.bytes);
    this.payloadMax = options.payload ? Math.max(0, Math.trunc(options.payloadBufferSize)) : 0;
    this.packets = options.packet;
    this.drops = options.drops !== false;
    this.flowRecords = options.flows !== false;
    this.dropStart = options.dropFlows === 'start';
    this.decodeAnomalies = options.anomalies?.decode === true;
    this.streamAnomalies = options.anomalies?.stream === true;
    this.appAnomalies = options.anomalies?.applayer === true;
    this.taggedPackets = options.tagged === true;
    this.appAlerts = options.appAlerts === true;
    this.files = options.files === true;
    this.appRoom = this.files || (options.app ?? []).length > 0 ? ENDING_BYTES : 0;
    for (const proto of options.app ?? []) this.appTypes[proto] = 1;
    this.wantsMacs = options.macs === true;
    this.wantsState = options.state === true;
    this.anomalyBytes = options.anomalies?.packetHeader === true ? ANOMALY_BYTES : 0;
  }

  /** The alerts that follow are about these bytes of a stream; `mem` null: about the packet's payload again. */
  ofStream(mem: Uint8Array | null, off: number, len: number): void {
    this.streamMem = mem;
    this.streamOff = off;
    this.streamLen = len;
  }

  /** `action` 0 allowed, 1 blocked; `dropFlag` 0 none, 1 [Drop], 2 [wDrop]. */
  alert(p: Packet, flows: FlowTable, ruleIndex: number, action: number, dropFlag: number): void {
    const stream = this.streamMem;
    const mem = stream ?? p.mem;
    const from = stream === null ? p.payloadOff : this.streamOff;
    let payload = Math.min(stream === null ? p.payloadLen : this.streamLen, this.payloadMax);
    if (payload < 0 || from < 0 || from + payload > mem.length) payload = 0;
    const packet = this.packetBytes(p);
    const app = this.txParser === null ? 0 : this.appRecord();
    const link = packet === 0 || p.defragged === 0 ? 0 : Math.min(p.linkHeaderLen, MAX_PACKET_BYTES - packet);
    const state = this.stateOf(p.flow);
    const files = this.txParser === null ? 0 : this.alertFiles(p.direction);
    const at = this.ring.reserve(At.Bytes + payload + link + packet + app + state + files);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Alert, ruleIndex);
    this.view.setUint8(at + At.Action, action);
    this.view.setUint8(at + At.DropFlag, dropFlag);
    this.view.setUint8(at + At.Verdict, this.verdict);
    this.view.setUint8(at + At.RejectSides, this.rejectSides);
    const origin = (stream !== null ? Origin.Stream : 0) | (this.guessed ? Origin.Guessed : 0);
    if (origin !== 0) this.view.setUint8(at + At.Origin, this.view.getUint8(at + At.Origin) | origin);
    this.view.setUint32(at + At.PayloadLen, payload, true);
    this.view.setUint32(at + At.PacketLen, link + packet, true);
    if (link > 0) this.view.setUint32(at + At.LinkType, p.linkHeaderType, true);
    let to = at + At.Bytes;
    if (payload > 0) this.copy(mem, from, payload, to);
    to += payload;
    if (link > 0) this.copy(p.linkHeader, 0, link, to);
    to += link;
    if (packet > 0) this.copy(p.mem, p.off, packet, to);
    if (this.txParser !== null) this.appPart(at, this.txParser.proto, this.txId, to + packet, app);
    this.statePart(at, to + packet + app, state);
    if (files > 0) {
      this.view.setUint32(at + At.FilesLen, files, true);
      this.copy(this.fileRecord.bytes, 0, files, to + packet + app + state);
    }
    this.ring.commit();
  }

  /** The alerts that follow are about this transaction; `parser` null: about the packet again. `guessed`: see Origin.Guessed. */
  about(parser: Protocol | null, tx: number, id: number, files: Files | null = null, guessed = false): void {
    this.guessed = guessed;
    this.txParser = parser;
    this.txFiles = files;
    this.tx = tx;
    this.txId = id;
    this.isWritten = false;
  }

  /** A transaction is complete. `p`: a packet of its flow, whose time it is; `files`: those it carried are among them. */
  transaction(p: Packet, flows: FlowTable, parser: Protocol, tx: number, id: number, files: Files): void {
    let hasFiles = false;
    if (this.files) for (let file = files.first(tx); file >= 0 && !hasFiles; file = files.behind(file)) hasFiles = !files.isLogged(file);
    if (this.appTypes[parser.proto] === 0 && !hasFiles) return;
    this.write(parser, tx);
    // Records are told from the client's side mostly, files from that of who sends them.
    const side = parser.side === undefined ? 0 : parser.side(tx);
    if (this.appTypes[parser.proto] !== 0 && this.record.length > 0) this.ended(EventType.App, p, flows, parser, id, side, 0);
    if (!hasFiles) return;
    for (let file = files.first(tx); file >= 0; file = files.behind(file))
      if (files.log(file)) this.fileEnded(p, flows, parser, id, files, file);
  }

  /** A file of a transaction has ended; the transaction has not. */
  file(p: Packet, flows: FlowTable, parser: Protocol, tx: number, id: number, files: Files, file: number): void {
    if (!this.files) return;
    this.write(parser, tx);
    this.fileEnded(p, flows, parser, id, files, file);
  }

  private fileEnded(p: Packet, flows: FlowTable, parser: Protocol, id: number, files: Files, file: number): void {
    this.fileRecord.reset();
    writeFile(files, file, id, this.fileRecord);
    this.ended(EventType.File, p, flows, parser, id, files.directionOf(file), this.fileRecord.length);
  }

  private ended(type: EventType, p: Packet, flows: FlowTable, parser: Protocol, id: number, direction: number, file: number): void {
    const { record, view } = this;
    const state = this.stateOf(p.flow);
    const at = this.ring.reserve(At.Bytes + file + record.length + state);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, type, -1);
    if (p.direction !== direction) {
      view.setUint8(at + At.Direction, direction);
      for (let i = 0; i < 4; i++) {
        view.setInt32(at + At.Src + i * 4, p.dst[i], true);
        view.setInt32(at + At.Dst + i * 4, p.src[i], true);
      }
      view.setUint16(at + At.SrcPort, p.dstPort, true);
      view.setUint16(at + At.DstPort, p.srcPort, true);
      this.swapEthernet(at);
    }
    if (file > 0) {
      view.setUint32(at + At.PacketLen, file, true);
      this.copy(this.fileRecord.bytes, 0, file, at + At.Bytes);
    }
    this.appPart(at, parser.proto, id, at + At.Bytes + file, record.length);
    this.statePart(at, at + At.Bytes + file + record.length, state);
    this.ring.commit();
  }

  /** Length of the record of the transaction that alerts are about. */
  private appRecord(): number {
    if (!this.appAlerts || this.txParser === null) return 0;
    if (!this.isWritten) this.write(this.txParser, this.tx, true);
    this.isWritten = true;
    return this.record.length;
  }

  /** Length of the record of its files that go in that direction. */
  private alertFiles(direction: number): number {
    const { txFiles: files, fileRecord: record } = this;
    if (!this.appAlerts || files === null) return 0;
    record.reset();
    let left = MOST_ALERT_FILES;
    for (let file = files.first(this.tx); file >= 0 && left > 0; file = files.behind(file)) {
      if (files.directionOf(file) !== direction) continue;
      record.object(-1);
      writeFile(files, file, this.txId, record);
      record.end();
      left--;
    }
    return record.length;
  }

  private write(parser: Protocol, tx: number, inAlert = false): void {
    const { record } = this;
    record.reset();
    if (inAlert && parser.alertRecord !== undefined) parser.alertRecord(tx, record);
    else parser.record(tx, record);
    if (record.cut) this.counters[Counter.AppRecordsCut]++;
  }

  private appPart(at: number, proto: number, id: number, to: number, length: number): void {
    this.view.setInt32(at + At.TxId, id, true);
    this.view.setUint8(at + At.AppProto, proto);
    this.view.setUint32(at + At.AppLen, length, true);
    if (length > 0) this.copy(this.record.bytes, 0, length, to);
  }

  /** Where the records of the flows' state come from; without somebody to write them, nothing is kept. */
  watchState(vars: FlowVars): void {
    if (this.wantsState) this.state = new StateRecordWriter(vars);
  }

  /** Length of the record of what rules have left on the flow. */
  private stateOf(slot: number): number {
    return this.state === null || slot < 0 ? 0 : this.state.write(slot);
  }

  private statePart(at: number, to: number, length: number): void {
    if (length === 0) return;
    this.view.setUint32(at + At.StateLen, length, true);
    this.copy(this.state!.bytes, 0, length, to);
  }

  /** `ruleIndex` -1: no rule caused it. */
  drop(p: Packet, flows: FlowTable, reason: number, ruleIndex: number): void {
    if (!this.drops) return;
    if (this.dropStart && p.flow >= 0 && this.alreadyReported(p, flows) && reason === Reason.FlowDropped) return;
    const state = this.stateOf(p.flow);
    const at = this.ring.reserve(At.Bytes + state);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Drop, ruleIndex);
    this.view.setUint8(at + At.Action, 1);
    this.view.setUint8(at + At.Reason, reason);
    this.statePart(at, at + At.Bytes, state);
    this.ring.commit();
  }

  /** One record for each event of the packet that somebody writes. */
  anomalies(p: Packet, flows: FlowTable): void {
    if (this.decodeAnomalies) for (let i = 0; i < p.eventCount; i++) this.anomaly(p, flows, p.events[i]);
    for (let code = 0; this.appAnomalies && code < ProtoEvent.Count; code++)
      if ((p.protoEvents & (1 << code)) !== 0) this.anomaly(p, flows, PROTO_EVENT_BASE + code);
    if (this.streamAnomalies) for (let i = 0; i < p.streamEventCount; i++) this.anomaly(p, flows, p.streamEvents[i] + STREAM_EVENT_BASE);
  }

  /** Events of a transaction, by bit: one record each. */
  txEvents(p: Packet, flows: FlowTable, proto: number, id: number, low: number, high: number): void {
    for (let bit = 0; bit < 64; bit++) {
      if (((bit < 32 ? low : high) & (1 << (bit & 31))) !== 0) this.anomaly(p, flows, APP_EVENT_BASE + bit, proto, id);
    }
  }

  private anomaly(p: Packet, flows: FlowTable, code: number, proto = -1, txId = -1): void {
    const bytes = this.anomalyBytes === 0 || p.off < 0 || p.off + p.capLen > p.mem.length ? 0 : Math.min(p.capLen, this.anomalyBytes);
    const at = this.ring.reserve(At.Bytes + bytes);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Anomaly, -1);
    this.view.setUint16(at + At.Event, code, true);
    if (proto >= 0) this.view.setUint8(at + At.AppProto, proto);
    if (txId >= 0) this.view.setInt32(at + At.TxId, txId, true);
    this.view.setUint32(at + At.PacketLen, bytes, true);
    if (bytes > 0) this.copy(p.mem, p.off, bytes, at + At.Bytes);
    this.ring.commit();
  }

  /** A packet of a tagged flow or host (keyword `tag`), with its bytes. */
  tagged(p: Packet, flows: FlowTable): void {
    if (!this.taggedPackets) return;
    const bytes = p.off < 0 || p.capLen <= 0 || p.off + p.capLen > p.mem.length ? 0 : Math.min(p.capLen, MAX_PACKET_BYTES);
    const at = this.ring.reserve(At.Bytes + bytes);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Packet, -1);
    this.view.setUint32(at + At.PacketLen, bytes, true);
    if (bytes > 0) this.copy(p.mem, p.off, bytes, at + At.Bytes);
    this.ring.commit();
  }

  /** `slots`: of the flow table whose packets come. */
  watchMacs(slots: number): void {
    if (this.wantsMacs) this.macs = new FlowMacs(slots);
  }

  /** Flow records that are sure to fit the ring now; without anybody to write them, any number. */
  flowRoom(): number {
    if (!this.flowRecords) return 0x7fffffff;
    const beside = (this.macs === null ? 0 : FLOW_MACS_BYTES) + (this.state === null ? 0 : MOST_STATE_BYTES);
    return this.ring.room(At.Bytes + beside + this.appRoom);
  }

  /** A flow left the table; call it before the slot is cleared. `endReason`: a FlowEnd code. Fits FlowEndSink. */
  flowEnded(flows: FlowTable, slot: number, endReason: number): void {
    if (!this.flowRecords) return;
    const macs = this.macs === null ? 0 : this.macs.length(slot);
    const state = this.stateOf(slot);
    const at = this.ring.reserve(At.Bytes + macs + state);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.flowRecord(at, flows, slot);
    this.view.setUint8(at + At.EndReason, endReason);
    if (this.macs !== null) {
      this.view.setUint32(at + At.PayloadLen, macs, true);
      this.macs.write(slot, this.bytes, at + At.Bytes);
    }
    this.statePart(at, at + At.Bytes + macs, state);
    this.ring.commit();
  }

  /** True when a drop of this flow and direction was reported before; remembers it either way. */
  private alreadyReported(p: Packet, flows: FlowTable): boolean {
    const at = (p.flow * 2 + (p.direction & 1)) & (DROP_LOGGED - 1);
    const id = flows.flowId(p.flow);
    const known = this.dropLogged[at] === id;
    this.dropLogged[at] = id;
    return known;
  }

  private packetBytes(p: Packet): number {
    if (p.off < 0 || p.capLen <= 0 || p.off + p.capLen > p.mem.length) return 0;
    const most = this.packets ? MAX_PACKET_BYTES : p.ipVersion === 0 ? RAW_BYTES : 0;
    return Math.min(p.capLen, most);
  }

  private copy(from: Uint8Array, offset: number, length: number, to: number): void {
    const bytes = this.bytes;
    // A plain loop: `subarray` would allocate. Alerts are rare, payloads are short.
    for (let i = 0; i < length; i++) bytes[to + i] = from[offset + i];
  }
}
