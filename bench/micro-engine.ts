import { defaultConfig } from '../src/config/load.js';
import { Counter } from '../src/metrics/counters.js';
import { EventEncoder, encoderOptions } from '../src/output/event-record.js';
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
  cases: (add, after) => {
    const small = text(SMALL_PAYLOAD, 1);
    const full = text(FULL_PAYLOAD, 2);
    const evil = small.slice();
    evil.set(Buffer.from('ZZZZEVIL'), 4);
    const opening = new Frames(Array.from(shuffled(BATCH)).flatMap(handshake));
    after(() => opening.close());
    const many: Rule[] = [];
    const fiveThousand = () => {
      if (many.length === 0) many.push(...manyRules(5000));
      return many;
    };
    const running = (rules: () => Rule[], make: (flow: number) => Uint8Array, options: { checksums?: boolean; flows?: number } = {}) => {
      return () => {
        const rig = new Rig(rules(), options.checksums ?? true);
        const frames = framesOf(options.flows ?? BATCH, make);
        after(() => {
          rig.close();
          frames.close();
        });
        rig.inspect(opening, 0, opening.count);
        let at = 0;
        return () => {
          rig.inspect(frames, at, at + BATCH);
          rig.drain();
          at = at + BATCH === frames.count ? 0 : at + BATCH;
        };
      };
    };
    const none = () => [];
    const one = () => [rule(ONE)];
    const udp = (flow: number) => udpFrame(flow, small);
    // The same segment again is old data to the tracker: the same way through it as new data's.
    const data = (flow: number) => tcpFrame(flow, full);
    const hit = (flow: number) => udpFrame(flow, evil);
    add('UDP 64 B, no rules', running(none, udp));
    add(
      'UDP 64 B, one drop rule, for another port',
      running(() => [rule(OTHER_PORT)], udp),
    );
    add('UDP 64 B, one drop rule, no hit', running(one, udp));
    add('UDP 64 B, one drop rule, no hit, checksums not validated', running(one, udp, { checksums: false }));
    add('UDP 64 B, one drop rule, no hit, 10,240 flows', running(one, udp, { flows: 40 * BATCH }));
    add('UDP 64 B, 5,000 rules, no hit', running(fiveThousand, udp));
    add('TCP 1,460 B, no rules', running(none, data));
    add('TCP 1,460 B, one drop rule, no hit', running(one, data));
    add('TCP 1,460 B, one drop rule, no hit, checksums not validated', running(one, data, { checksums: false }));
    add('TCP 1,460 B, 5,000 rules, no hit', running(fiveThousand, data));
    add(
      'UDP 64 B, alert and its record',
      running(() => [rule(ONE.replace('drop', 'alert'))], hit),
    );
    add('UDP 64 B of a dropped flow', running(one, hit));
  },
};

export const events: Group = {
  name: 'event ring',
  cases: (add, after) => {
    const memory = new Memory(EventRing.bytesFor(EVENT_RING));
    after(() => memory.close());
    const ring = new EventRing(memory.buffer, EVENT_RING);
    const counters = new Float64Array(Counter.Count);
    const options = encoderOptions(defaultConfig());
    const rig = new Rig([]);
    const udp = framesOf(1, (flow) => udpFrame(flow, text(SMALL_PAYLOAD, 1)));
    after(() => {
      rig.close();
      udp.close();
    });
    rig.inspect(udp, 0, 1);
    const p = rig.engine.packet;
    const { flows } = rig.engine;
    const drain = () => {
      while (ring.peek() >= 0) ring.release();
    };
    const alerting = (payload: boolean) => {
      const encoder = new EventEncoder(ring, counters, { ...options, payload, packet: false, payloadBufferSize: 4096 });
      return () => {
        for (let i = 0; i < BATCH; i++) encoder.alert(p, flows, 0, 1, 1);
      };
    };
    add('alert record written', () => ({ run: alerting(false), before: drain }));
    add(`alert record with ${SMALL_PAYLOAD} B of payload written`, () => ({ run: alerting(true), before: drain }));
    add('drop record written', () => {
      const encoder = new EventEncoder(ring, counters, options);
      return {
        run: () => {
          for (let i = 0; i < BATCH; i++) encoder.drop(p, flows, Reason.Rule, 0);
        },
        before: drain,
      };
    });
    add('record taken out', () => {
      drain();
      return { run: drain, before: alerting(false) };
    });
  },
};
