import { defaultConfig } from '../src/config/load.js';
import { Counter } from '../src/metrics/counters.js';
import { EventEncoder } from '../src/output/event-record.js';
import { EventRing } from '../src/ring/event-ring.js';
import { Reason } from '../src/ring/verdict.js';
import type { Rule } from '../src/rules/rule.js';
import { Engine } from '../src/workers/engine.js';
import { manyRules, rule } from './micro-detect.js';
import { BATCH, type Group } from './micro-kit.js';
import { Frames, FULL_PAYLOAD, framesOf, handshake, Memory, SMALL_PAYLOAD, shuffled, tcpFrame, text, udpFrame } from './micro-packets.js';

const EVENT_RING = 1 << 20;

/** An engine as a worker has it: counters and events in shared memory, the default configuration. */
class Rig {
  readonly engine: Engine;
  readonly events: EventRing;
  private readonly memory = new Memory(8 * Counter.Count + EventRing.bytesFor(EVENT_RING));

  constructor(rules: Rule[], checksumValidation = true) {
    const { buffer } = this.memory;
    this.events = new EventRing(buffer, EVENT_RING, 8 * Counter.Count);
    this.engine = new Engine({
      config: defaultConfig(),
      thread: 0,
      rules,
      ruleGeneration: 0,
      checksumValidation,
      counters: new Float64Array(buffer, 0, Counter.Count),
      events: this.events,
    });
  }

  /** Inspects frames[from, to). */
  inspect(frames: Frames, from: number, to: number): void {
    const { engine } = this;
    const p = engine.packet;
    for (let i = from; i < to; i++) {
      frames.load(p, i);
      engine.inspect();
    }
  }

  drain(): void {
    const { events } = this;
    while (events.peek() >= 0) events.release();
  }

  close(): void {
    this.engine.finish();
    this.memory.close();
  }
}

/** As bench/rig.ts. */
const ONE = 'drop ip any any -> any any (msg:"bench"; content:"ZZZZEVIL";)';
const OTHER_PORT = 'drop udp any any -> any 53 (msg:"bench"; content:"ZZZZEVIL";)';

export const engine: Group = {
  name: 'inspect',
  build: (add) => {
    const kept: { close(): void }[] = [];
    const small = text(SMALL_PAYLOAD, 1);
    const full = text(FULL_PAYLOAD, 2);
    const udp64 = framesOf(BATCH, (flow) => udpFrame(flow, small));
    const udpMany = framesOf(40 * BATCH, (flow) => udpFrame(flow, small));
    // The same segment again is old data to the tracker: as long a way as new data, and the frames stay as they are.
    const data = framesOf(BATCH, (flow) => tcpFrame(flow, full));
    const opening = new Frames(Array.from(shuffled(BATCH)).flatMap(handshake));
    kept.push(udp64.memory, udpMany.memory, data.memory, opening.memory);
    const rig = (rules: Rule[], checksums = true) => {
      const made = new Rig(rules, checksums);
      kept.push(made);
      made.inspect(opening, 0, opening.count);
      return made;
    };
    const running = (made: Rig, frames: Frames) => {
      let at = 0;
      return () => {
        made.inspect(frames, at, at + BATCH);
        at = at + BATCH === frames.count ? 0 : at + BATCH;
      };
    };

    const none = rig([]);
    const unsummed = rig([rule(ONE)], false);
    const one = rig([rule(ONE)]);
    const other = rig([rule(OTHER_PORT)]);
    const many = rig(manyRules(5000));
    add('UDP 64 B, no rules', running(none, udp64));
    add('UDP 64 B, one drop rule for another port', running(other, udp64));
    add('UDP 64 B, one drop rule, no hit', running(one, udp64));
    add('UDP 64 B, one drop rule, no hit, no checksums', running(unsummed, udp64));
    add('UDP 64 B, one drop rule, no hit, 10,240 flows', running(one, udpMany));
    add('UDP 64 B, 5,000 rules, no hit', running(many, udp64));
    add('TCP 1,460 B, no rules', running(none, data));
    add('TCP 1,460 B, one drop rule, no hit', running(one, data));
    add('TCP 1,460 B, one drop rule, no hit, no checksums', running(unsummed, data));
    add('TCP 1,460 B, 5,000 rules, no hit', running(many, data));

    const evil = text(SMALL_PAYLOAD, 1);
    evil.set(Buffer.from('ZZZZEVIL'), 4);
    const hits = framesOf(BATCH, (flow) => udpFrame(flow, evil));
    kept.push(hits.memory);
    const alerting = rig([rule(ONE.replace('drop', 'alert'))]);
    add('UDP 64 B, alert and its record', () => {
      alerting.inspect(hits, 0, BATCH);
      alerting.drain();
    });
    const dropping = rig([rule(ONE)]);
    add('UDP 64 B of a dropped flow, and its record', () => {
      dropping.inspect(hits, 0, BATCH);
      dropping.drain();
    });
    return () => {
      for (const one of kept) one.close();
    };
  },
};

export const events: Group = {
  name: 'event ring',
  build: (add) => {
    const memory = new Memory(EventRing.bytesFor(EVENT_RING));
    const ring = new EventRing(memory.buffer, EVENT_RING);
    const counters = new Float64Array(Counter.Count);
    const options = EventEncoder.options(defaultConfig());
    const encoder = new EventEncoder(ring, counters, { ...options, payload: false, packet: false });
    const whole = new EventEncoder(ring, counters, { ...options, payload: true, payloadBufferSize: 4096 });
    const rig = new Rig([]);
    const p = rig.engine.packet;
    const { flows } = rig.engine;
    const udp64 = framesOf(1, (flow) => udpFrame(flow, text(SMALL_PAYLOAD, 1)));
    rig.inspect(udp64, 0, 1);
    const drain = () => {
      while (ring.peek() >= 0) ring.release();
    };
    add(
      'alert record written',
      () => {
        for (let i = 0; i < BATCH; i++) encoder.alert(p, flows, 0, 1, 1);
      },
      { prepare: drain },
    );
    add(
      `alert record with ${SMALL_PAYLOAD} B of payload written`,
      () => {
        for (let i = 0; i < BATCH; i++) whole.alert(p, flows, 0, 1, 1);
      },
      { prepare: drain },
    );
    add(
      'drop record written',
      () => {
        for (let i = 0; i < BATCH; i++) encoder.drop(p, flows, Reason.Rule, 0);
      },
      { prepare: drain },
    );
    add('alert record, taken out', drain, {
      prepare: () => {
        for (let i = 0; i < BATCH; i++) encoder.alert(p, flows, 0, 1, 1);
      },
    });
    return () => {
      udp64.memory.close();
      rig.close();
      memory.close();
    };
  },
};
