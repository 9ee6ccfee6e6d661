import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '../src/errors.js';
import * as build from '../src/lab/packets.js';
import { BLOCK_FLOATS, Counter } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { EventRing } from '../src/ring/event-ring.js';
import { Mode } from '../src/ring/verdict.js';
import { Engine } from '../src/workers/engine.js';
import { benchConfig, loadedRules } from './replay-rules.js';

/** What an idle TCP flow of one kind costs in memory. */
export interface IdleRow {
  kind: string;
  mode: string;
  flows: number;
  /** Bytes per flow that the process grew by, JavaScript's heap left out; of those, the flow table's. */
  rss: number;
  table: number;
  /** Per flow: windows, sessions that are parsed or not decided. */
  windows: number;
  sessions: number;
}

const RAW = 101;
const EVENT_RING = 1 << 20;
/** Flows before the measurement: code is compiled, the first pages are there. */
const WARM = 2000;
const SYN = 2;
const ACK = 16;
const PUSH = 24;

/** What the client says first, and what the server answers; empty: the handshake alone. */
const KINDS: readonly { kind: string; port: number; says: string; answers: string }[] = [
  { kind: 'handshake', port: 4321, says: '', answers: '' },
  { kind: 'unknown', port: 4321, says: '\x01\x02\x03\x04'.repeat(50), answers: '\x05\x06\x07\x08'.repeat(75) },
  {
    kind: 'http',
    port: 80,
    says: 'GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n',
    answers: `HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 300\r\n\r\n${'<p>text</p>'.repeat(30).slice(0, 300)}`,
  },
  { kind: 'tls', port: 443, says: hello(1, 180), answers: hello(2, 90) },
];

/** A TLS record with a hello without extensions, and random bytes for a session. */
function hello(type: number, more: number): string {
  const suites = type === 1 ? '\0\x02\x13\x01\x01\0' : '\x13\x01\0';
  const body = `\x03\x03${'r'.repeat(32)}\0${suites}`;
  const handshake = `${String.fromCharCode(type)}\0\0${String.fromCharCode(body.length)}${body}`;
  const record = `\x16\x03\x03\0${String.fromCharCode(handshake.length)}${handshake}`;
  return `${record}\x17\x03\x03\0${String.fromCharCode(more)}${'x'.repeat(more)}`;
}

/** So many flows of each kind, in IDS and in IPS mode, that exchange a few packets and then stay open: each in a process of its own. */
export function idleFlows(configFile: string, ruleFiles: string[], flows: number, say: (line: string) => void): IdleRow[] {
  const rows: IdleRow[] = [];
  for (const mode of ['IDS', 'IPS']) {
    for (const { kind } of KINDS) {
      say(`${kind}, ${mode}`);
      const task = JSON.stringify([configFile, ruleFiles, flows, mode, kind]);
      const { stdout, status } = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), task], {
        stdio: ['ignore', 'pipe', 'inherit'],
        encoding: 'latin1',
      });
      if (status !== 0) throw new SluiceError('SLUICE_SYSTEM', `${kind}, ${mode}: the process that measures it ended with ${status}`);
      rows.push(JSON.parse(stdout));
    }
  }
  return rows;
}

function measure(configFile: string, ruleFiles: string[], flows: number, mode: string, name: string): IdleRow {
  const config = benchConfig(configFile);
  const counters = new Float64Array(BLOCK_FLOATS);
  const events = new EventRing(new ArrayBuffer(EventRing.bytesFor(EVENT_RING)), EVENT_RING);
  const rules = loadedRules(ruleFiles, config);
  const engine = new Engine({ config, thread: 0, rules, ruleGeneration: 0, checksumValidation: false, counters, events });
  const { kind, port, says, answers } = KINDS.find((one) => one.kind === name)!;
  const talk = conversation(engine, events, mode === 'IPS' ? Mode.Ips : Mode.Ids, port, says, answers);
  const { app } = engine as unknown as { app: { active: number; order: { windows: { active: number } } } };
  const now = () => {
    engine.tick(engine.packet.tsSec);
    for (let i = 0; i < 3; i++) globalThis.gc!();
    const { rss, heapTotal } = process.memoryUsage();
    return [rss - heapTotal, counters[Counter.FlowMemuse], app.order.windows.active, app.active, engine.flows.active];
  };
  for (let i = 0; i < WARM; i++) talk(i);
  const before = now();
  for (let i = WARM; i < WARM + flows; i++) talk(i);
  const [rss, table, windows, sessions, n] = now().map((v, i) => v - before[i]);
  engine.close();
  return { kind, mode, flows: n, rss: rss / n, table: table / n, windows: windows / n, sessions: sessions / n };
}

/** Sends the packets of flow `i`: frames made once, in which only the client's address and port change. */
function conversation(engine: Engine, events: EventRing, mode: Mode, port: number, says: string, answers: string): (i: number) => void {
  const frames: { bytes: Uint8Array; client: number }[] = [];
  const frame = (direction: number, flags: number, seq: number, ack: number, text = '') => {
    const [src, dst] = direction === 0 ? ['10.0.0.1', '192.0.2.7'] : ['192.0.2.7', '10.0.0.1'];
    const ports = direction === 0 ? { srcPort: 1024, dstPort: port } : { srcPort: port, dstPort: 1024 };
    const segment = build.tcp({ src, dst, ...ports, flags, seq, ack, window: 65535 }, build.bytes(text));
    frames.push({ bytes: Uint8Array.from(build.ipv4({ src, dst, proto: 6 }, segment)), client: direction });
  };
  frame(0, SYN, 1000, 0);
  frame(1, SYN | ACK, 5000, 1001);
  frame(0, ACK, 1001, 5001);
  if (says !== '') {
    frame(0, PUSH, 1001, 5001, says);
    frame(1, PUSH, 5001, 1001 + says.length, answers);
    frame(0, ACK, 1001 + says.length, 5001 + answers.length);
  }
  const mem = new Uint8Array(1 << 16);
  const region = native.region(mem.buffer);
  return (i) => {
    const p = engine.packet;
    for (const { bytes, client } of frames) {
      mem.set(bytes, 64);
      const address = 64 + (client === 0 ? 12 : 16);
      const at = 64 + (client === 0 ? 20 : 22);
      mem[address + 2] = (i >> 14) & 255;
      mem[address + 3] = (i >> 6) & 255;
      mem[at] = 0x80;
      mem[at + 1] = i & 63;
      p.mem = mem;
      p.region = region;
      p.off = 64;
      p.capLen = p.wireLen = bytes.length;
      p.linkType = RAW;
      p.tsSec = 1_700_000_000;
      p.tsNsec = 0;
      p.source = 0;
      p.mode = mode;
      p.csumNotReady = 0;
      engine.inspect();
      while (events.peek() >= 0) events.release();
    }
  };
}

export function printIdle(rows: readonly IdleRow[]): void {
  process.stdout.write('kind        mode   flows  bytes/flow  of the table  beside it  windows  sessions\n');
  for (const r of rows)
    process.stdout.write(
      `${r.kind.padEnd(11)} ${r.mode} ${String(r.flows).padStart(8)} ${r.rss.toFixed(0).padStart(11)} ${r.table.toFixed(0).padStart(13)} ${(r.rss - r.table).toFixed(0).padStart(10)} ${r.windows.toFixed(2).padStart(8)} ${r.sessions.toFixed(2).padStart(9)}\n`,
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [config, rules, flows, mode, kind] = JSON.parse(process.argv[2]);
  process.stdout.write(JSON.stringify(measure(config, rules, flows, mode, kind)));
}
