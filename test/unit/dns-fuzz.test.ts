import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { DnsTalk, framed, join, latin1, message, name, question, record, type Seen, words } from '../support/dns.js';

const talk = new DnsTalk();
after(() => talk.close());

/** RFC 1035, 4.1.4, the plain way: no memory, no bounds but a count. Null: anything is wrong. */
function plainName(mem: Uint8Array, from: number): { text: string; next: number } | null {
  const labels: string[] = [];
  let next = -1;
  let at = from;
  for (let steps = 0; steps < 200; steps++) {
    if (at >= mem.length) return null;
    const head = mem[at];
    if (head === 0) return { text: labels.join('.'), next: next < 0 ? at + 1 : next };
    if (head < 64) {
      if (at + 1 + head > mem.length) return null;
      labels.push(latin1(mem.slice(at + 1, at + 1 + head)));
      at += 1 + head;
    } else if (head >= 192 && at + 1 < mem.length) {
      if (next < 0) next = at + 2;
      at = ((head & 63) << 8) | mem[at + 1];
    } else return null;
  }
  return null;
}

/** Names of questions as far as all is well. */
function plainQuestions(mem: Uint8Array): string[] {
  const names: string[] = [];
  let at = 12;
  for (let i = 0; i < ((mem[4] << 8) | mem[5]); i++) {
    const found = plainName(mem, at);
    if (found === null || found.text.length > 255 || found.next + 4 > mem.length) break;
    names.push(found.text);
    at = found.next + 4;
  }
  return names;
}

const label = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('a', 'b', '-', '.', '\0', '\xff', 'Z') });
const owner = fc.oneof(
  fc
    .array(
      label.filter((text) => !text.includes('.') && !text.startsWith('*')),
      { maxLength: 5 },
    )
    .map((labels) => labels.join('.')),
  fc.tuple(fc.constantFrom('', 'x.', 'y.z.'), fc.integer({ min: 12, max: 120 })).map(([head, to]) => `${head}*${to}`),
);
const types = fc.constantFrom(1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 44, 10, 65, 999);
const data = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  owner.map(name),
  fc.tuple(owner, owner).map(([a, b]) => join(name(a), name(b), words(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))),
);
const records = fc.array(
  fc.tuple(owner, types, data).map(([o, t, d]) => record(o, t, d)),
  { maxLength: 4 },
);
const messages = fc
  .record({
    flags: fc.constantFrom(0x100, 0x8180, 0x8583, 0xffff),
    questions: fc.array(
      fc.tuple(owner, types).map(([o, t]) => question(o, t)),
      { maxLength: 4 },
    ),
    answers: records,
    authorities: records,
    additionals: records,
  })
  .map(message);

test('names are what a plain reading finds', () => {
  fc.assert(
    fc.property(messages, (datagram) => {
      const { buffers } = talk.packet(0, datagram).seen.pop()!;
      const names = plainQuestions(datagram);
      assert.deepEqual((buffers['dns.queries.rrname'] ?? []).slice(0, names.length), names);
    }),
    { numRuns: 2000 },
  );
});

function withoutId({ id: _, record: { tx_id: _id, ...fields }, ...rest }: Seen) {
  return { ...rest, fields };
}

test('reading again gives the same', () => {
  fc.assert(
    fc.property(messages, messages, (one, two) => {
      const alone = [one, two].map((datagram) => talk.packet(1, datagram).seen.pop()!);
      talk.packet(1, one, two);
      const both = talk.seen.splice(0);
      assert.deepEqual(both.map(withoutId), alone.map(withoutId));
    }),
    { numRuns: 300 },
  );
});

test('any bytes, cut, changed, or strung together, are read without harm', () => {
  const changed = fc
    .tuple(messages, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }), fc.nat(400))
    .map(([datagram, edits, cut]) => {
      const copy = datagram.slice(0, cut < 50 ? datagram.length - cut : datagram.length);
      for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), fc.nat(1), (datagram, direction) => {
      const seen = talk.packet(direction, datagram).seen.pop()!;
      assert.ok(JSON.stringify(seen.record).length > 0);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(changed.map(framed), fc.uint8Array({ maxLength: 40 })), { maxLength: 6 }), fc.nat(60), (parts, size) => {
      const stream = new DnsTalk({ heap: 1 << 18 }).stream();
      const all = join(...parts);
      for (let at = 0; at < all.length; at += size + 1) stream.packet(1, all.subarray(at, at + size + 1));
      stream.start();
      stream.dns.finish(stream.session, 1);
      stream.look();
      stream.dns.close(stream.session);
      stream.start();
      assert.equal(stream.txs.heap.used, 0);
      stream.close();
    }),
    { numRuns: 100 },
  );
});
