import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Nf, VerdictWord } from '../../src/capture/frames.js';
import { VerdictQueue } from '../../src/capture/verdict-queue.js';
import { BLOCK_FLOATS, Counter } from '../../src/metrics/counters.js';

/** What the kernel does with verdict messages, as nfnetlink_queue does it: ids in order, a batch covers all up to an id. */
class Kernel {
  readonly waiting: number[] = [];
  readonly answered = new Map<number, { verdict: number; mark: number | undefined; length: number }>();
  messages = 0;

  queueVerdict(_socket: number, words: Int32Array, count: number, result: Int32Array): void {
    for (let i = 0; i < count; i++) {
      const m = i * VerdictWord.Words;
      const id = words[m + VerdictWord.PacketId];
      const upTo = words[m + VerdictWord.UpTo] === 1;
      const known = this.waiting.filter((one) => (upTo ? ((one - id) | 0) <= 0 : one === id));
      assert.ok(known.includes(id), `id ${id} is waiting`);
      for (const one of known) {
        this.waiting.splice(this.waiting.indexOf(one), 1);
        this.answered.set(one, {
          verdict: words[m + VerdictWord.Verdict],
          mark: words[m + VerdictWord.HasMark] === 1 ? words[m + VerdictWord.Mark] : undefined,
          length: words[m + VerdictWord.Length],
        });
      }
      this.messages++;
      result[0]++;
    }
  }
}

function setUp(batchCount: number, window = 64, deadline = 1000) {
  const kernel = new Kernel();
  const now = new Int32Array([1000, 0]);
  const counters = new Float64Array(BLOCK_FLOATS);
  const queue = new VerdictQueue(7, window, batchCount, deadline, now, counters, kernel);
  let id = 0;
  return {
    kernel,
    now,
    counters,
    queue,
    add: () => {
      kernel.waiting.push(++id);
      return { id, ticket: queue.add(id) };
    },
  };
}

test('packets decided alike leave in one message, at the latest when the queue runs dry', () => {
  const { kernel, queue, add, counters } = setUp(64);
  const packets = Array.from({ length: 10 }, add);
  for (const p of packets) queue.decide(p.ticket, Nf.Accept, 0, 0);
  assert.equal(queue.flush(false), false, 'there may be more to come');
  assert.equal(kernel.waiting.length, 10);
  assert.equal(queue.flush(true), true);
  assert.equal(kernel.messages, 1);
  assert.equal(kernel.waiting.length, 0);
  assert.equal(counters[Counter.BatchSizeSum], 10);
  assert.equal(counters[Counter.BatchSize + 4], 1, 'the bucket up to 16');
});

test('batchcount packets, another verdict or another mark close a batch', () => {
  const { kernel, queue, add } = setUp(4);
  for (let i = 0; i < 9; i++) queue.decide(add().ticket, Nf.Accept, 0, 0);
  queue.flush(false);
  assert.equal(kernel.messages, 2);
  queue.decide(add().ticket, Nf.Drop, 0, 0);
  queue.flush(false);
  assert.equal(kernel.messages, 3, 'the accepted one before the drop');
  queue.decide(add().ticket, Nf.Accept, 5, 1);
  queue.decide(add().ticket, Nf.Accept, 5, 1);
  queue.decide(add().ticket, Nf.Accept, 6, 1);
  queue.flush(true);
  assert.equal(kernel.messages, 6);
  assert.deepEqual(kernel.answered.get(12), { verdict: Nf.Accept, mark: 5, length: 0 });
});

test('the deadline sends a batch that is not full', () => {
  const { kernel, queue, add, now } = setUp(64);
  queue.decide(add().ticket, Nf.Accept, 0, 0);
  assert.equal(queue.flush(false), false);
  now[1] += 1_000_000;
  assert.equal(queue.flush(false), true);
  assert.equal(kernel.waiting.length, 0);
});

test('a head that stays undecided does not hold what is decided behind it beyond the deadline', () => {
  const { kernel, queue, add, now } = setUp(64);
  const head = add();
  const behind = [add(), add(), add()];
  for (const p of behind) queue.decide(p.ticket, Nf.Accept, 0, 0);
  assert.equal(queue.flush(true), false, 'in order while the head is young');
  assert.equal(queue.impatient, true);
  now[1] += 1_000_000;
  assert.equal(queue.flush(true), true);
  assert.deepEqual(kernel.waiting, [head.id]);
  assert.equal(queue.impatient, false);
  queue.decide(head.ticket, Nf.Drop, 0, 0);
  queue.flush(true);
  assert.equal(kernel.answered.get(head.id)?.verdict, Nf.Drop);
  assert.equal(queue.waiting, 0);
});

test('a rewritten packet overtakes, with its bytes, and leaves the others in order', () => {
  const { kernel, queue, add } = setUp(64);
  const [a, b, c] = [add(), add(), add()];
  queue.decideRewritten(b.ticket, Nf.Accept, 0, 0, 3, 100, 40);
  queue.flush(false);
  assert.equal(kernel.answered.get(b.id)?.length, 40);
  queue.decide(c.ticket, Nf.Accept, 0, 0);
  queue.decide(a.ticket, Nf.Accept, 0, 0);
  queue.flush(true);
  assert.equal(kernel.messages, 2);
  assert.equal(kernel.waiting.length, 0);
});

test('of two decided packets the earlier one leaves first', () => {
  const left = (kernel: Kernel) => [...kernel.answered.keys()];
  const late = setUp(64);
  const [a, b, c] = [late.add(), late.add(), late.add()];
  late.queue.decide(a.ticket, Nf.Accept, 0, 0);
  late.queue.flush(false);
  late.queue.decide(c.ticket, Nf.Accept, 0, 0);
  late.now[1] += 1_000_000;
  late.queue.flush(false);
  assert.deepEqual(left(late.kernel), [a.id, c.id], 'the open run before what overtakes');
  assert.deepEqual(late.kernel.waiting, [b.id]);

  const rewritten = setUp(64);
  const [d, e, f, g] = [rewritten.add(), rewritten.add(), rewritten.add(), rewritten.add()];
  for (const p of [d, f]) rewritten.queue.decide(p.ticket, Nf.Accept, 0, 0);
  rewritten.queue.decideRewritten(g.ticket, Nf.Accept, 0, 0, 3, 100, 40);
  rewritten.queue.flush(false);
  assert.deepEqual(left(rewritten.kernel), [d.id, f.id, g.id], 'so before what is rewritten');
  assert.deepEqual(rewritten.kernel.waiting, [e.id]);
});

test('decided packets never fill the window: it bounds the undecided ones', () => {
  const { kernel, queue, add } = setUp(64, 8);
  const head = add();
  for (let i = 0; i < 100; i++) queue.decide(add().ticket, Nf.Accept, 0, 0);
  queue.decide(head.ticket, Nf.Accept, 0, 0);
  queue.flush(true);
  assert.equal(kernel.answered.size, 101);
  for (let i = 0; i < 8; i++) add();
  assert.throws(() => queue.add(1000), RangeError);
});

test('ids go on from 2^31 and from 2^32', () => {
  const kernel = new Kernel();
  const queue = new VerdictQueue(0, 16, 64, 1000, new Int32Array([5, 0]), new Float64Array(BLOCK_FLOATS), kernel);
  for (const start of [0x7ffffffe, 0xfffffffe]) {
    for (let i = 0; i < 4; i++) {
      const id = (start + i) | 0;
      kernel.waiting.push(id);
      queue.decide(queue.add(id), Nf.Accept, 0, 0);
    }
    queue.flush(true);
    assert.equal(kernel.waiting.length, 0);
  }
  assert.equal(kernel.messages, 2);
});

test('property: whatever the order of decisions, every packet gets its own verdict and mark, once', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'decide', 'decide', 'rewrite', 'flush', 'dry', 'time'),
    pick: fc.nat(),
    verdict: fc.constantFrom(Nf.Accept, Nf.Accept, Nf.Accept, Nf.Drop, Nf.Repeat),
    mark: fc.constantFrom(undefined, undefined, 1, 2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.constantFrom(1, 2, 20, 255), (steps, batchCount) => {
      const { kernel, queue, add, now, counters } = setUp(batchCount, 512);
      const open: { id: number; ticket: number }[] = [];
      const wanted = new Map<number, { verdict: number; mark: number | undefined; length: number }>();
      const decide = (pick: number, s: { kind: string; verdict: number; mark: number | undefined }) => {
        if (open.length === 0) return;
        const [p] = open.splice(pick % open.length, 1);
        const length = s.kind === 'rewrite' ? 20 : 0;
        wanted.set(p.id, { verdict: s.verdict, mark: s.mark, length });
        if (length > 0) queue.decideRewritten(p.ticket, s.verdict, s.mark ?? 0, s.mark === undefined ? 0 : 1, 1, 0, length);
        else queue.decide(p.ticket, s.verdict, s.mark ?? 0, s.mark === undefined ? 0 : 1);
      };
      for (const s of steps) {
        if (s.kind === 'add') open.push(add());
        else if (s.kind === 'decide' || s.kind === 'rewrite') decide(s.pick, s);
        else if (s.kind === 'time') now[1] = (now[1] + 600_000) % 1_000_000_000;
        else queue.flush(s.kind === 'dry');
        for (const id of kernel.answered.keys()) assert.ok(wanted.has(id), 'nothing undecided is answered');
      }
      while (open.length > 0) decide(0, { kind: 'decide', verdict: Nf.Accept, mark: undefined });
      queue.flush(true);
      assert.equal(kernel.waiting.length, 0);
      assert.deepEqual(new Map([...kernel.answered].sort((a, b) => a[0] - b[0])), new Map([...wanted].sort((a, b) => a[0] - b[0])));
      const left = new Map([...kernel.answered.keys()].map((id, place) => [id, place]));
      const order = [...wanted.keys()];
      order.forEach((id, i) => {
        for (const later of order.slice(i + 1))
          assert.ok(later < id || left.get(id)! < left.get(later)!, `${id} was decided before ${later}`);
      });
      assert.equal(counters[Counter.BatchSizeSum], wanted.size);
      assert.equal(counters[Counter.VerdictMessages], kernel.messages);
      assert.equal(queue.waiting, 0);
    }),
  );
});
