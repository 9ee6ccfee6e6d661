import { defaultConfig } from '../src/config/load.js';
import { IpProto, type Packet } from '../src/decode/packet.js';
import { Databases, LiteralSets } from '../src/detect/databases.js';
import { RULE_BUDGET } from '../src/detect/detector.js';
import { compileMatcher } from '../src/detect/matcher.js';
import { Prefilter } from '../src/detect/prefilter.js';
import { Inspection } from '../src/detect/search.js';
import { StateStore } from '../src/detect/state/store.js';
import { Thresholds } from '../src/detect/threshold.js';
import { FlowTable } from '../src/flow/flow-table.js';
import { Counter } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { ruleContext } from '../src/rules/context.js';
import { parseRule } from '../src/rules/parser.js';
import type { Rule } from '../src/rules/rule.js';
import { BATCH, type Group } from './micro-kit.js';
import { blank, each, Memory, random, text } from './micro-packets.js';

const CONTEXT = ruleContext();

export function rule(body: string, sid = 1): Rule {
  return parseRule(`${body.slice(0, body.lastIndexOf(')'))} sid:${sid};)`, { file: 'micro.rules', line: sid }, CONTEXT);
}

/** Drop rules on literals of 6 to 20 letters with a digit in each, case-insensitive, for any packet. */
export function manyRules(count: number): Rule[] {
  const next = random(99);
  return each(count, (i) => {
    const letters = each(6 + next(15), () => String.fromCharCode(97 + next(26)));
    letters[next(letters.length)] = String(next(10));
    return rule(`drop ip any any -> any any (msg:"micro"; content:"${letters.join('')}"; nocase;)`, i + 1);
  });
}

function payloadPacket(memory: Memory, at: number, length: number): Packet {
  const p = blank();
  p.mem = memory.bytes;
  p.region = memory.region;
  p.ipVersion = 4;
  p.proto = IpProto.Tcp;
  p.transportOff = 0;
  p.srcPort = 40_000;
  p.dstPort = 80;
  p.payloadOff = at;
  p.payloadLen = length;
  return p;
}

/** Bytes from one payload to the next. */
const STEP = 1536;

export const prefilter: Group = {
  name: 'prefilter',
  cases: (add, after) => {
    const memory = new Memory(BATCH * STEP);
    after(() => memory.close());
    for (let i = 0; i < BATCH; i++) memory.bytes.set(text(1460, i + 1), i * STEP);
    const sets = new LiteralSets();
    const databases = new Databases(native, sets.sets);
    after(() => databases.free());
    const filters = new Map<number, Prefilter>();
    const filterOf = (count: number) => {
      let filter = filters.get(count);
      if (filter === undefined) {
        const rules = manyRules(count);
        filter = new Prefilter(
          sets,
          rules,
          rules.map((_, i) => i),
        );
        filter.open(native, databases);
        filters.set(count, filter);
      }
      return filter;
    };
    for (const count of [1, 1000, 5000]) {
      for (const length of [64, 512, 1460]) {
        add(`${count.toLocaleString('en')} rule${count === 1 ? '' : 's'}, ${length.toLocaleString('en')} B, nothing found`, () => {
          const filter = filterOf(count);
          const out = new Int32Array(count);
          const p = payloadPacket(memory, 0, length);
          return () => {
            for (let i = 0; i < BATCH; i++) filter.collect(p, p.mem, p.region, i * STEP, length, out, 0);
          };
        });
      }
    }
  },
};

const REQUEST = Buffer.from(
  'GET /index.php?id=4711&cmd=whoami HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5\r\nAccept: */*\r\n\r\n',
);

export const matcher: Group = {
  name: 'matcher',
  cases: (add, after) => {
    const memory = new Memory(BATCH * STEP);
    after(() => memory.close());
    for (let i = 0; i < BATCH; i++) memory.bytes.set(REQUEST, i * STEP);
    const running = (options: string, expected: number) => () => {
      const x = new Inspection();
      const run = compileMatcher(rule(`drop tcp any any -> any 80 (msg:"micro"; ${options})`), new Map(), (t) => {
        const handle = native.pcreCompile(t.pattern, t.flags, 3500, 1500);
        after(() => native.pcreFree(handle));
        return handle;
      });
      const p = payloadPacket(memory, 0, REQUEST.length);
      x.budget = RULE_BUDGET;
      if (run(p, x) !== expected) throw new Error(`micro: '${options}' should give ${expected}`);
      return () => {
        for (let i = 0; i < BATCH; i++) {
          p.payloadOff = i * STEP;
          x.budget = RULE_BUDGET;
          run(p, x);
        }
      };
    };
    add('hit, one content', running('content:"cmd=whoami";', 1));
    add('hit, three contents', running('content:"GET "; depth:4; content:"cmd="; content:"WHOAMI"; nocase; distance:0;', 1));
    add('miss after the prefilter, second content absent', running('content:"cmd=whoami"; content:"passwd";', 0));
    add('miss after the prefilter, another ttl', running('ttl:3; content:"cmd=whoami";', 0));
    add('hit, content and pcre', running('content:"cmd="; pcre:"/cmd=(whoami|id|uname) /";', 1));
    add('miss, content and pcre', running('content:"cmd="; pcre:"/cmd=(cat|ls) /";', 0));
  },
};

export const threshold: Group = {
  name: 'threshold',
  cases: (add) => {
    const checking = (text: string) => () => {
      const config = defaultConfig();
      const counters = new Float64Array(Counter.Count);
      const flows = new FlowTable(config.flow, counters, { flowEnded: () => {} });
      const limited = rule(`alert ip any any -> any any (msg:"micro"; threshold: ${text};)`);
      const thresholds = new Thresholds([limited], new StateStore({ entries: config.thresholdEntries, counters }));
      const p = blank();
      p.ipVersion = 4;
      return () => {
        for (let i = 0; i < BATCH; i++) {
          p.src[0] = 0x0a000000 | i;
          p.tsNsec = (p.tsNsec + 1) & 0x1fffffff;
          thresholds.check(0, p, flows);
        }
      };
    };
    add('limit by_src, 256 sources', checking('type limit, track by_src, count 1, seconds 60'));
    add('both by_rule', checking('type both, track by_rule, count 5, seconds 60'));
  },
};
