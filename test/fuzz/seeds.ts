import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REFERENCE, unpacked } from '../../bench/replay-capture.js';
import type { Protocol } from '../../src/app-layer/protocol.js';
import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { CaptureFile } from '../../src/capture/pcap/capture-file.js';
import { defaultConfig } from '../../src/config/load.js';
import { Counter } from '../../src/metrics/counters.js';
import { EventRing } from '../../src/ring/event-ring.js';
import { Mode } from '../../src/ring/verdict.js';
import { Engine } from '../../src/workers/engine.js';
import { data, type Talk } from './delivery.js';
import { BUILT_IN } from './seeds-built-in.js';

export interface Seeds {
  /** By the name of EVE's event_type: what its flows said, as our own detection found them. */
  talks: Map<string, Talk[]>;
  /** Frames from the Ethernet header on, by flow. */
  flows: Uint8Array[][];
}

const RING_BYTES = 1 << 22;
/** Kept of a protocol, of a flow, and in all. */
const MOST_TALKS = 4000;
const MOST_TALK_BYTES = 48 << 10;
const MOST_PIECES = 64;
const MOST_FLOWS = 8000;
const MOST_FRAMES = 24;

/** Those of the reference capture; where it is not there, a few of our own. `path`: another capture. */
export function seeds(path = join(REFERENCE, 'mixed-a.pcap.xz')): Seeds {
  const built = builtIn();
  if (!existsSync(path)) return built;
  const capture = unpacked(path);
  try {
    const found = new Harvest().read(capture.path);
    for (const [name, talks] of built.talks) found.talks.set(name, [...(found.talks.get(name) ?? []), ...talks]);
    return found;
  } finally {
    capture.remove();
  }
}

/** Without a capture. */
export function builtIn(): Seeds {
  const talks = new Map<string, Talk[]>();
  for (const { name, datagrams, pieces } of BUILT_IN) {
    const talk: Talk = { datagrams: datagrams ?? false, pieces: pieces.map(([direction, bytes]) => data(direction, bytes)) };
    talks.set(name, [...(talks.get(name) ?? []), talk]);
  }
  return { talks, flows: [] };
}

/** An engine without rules whose parsers are overheard. */
class Harvest {
  private readonly talks = new Map<string, Talk[]>();
  private readonly flows: Uint8Array[][] = [];

  read(path: string): Seeds {
    const events = new EventRing(new ArrayBuffer(EventRing.bytesFor(RING_BYTES)), RING_BYTES);
    const config = defaultConfig();
    config.outputs.eve.app = [];
    const engine = new Engine({
      config,
      thread: 0,
      rules: [],
      ruleGeneration: 0,
      checksumValidation: false,
      counters: new Float64Array(Counter.Count),
      events,
    });
    const { parsers } = (engine as unknown as { app: { parsers: (Protocol | null)[] } }).app;
    for (const { proto, names } of PROTOCOLS) this.overhear(parsers[proto]!, names.type);
    const file = new CaptureFile();
    const p = engine.packet;
    const byFlow = new Map<number, Uint8Array[]>();
    file.open(path);
    while (file.next(p)) {
      const { mem, off, capLen, linkType } = p;
      // Inline: bytes are parsed when they come.
      p.mode = Mode.Ips;
      p.source = 0;
      p.csumNotReady = 0;
      engine.inspect();
      if (linkType === 1) this.keepFrame(byFlow, p.flow, mem.subarray(off, off + capLen));
      for (; events.peek() >= 0; ) events.release();
    }
    file.close();
    engine.close();
    return { talks: this.talks, flows: this.flows };
  }

  private overhear(parser: Protocol, name: string): void {
    const list: Talk[] = [];
    this.talks.set(name, list);
    const open = new Map<number, Talk>();
    const take = parser.data.bind(parser);
    parser.data = (session, direction, mem, region, off, len) => {
      let talk = session < 0 ? undefined : open.get(session);
      if (talk === undefined && list.length < MOST_TALKS) {
        talk = { datagrams: session < 0, pieces: [] };
        list.push(talk);
        if (session >= 0) open.set(session, talk);
      }
      if (talk !== undefined && talk.pieces.length < MOST_PIECES && bytesOf(talk) < MOST_TALK_BYTES)
        talk.pieces.push(data(direction, mem.slice(off, off + len)));
      return take(session, direction, mem, region, off, len);
    };
    const end = parser.close.bind(parser);
    parser.close = (session) => {
      open.delete(session);
      end(session);
    };
  }

  private keepFrame(byFlow: Map<number, Uint8Array[]>, flow: number, frame: Uint8Array): void {
    let frames = flow < 0 ? undefined : byFlow.get(flow);
    if (frames === undefined || frames.length === MOST_FRAMES) {
      if (this.flows.length === MOST_FLOWS) return;
      frames = [];
      this.flows.push(frames);
      if (flow >= 0) byFlow.set(flow, frames);
    }
    frames.push(frame.slice());
  }
}

const bytesOf = (talk: Talk) => talk.pieces.reduce((sum, { length }) => sum + length, 0);
