import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowFlag } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { StreamEvent } from '../../src/stream/events.js';
import { HostPolicies, parseHostPolicy } from '../../src/stream/reassembly/host-policies.js';
import { Line } from '../../src/stream/reassembly/layout.js';
import { Overlap } from '../../src/stream/reassembly/overlap.js';
import { GAP, Piece } from '../../src/stream/reassembly/pieces.js';
import { A, F, R, S } from './flow-fixture.js';
import { type FlowOptions, Stream } from './stream-reassembly-fixture.js';

const ids = (options: FlowOptions = {}) => opened({ mode: Mode.Ids, ...options });
function opened(options: FlowOptions = {}): Stream {
  const t = new Stream(options);
  t.open();
  return t;
}
const events = (t: Stream) =>
  [...t.p.streamEvents.subarray(0, t.p.streamEventCount)].filter((e) => e >= StreamEvent.ReassemblySegmentBeforeBaseSeq);

test('a listener waits for the acknowledgement, part by part', () => {
  const t = ids();
  t.client(0, 'abcdef');
  assert.equal(t.heard.text(), '');
  t.ack(2);
  assert.equal(t.heard.text(), 'ab');
  t.s(A, 5001, 1007, 0, { data: Uint8Array.of(120) });
  assert.equal(t.heard.text(), 'abcdef');
  assert.equal(t.heard.text(1), '');
  t.c(A, 1007, 5002);
  assert.equal(t.heard.text(1), 'x');
  assert.ok(t.clean);
});

test('a listener: acknowledged and never seen is a gap of known length, at once', () => {
  const t = ids();
  t.client(0, 'ab');
  t.client(10, 'kl');
  t.ack(12);
  assert.equal(t.heard.text(), 'abkl');
  assert.deepEqual(t.heard.gaps[0], [[2, 8]]);
  assert.deepEqual(events(t), [StreamEvent.ReassemblySeqGap]);
  assert.equal(t.counters[Counter.AppGaps], 1);
  t.client(4, 'late');
  assert.deepEqual(events(t), [StreamEvent.ReassemblySegmentBeforeBaseSeq]);
  assert.equal(t.heard.text(), 'abkl');
});

test('a listener: data that comes behind its own acknowledgement is no gap', () => {
  const t = ids();
  t.ack(4);
  t.client(0, 'abcd');
  assert.equal(t.heard.text(), 'abcd');
  assert.deepEqual(t.heard.gaps[0], []);
  assert.equal(t.r.memuse, 0, 'nothing was copied');
});

test('a reset, or the end of the flow, flushes what came in order and nothing behind a hole', () => {
  for (const how of ['rst', 'flush']) {
    const t = ids();
    t.client(0, 'GOOD');
    t.client(8, 'hole before');
    assert.ok(t.r.hasUnseen(t.p.flow));
    if (how === 'rst') t.s(R | A, 5001, 1001);
    else {
      t.r.begin();
      t.r.flush(t.p.flow);
    }
    assert.equal(t.heard.text(), 'GOOD');
    assert.deepEqual(t.heard.gaps[0], []);
    assert.ok(!t.r.hasUnseen(t.p.flow));
    assert.ok(t.clean);
  }
});

test('FIN: told once, when all before it was delivered', () => {
  for (const mode of [Mode.Ids, Mode.Ips]) {
    const t = opened({ mode });
    t.c(F | A, 1006, 5001, 0, { data: Uint8Array.of(33) });
    assert.equal(t.heard.ended[0], 0);
    t.client(0, 'hello');
    t.ack(7);
    assert.deepEqual([t.heard.text(), t.heard.ended[0]], ['hello!', 1]);
    t.c(F | A, 1007, 5001);
    assert.equal(t.heard.ended[0], 1);
    assert.ok(t.clean);
  }
});

test('inline: delivered at once; a hole is waited for however long, and never skipped by time', () => {
  const t = opened();
  t.client(0, 'ab');
  t.client(4, 'ef');
  assert.equal(t.heard.text(), 'ab');
  t.sec += 500;
  t.client(6, 'gh');
  assert.equal(t.heard.text(), 'ab');
  t.client(2, 'cd');
  assert.equal(t.heard.text(), 'abcdefgh');
  assert.ok(t.r.memuse > 0, 'kept until acknowledged');
  t.ack(8);
  assert.ok(t.clean);
});

test('inline: the receiver has what we never saw (fail-open): the hole is skipped', () => {
  const t = opened();
  t.client(0, 'ab');
  t.client(4, 'ef');
  t.ack(6);
  assert.equal(t.heard.text(), 'abef');
  assert.deepEqual(t.heard.gaps[0], [[2, 2]]);
});

test('inline: other bytes in the place of what was seen are to be overwritten, delivered or held', () => {
  const t = opened();
  t.client(0, 'benign');
  t.client(8, 'held');
  assert.equal(t.r.repairCount, 0);
  t.client(2, 'EVIL+-EVILend');
  assert.deepEqual(events(t), [StreamEvent.ReassemblyOverlapDifferentData]);
  assert.equal(t.r.repairCount, 2);
  t.r.repair(t.p);
  assert.equal(String.fromCharCode(...t.p.mem), 'nign+-heldend');
  assert.equal(t.heard.text(), 'benign+-heldend');
  t.client(2, 'nign+-heldend');
  assert.deepEqual([t.r.repairCount, events(t)], [0, []]);
  t.ack(15);
  t.client(2, 'EVIL');
  assert.deepEqual([t.r.repairCount, events(t)], [0, [StreamEvent.ReassemblySegmentBeforeBaseSeq]]);
});

test('the mode is the packet’s: stream.inline yes and no override it', () => {
  const no = opened({ inline: false });
  no.client(0, 'x');
  assert.equal(no.heard.text(), '');
  const yes = ids({ inline: true });
  yes.client(0, 'x');
  assert.equal(yes.heard.text(), 'x');
});

test('depth: nothing beyond it, one event per direction, and what lies before it still', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    const t = opened({ mode, depth: 10 });
    t.client(0, 'abc');
    t.client(6, 'ghijklm');
    assert.deepEqual(events(t), [StreamEvent.ReassemblyDepthReached]);
    t.client(3, 'def');
    t.client(13, 'nop');
    assert.deepEqual(events(t), []);
    t.ack(16);
    assert.equal(t.heard.text(), 'abcdefghij');
    assert.equal(t.flows.flags[t.p.flow] & FlowFlag.StreamDepth, FlowFlag.StreamDepth);
    t.client(16, 'qrs');
    t.s(A, 5001, 1020, 0, { data: new Uint8Array(11) });
    assert.deepEqual(events(t), [StreamEvent.ReassemblyDepthReached]);
    t.c(A, 1020, 5012);
    assert.ok(t.clean);
  }
});

test('the urgent byte is not part of what a program reads, unless it reads it inline', () => {
  for (const [urgent, heard] of [
    ['oob', 'abdef'],
    ['inline', 'abcdef'],
  ] as const) {
    for (const mode of [Mode.Ips, Mode.Ids]) {
      const t = opened({ urgent, mode });
      const send = (at: number, text: string, pointer: number) => {
        const header = new Uint8Array(20 + text.length);
        header[19] = pointer;
        for (let i = 0; i < text.length; i++) header[20 + i] = text.charCodeAt(i);
        t.client(at, header, { flags: A | 0x20, urgent: true } as object);
      };
      // The fixture puts the payload at 0: a header in front of it, and the pointer to it by hand.
      const { r } = t;
      const take = r.take.bind(r);
      r.take = (p, force) => {
        if ((p.tcpFlags & 0x20) !== 0) {
          p.transportOff = 0;
          p.payloadOff = 20;
          p.payloadLen -= 20;
        }
        return take(p, force);
      };
      send(0, 'abcd', 3);
      t.client(4, 'ef');
      t.ack(6);
      assert.equal(t.heard.text(), heard);
    }
  }
});

test('fast open: data in the SYN counts when the server acknowledges it', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    for (const taken of [true, false]) {
      const t = new Stream({ mode });
      t.c(S, 1000, 0, 0, { data: Uint8Array.from('early', (c) => c.charCodeAt(0)) });
      t.s(S | A, 5000, taken ? 1006 : 1001);
      t.c(A, taken ? 1006 : 1001, 5001);
      assert.equal(t.r.settle(t.p.flow), !taken);
      t.client(taken ? 5 : 0, 'then');
      t.ack(9);
      assert.ok(t.heard.text().endsWith(taken ? 'earlythen' : 'then'), t.heard.text());
      if (mode === Mode.Ids && !taken) assert.equal(t.heard.text(), 'then');
    }
  }
});

test('one side alone is seen: no acknowledgement to wait for; a hole is given up after two seconds', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    const t = new Stream({ mode, selective: 1 });
    t.c(S, 1000);
    t.client(0, 'ab');
    assert.equal(t.heard.text(), 'ab');
    t.client(4, 'ef');
    t.sec += 2;
    t.client(6, 'gh');
    assert.equal(t.heard.text(), 'abefgh');
    assert.deepEqual(t.heard.gaps[0], [[2, 2]]);
    t.client(2, 'CD');
    assert.equal(String.fromCharCode(...t.heard.loose_), 'CD');
  }
});

test('no room: inline the packet is refused and nothing changed; forced, the hole is skipped', () => {
  const t = opened({ memcap: 65_536 });
  t.client(0, 'ab');
  let at = 100;
  for (; at < 60_000 && t.taken !== false; at += 5000) t.client(at, 'x');
  assert.equal(t.taken, false);
  assert.deepEqual(events(t), [StreamEvent.ReassemblyInsertLimit]);
  assert.equal(t.counters[Counter.AppNoRoom], 1);
  assert.equal(t.heard.text(), 'ab');
  t.r.take(t.p, true);
  assert.equal(t.heard.text(), `ab${'x'.repeat((at - 100) / 5000)}`);
  t.client(50, 'late');
  assert.equal(String.fromCharCode(...t.heard.loose_), 'late');
  t.end();
  assert.ok(t.clean);
});

test('no room for a listener: what is in order goes on before it is acknowledged', () => {
  const t = ids({ memcap: 65_536 });
  for (let at = 0; at < 60_000; at += 1000) t.client(at, new Uint8Array(1000));
  assert.ok(t.heard.bytes[0].length > 0);
  t.ack(60_000);
  assert.equal(t.heard.bytes[0].length, 60_000);
  assert.deepEqual(t.heard.gaps[0], []);
  assert.ok(t.clean);
});

test('the sink has no room: refused, and taken when it is sent again', () => {
  const t = opened();
  t.heard.full = true;
  t.client(0, 'ab');
  assert.deepEqual([t.taken, t.heard.text()], [false, '']);
  t.heard.full = false;
  t.client(0, 'ab');
  assert.deepEqual([t.taken, t.heard.text()], [true, 'ab']);
});

test('a window slides over what was delivered, and begins anew behind a gap', () => {
  const t = opened({ chunkSizes: [300, 300] });
  t.r.watch(t.p.flow, 0, true);
  const at = t.p.flow * 2 * Line.Words;
  /** What the packet brought, put into the window: older and new bytes of the last piece. */
  const shown = () => {
    const { windows, pieces, pages } = t.r;
    const text = (a: number, b: number) => String.fromCharCode(...windows.bytes.subarray(a, b));
    let last = ['', ''];
    for (let i = 0; i < pieces.count; i++) {
      const [, off, length, , inPacket] = pieces.words.subarray(i * Piece.Words);
      if (length === GAP) windows.restart(at, false);
      for (let done = 0; done < length; ) {
        done += windows.add(at, 0, inPacket === 1 ? t.p.mem : pages.bytes, -1, off + done, length - done);
        last = [text(windows.from, windows.fresh), text(windows.fresh, windows.to)];
      }
    }
    return last;
  };
  t.client(0, 'abc');
  assert.deepEqual(shown(), ['', 'abc']);
  assert.equal(t.r.windows.begins, 1);
  t.client(3, 'def');
  assert.deepEqual(shown(), ['abc', 'def']);
  t.ack(6);
  assert.deepEqual(shown(), ['', '']);
  t.client(6, 'x'.repeat(299));
  shown();
  t.client(305, 'y'.repeat(300));
  assert.deepEqual(shown(), [`f${'x'.repeat(299)}`, 'y'.repeat(300)], 'a large window keeps what it is told to');
  assert.equal(t.r.windows.begins, 0);
  t.client(700, 'after');
  assert.deepEqual(shown(), ['', '']);
  t.ack(705);
  assert.deepEqual(shown(), ['', 'after']);
  t.end();
  assert.ok(t.clean);
});

test('a flow nobody wants for a while begins again with what comes then', () => {
  const t = opened();
  t.client(0, 'ab');
  t.client(4, 'ef');
  t.r.forget(t.p.flow);
  assert.ok(t.clean);
  t.client(1000, 'again');
  assert.equal(t.heard.text(), 'abagain');
  assert.deepEqual(t.heard.gaps[0], []);
});

test('host policies: the longest network counts, by version', () => {
  const hosts = new HostPolicies([
    { policy: 'windows', network: '0.0.0.0/0' },
    { policy: 'linux', network: '10.1.0.0/16' },
    { policy: 'last', network: '10.1.2.3' },
    { policy: 'solaris', network: '2001:db8::/33' },
  ]);
  const v4 = (a: number) => hosts.of(4, Int32Array.of(a | 0, 0, 0, 0));
  assert.deepEqual([v4(0x0a010203), v4(0x0a010204), v4(0x0b000000)], [Overlap.Last, Overlap.Linux, Overlap.Bsd]);
  const v6 = (a: number, b: number) => hosts.of(6, Int32Array.of(a, b, 0, 1));
  assert.deepEqual([v6(0x20010db8, 0x7fffffff), v6(0x20010db8, -1), v6(0, 0)], [Overlap.Solaris, Overlap.Bsd, Overlap.Bsd]);
  for (const network of ['10.0.0.1/33', 'x', '1.2.3', '::1/129', '10.0.0.0/'])
    assert.throws(() => parseHostPolicy({ policy: 'bsd', network }));
});
