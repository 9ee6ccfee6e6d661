import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mode } from '../../src/ring/verdict.js';
import { Line } from '../../src/stream/reassembly/layout.js';
import { OVERLAP_BY_NAME } from '../../src/stream/reassembly/overlap.js';
import { Piece } from '../../src/stream/reassembly/pieces.js';
import { A, S } from './flow-fixture.js';
import { Stream } from './stream-reassembly-fixture.js';

/** Byte `i` of a version of the stream: two versions differ everywhere. */
const byteOf = (i: number, version: number) => (i * 31 + (i >> 8) * 7 + version * 85) & 0xff;
const bytesOf = (at: number, length: number, version: number) => Uint8Array.from({ length }, (_, i) => byteOf(at + i, version));

/** Whether the newcomer's bytes count: said once more, by what each kind of host does. */
const WINS: Record<string, (begin: number, end: number) => boolean> = {
  first: () => false,
  vista: () => false,
  last: () => true,
  bsd: (begin) => begin < 0,
  windows: (begin) => begin < 0,
  linux: (begin, end) => begin < 0 || (begin === 0 && end > 0),
  'old-linux': (begin, end) => begin < 0 || (begin === 0 && end >= 0),
  solaris: (begin, end) => (begin <= 0 && end >= 0) || (begin > 0 && end > 0),
};

/** A host, byte by byte. */
class Receiver {
  readonly value: (number | undefined)[] = [];
  private readonly owner: (number | undefined)[] = [];
  private count = 0;
  next = 0;

  constructor(private readonly wins: (begin: number, end: number) => boolean) {}

  take(at: number, bytes: Uint8Array): void {
    const id = ++this.count;
    const end = at + bytes.length;
    const before = [...this.owner];
    let from = -1;
    let to = -1;
    for (let i = Math.max(at, this.next); i < end; i++) {
      const o = before[i];
      if (o !== undefined) {
        if (i >= to) {
          from = i;
          to = i + 1;
          while (from > 0 && before[from - 1] === o) from--;
          while (before[to] === o) to++;
        }
        if (!this.wins(at - from, end - to)) continue;
      }
      this.owner[i] = id;
      this.value[i] = bytes[i - at];
    }
  }
  /** First byte that is missing. */
  get inOrder(): number {
    let i = this.next;
    while (this.value[i] !== undefined) i++;
    return i;
  }
}

const segment = fc.record({
  kind: fc.constant('data' as const),
  at: fc.integer({ min: 0, max: 300 }),
  len: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 10, 10, 20)),
  version: fc.nat(2),
});
const ack = fc.record({ kind: fc.constant('ack' as const), part: fc.integer({ min: 1, max: 10 }) });
const steps = fc.array(fc.oneof({ weight: 5, arbitrary: segment }, { weight: 1, arbitrary: ack }), { minLength: 1, maxLength: 60 });
const isns = fc.constantFrom(1000, 0x7fffff80 | 0, 0xffffff90 | 0, -1, -300, 4000);
/** Positions are stretched so that pages are crossed. */
const scales = fc.constantFrom(1, 29);

for (const policy of Object.keys(WINS)) {
  test(`a listener, host ${policy}: what is delivered is what the host takes, when it acknowledges it`, () => {
    fc.assert(
      fc.property(steps, isns, scales, (list, isn, scale) => {
        const t = new Stream({ mode: Mode.Ids, isn, hosts: [{ policy, network: '10.0.0.2' }] });
        t.open();
        const host = new Receiver(WINS[policy]);
        for (const step of list) {
          if (step.kind === 'data') {
            const bytes = bytesOf(step.at * scale, step.len * scale, step.version);
            t.client(step.at * scale, bytes);
            host.take(step.at * scale, bytes);
          } else {
            const to = host.next + Math.ceil(((host.inOrder - host.next) * step.part) / 10);
            t.ack(to);
            host.next = to;
          }
          assert.equal(t.heard.bytes[0].length, host.next);
        }
        t.r.begin();
        t.r.flush(t.p.flow);
        assert.deepEqual(t.heard.bytes[0], host.value.slice(0, host.inOrder));
        assert.deepEqual(t.heard.gaps[0], []);
        t.end();
        assert.ok(t.clean);
      }),
      { numRuns: 300 },
    );
  });
}

test('inline: each byte at once when it is in order, as it was seen first; what is sent again is made the same', () => {
  fc.assert(
    fc.property(steps, isns, scales, (list, isn, scale) => {
      const t = new Stream({ isn });
      t.open();
      const host = new Receiver(WINS.first);
      // What the receiver behind us makes of the packets we let through: whichever bytes it prefers, they are these.
      const last = new Receiver(WINS.last);
      let acked = 0;
      for (const step of list) {
        if (step.kind === 'data') {
          const at = step.at * scale;
          const bytes = bytesOf(at, step.len * scale, step.version);
          host.take(at, bytes);
          t.client(at, bytes);
          t.r.repair(t.p);
          last.next = acked;
          last.take(at, t.p.mem);
          host.next = host.inOrder;
        } else {
          acked += Math.ceil(((host.next - acked) * step.part) / 10);
          t.ack(acked);
        }
        assert.equal(t.heard.bytes[0].length, host.next);
      }
      assert.deepEqual(t.heard.bytes[0], host.value.slice(0, host.next));
      assert.deepEqual(last.value.slice(0, last.inOrder), host.value.slice(0, last.inOrder));
      t.ack(host.next);
      t.end();
      assert.ok(t.clean);
    }),
    { numRuns: 500 },
  );
});

test('one version of a long stream, cut, repeated, reordered: delivered once and whole, in either mode', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.nat(200), fc.boolean()), { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 30 }),
      fc.constantFrom(Mode.Ips, Mode.Ids),
      isns,
      fc.boolean(),
      (cuts, by, mode, isn, watched) => {
        const t = new Stream({ mode, isn });
        t.open();
        if (watched) t.r.watch(t.p.flow, 0, true);
        const list: [number, number][] = [];
        let length = 0;
        for (const [n, back, again] of cuts) {
          list.push([Math.max(0, length - back), length + n]);
          if (again) list.push([Math.max(0, length - back), length + n]);
          length += n;
        }
        const order = list
          .map((one, i) => ({ one, key: i + (by[i % by.length] % 6) }))
          .sort((a, b) => a.key - b.key)
          .map((x) => x.one);
        const host = new Receiver(WINS.first);
        let shown = 0;
        /** Puts what was delivered into the window. */
        const look = () => {
          const { windows, pieces, pages } = t.r;
          for (let i = 0; i < pieces.count; i++) {
            const [, off, n, , inPacket] = pieces.words.subarray(i * Piece.Words);
            for (let done = 0; done < n; ) {
              const at = t.p.flow * 2 * Line.Words;
              done += windows.add(at, 0, inPacket === 1 ? t.p.mem : pages.bytes, -1, off + done, n - done);
              const older = windows.fresh - windows.from;
              assert.ok(older >= Math.min(2560, shown));
              shown += windows.to - windows.fresh;
              const to = shown;
              assert.deepEqual(
                [...windows.bytes.subarray(windows.from, windows.to)],
                t.heard.bytes[0].slice(to - (windows.to - windows.from), to),
              );
            }
          }
          pieces.begin();
        };
        for (const [from, to] of order) {
          const bytes = bytesOf(from, to - from, 0);
          t.client(from, bytes);
          look();
          host.take(from, bytes);
          host.next = host.inOrder;
          if (mode === Mode.Ids) t.ack(host.next);
          look();
        }
        assert.deepEqual(t.heard.bytes[0], [...bytesOf(0, length, 0)]);
        if (watched) assert.equal(shown, length);
        t.ack(length);
        t.end();
        assert.ok(t.clean);
      },
    ),
    { numRuns: 200 },
  );
});

test('random segments: nothing is thrown, nothing is delivered twice, memory comes back', () => {
  const wild = fc.record({
    at: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: -50, max: 70_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: -0x80000000, max: 0x7fffffff }) },
    ),
    len: fc.oneof({ weight: 5, arbitrary: fc.nat(3000) }, { weight: 1, arbitrary: fc.nat(65_000) }),
    who: fc.boolean(),
    flags: fc.constantFrom(A, A, A, A | 1, S | A, A | 4, A | 0x20, S),
    ackAt: fc.integer({ min: -10, max: 70_000 }),
    sec: fc.nat(2),
    mode: fc.constantFrom(Mode.Ips, Mode.Ids),
    force: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(wild, { maxLength: 80 }),
      fc.constantFrom(0, 1),
      fc.constantFrom(0, 20_000),
      fc.constantFrom(65_536, 200_000, 1 << 20),
      fc.constantFrom(...Object.keys(OVERLAP_BY_NAME)),
      (list, selective, depth, memcap, policy) => {
        const t = new Stream({ selective, depth, memcap, hosts: [{ policy, network: '10.0.0.0/8' }] });
        t.open();
        t.r.watch(t.p.flow, 0, true);
        for (const { at, len, who, flags, ackAt, sec, mode, force } of list) {
          t.sec += sec;
          t.mode = mode;
          const data = bytesOf(at, len, at & 1);
          if (who) t.c(flags, (1001 + at) | 0, 5001 + ackAt, 0, { data });
          else t.s(flags, (5001 + at) | 0, 1001 + ackAt, 0, { data });
          if (force && t.taken === false) t.r.take(t.p, true);
        }
        if (depth > 0) for (const bytes of t.heard.bytes) assert.ok(bytes.length <= depth * 80);
        t.end();
        assert.ok(t.clean);
      },
    ),
    { numRuns: 300 },
  );
});
