import type { AppLayer } from '../../src/app-layer/app-layer.js';
import type { Config } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { eveAlert, eveApp, eveFile } from '../../src/output/eve.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { EventRing } from '../../src/ring/event-ring.js';
import { Mode } from '../../src/ring/verdict.js';
import type { Reassembler } from '../../src/stream/reassembly/reassembler.js';
import { Engine } from '../../src/workers/engine.js';
import { rules } from '../support/detect.js';
import type { Case, Subject } from './delivery.js';
import { MOST_PACKET } from './mutate.js';

const RING_BYTES = 1 << 22;
const ETHERNET = 1;
const HEADERS = 128;
/** Every kind of buffer has to be looked at, in each direction. */
const RULES = [
  'drop http any any -> any any (http.uri; content:"/evil"; nocase; pcre:"/e+vil$/"; sid:1;)',
  'alert http any any -> any any (http.method; content:"GET"; http.header; content:"a"; http.cookie; content:"b"; sid:2;)',
  'alert http any any -> any any (flow:to_client; http.stat_code; content:"2"; file.data; content:"a"; distance:0; sid:3;)',
  'alert http any any -> any any (http.request_body; content:"f"; byte_test:1,>,3,0,relative; sid:4;)',
  'alert tls any any -> any any (tls.sni; content:"e"; tls.cert_subject; content:"C"; sid:5;)',
  'alert tls any any -> any any (ja3.hash; content:"a"; sid:6;)',
  'alert dns any any -> any any (dns.query; to_lowercase; content:"a"; sid:7;)',
  'alert ssh any any -> any any (ssh.software; content:"s"; ssh.hassh; content:"0"; sid:8;)',
  'alert ftp any any -> any any (ftp.command; content:"R"; ftp.command_data; content:"a"; sid:9;)',
  'alert tcp any any -> any any (flow:established; content:"abc"; content:"d"; within:20; sid:10;)',
  'alert ip any any -> any any (dsize:>1000; content:"|00 00|"; sid:11;)',
];
/**
 * A packet's way through the whole engine, reassembly and rules included: what is asked here is that nothing takes long out of
 * proportion. The limit of 1 ms is the parsers' (ParserRun).
 */
const LIMIT_NS = 20_000_000;

/** A whole engine, given frames. */
export class EngineRun implements Subject {
  readonly limit = LIMIT_NS;
  private readonly config: Config;
  private readonly counters = new Float64Array(Counter.Count);
  private readonly events = new EventRing(new ArrayBuffer(EventRing.bytesFor(RING_BYTES)), RING_BYTES);
  private readonly rules = rules(...RULES);
  private readonly engine: Engine;
  private readonly mem = new Uint8Array(2 * (MOST_PACKET + HEADERS));
  private readonly region = native.region(this.mem.buffer);
  private readonly record = new EventRecord();
  private now = 1_700_000_000;

  constructor(readonly name: string) {
    const config = defaultConfig();
    config.outputs.eve.app = ['http', 'tls', 'dns', 'ssh', 'ftp', 'smtp'];
    config.outputs.eve.flow = true;
    config.outputs.eve.files = true;
    this.config = config;
    const { counters, events } = this;
    this.engine = new Engine({ config, thread: 0, rules: this.rules, ruleGeneration: 0, checksumValidation: false, counters, events });
  }

  run(one: Case, times: Float64Array): void {
    const { engine, mem, events } = this;
    const p = engine.packet;
    times.fill(0);
    for (let i = 0; i < one.deliveries.length; i++) {
      const { bytes, wait } = one.deliveries[i];
      // Goes round in 2038, as a capture file's.
      this.now = (this.now + (wait ?? 0)) | 0;
      mem.fill(0xa5, HEADERS + bytes.length, HEADERS + bytes.length + HEADERS);
      mem.set(bytes, HEADERS);
      p.mem = mem;
      p.region = this.region;
      p.off = HEADERS;
      p.capLen = bytes.length;
      p.wireLen = bytes.length;
      p.linkType = ETHERNET;
      p.tsSec = this.now;
      p.tsNsec = i;
      p.source = 0;
      p.mode = one.listener ? Mode.Ids : Mode.Ips;
      p.csumNotReady = 0;
      const from = process.hrtime.bigint();
      engine.inspect();
      times[i] = Number(process.hrtime.bigint() - from);
      if (mem[HEADERS - 1] !== 0 || mem[HEADERS + bytes.length] !== 0xa5) throw new Error('it writes outside the packet');
      this.drain(200);
      while (events.peek() >= 0) events.release();
    }
    engine.flows.endAll();
    this.drain(200);
    while (events.peek() >= 0) events.release();
    this.checkEmpty();
    this.now = (this.now + 100_000) | 0;
  }

  close(): void {
    this.engine.close();
    native.regionRelease(this.region);
  }

  /** Records are read as the writer of the logs reads them, the first `most` of them. */
  private drain(most: number): void {
    const { events, record, config } = this;
    const { eve } = config.outputs;
    for (let n = 0; n < most; n++) {
      const at = events.peek();
      if (at < 0) return;
      if (!decodeEvent(events.bytes, events.view, at, events.length, record)) throw new Error('an event that cannot be read');
      if (record.type === EventType.Alert) JSON.parse(eveAlert(record, this.rules[record.ruleIndex], eve, ''));
      else if (record.type === EventType.App) JSON.parse(eveApp(record, eve, ''));
      else if (record.type === EventType.File) JSON.parse(eveFile(record, eve, ''));
      events.release();
    }
  }

  private checkEmpty(): void {
    const { app, flows } = this.engine as unknown as { app: AppLayer; flows: Engine['flows'] };
    const { order, parsers } = app as unknown as { order: Reassembler; parsers: ({ begin(): void } | null)[] };
    order.begin();
    for (const parser of parsers) parser?.begin();
    const left: [string, number][] = [
      ['flows', flows.active],
      ['sessions', app.active],
      ['transactions', app.txs.active],
      ['bytes of the heap', app.txs.heap.used],
      ['bytes of the reassembler', order.memuse],
      ['held segments', order.held.capacity - order.held.free],
      ['windows', order.windows.active],
    ];
    const lost = left.filter(([, n]) => n !== 0).map(([what, n]) => `${n} ${what}`);
    if (lost.length > 0) throw new Error(`left behind when all flows have ended: ${lost.join(', ')}`);
  }
}
