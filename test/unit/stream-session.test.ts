import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packet } from '../../src/decode/packet.js';
import { FlowFlag, FlowState, TcpState } from '../../src/flow/codes.js';
import { L4 } from '../../src/flow/flow-table.js';
import { TCP_STATE_NAMES } from '../../src/flow/names.js';
import { tcp } from '../../src/lab/packets.js';
import { Mode } from '../../src/ring/verdict.js';
import { NO_SCALE, windowScale } from '../../src/stream/tcp-options.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { A, Conversation, F, P, R, S } from './flow-fixture.js';

type Step = [who: 'c' | 's', flags: number, seq: number, ack: number, state: TcpState];

function close(name: string, steps: Step[], flowState: FlowState): void {
  test(name, () => {
    const t = new Conversation();
    t.open();
    for (const [who, flags, seq, ack, state] of steps) {
      assert.equal(t[who](flags, seq, ack), TcpResult.Ok);
      assert.equal(TCP_STATE_NAMES[t.state], TCP_STATE_NAMES[state as number]);
      assert.equal(t.established, 1);
    }
    assert.equal(t.flowState, flowState);
  });
}
close(
  'the client closes: close_wait, last_ack, closed',
  [
    ['c', F | A, 1001, 5001, TcpState.CloseWait],
    ['s', A, 5001, 1002, TcpState.CloseWait],
    ['s', F | A, 5001, 1002, TcpState.LastAck],
    ['c', A, 1002, 5002, TcpState.Closed],
  ],
  FlowState.Closed,
);
close(
  'the server closes: fin_wait1, fin_wait2, time_wait, closed',
  [
    ['s', F | A, 5001, 1001, TcpState.FinWait1],
    ['c', A, 1001, 5002, TcpState.FinWait2],
    ['c', F | A, 1001, 5002, TcpState.TimeWait],
    ['s', A, 5002, 1002, TcpState.Closed],
  ],
  FlowState.Closed,
);
close(
  'both close at once: fin_wait1, closing, time_wait',
  [
    ['s', F | A, 5001, 1001, TcpState.FinWait1],
    ['c', F | A, 1001, 5001, TcpState.Closing],
    ['c', A, 1002, 5002, TcpState.TimeWait],
  ],
  FlowState.Closed,
);
close(
  'half closed: the flow is still established',
  [
    ['c', F | A, 1001, 5001, TcpState.CloseWait],
    ['c', F | A, 1001, 5001, TcpState.CloseWait],
    ['s', P | A, 5001, 1002, TcpState.CloseWait],
  ],
  FlowState.Established,
);

test('a RST closes only with a number the receiver could expect', () => {
  const t = new Conversation();
  t.open();
  t.c(P | A, 1001, 5001, 100);
  for (const seq of [0, 900, 1000, 1001 + 8193, 0x7fffffff]) {
    assert.equal(t.c(R, seq), TcpResult.Invalid, `seq ${seq}`);
    assert.deepEqual([t.state, t.established], [TcpState.Established, 0]);
  }
  assert.equal(t.c(R, 1101), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState], [TcpState.Closed, FlowState.Closed]);
});

test('a RST within the window, but not at its edge: inline the receiver challenges it, so the session goes on', () => {
  for (const mode of [Mode.Ids, Mode.Ips]) {
    const t = new Conversation();
    t.mode = mode;
    t.open();
    t.c(P | A, 1001, 5001, 100);
    assert.equal(t.c(R, 1500), mode === Mode.Ips ? TcpResult.Invalid : TcpResult.Ok);
    assert.equal(t.state, mode === Mode.Ips ? TcpState.Established : TcpState.Closed);
  }
});

test('after a RST, what still comes is inspected: the endpoint may have refused it', () => {
  const t = new Conversation();
  t.open();
  t.c(R, 1001);
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
  assert.equal(t.established, 1);
});

test('inline, nothing beyond the window passes, and nothing moves by it', () => {
  const t = new Conversation();
  t.open();
  assert.equal(t.c(P | A, 1001 + 8192, 5001, 1), TcpResult.Invalid);
  assert.equal(t.established, 0);
  assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Next], 1001);
  assert.equal(t.c(P | A, 1001, 5001 + 9000, 1), TcpResult.Invalid, 'acknowledges what cannot have been sent');
  assert.equal(t.c(P | A, 1001, 5001, 8192), TcpResult.Ok, 'the whole window');
  assert.equal(t.c(P | A, 1001 + 8192, 5001, 1), TcpResult.Invalid, 'and not a byte more');
  t.s(A, 5001, 1001 + 8192);
  assert.equal(t.c(P | A, 1001 + 8192, 5001, 1), TcpResult.Ok, 'until it is acknowledged');
});

test('a retransmission of old data and a keep-alive are no errors', () => {
  const t = new Conversation();
  t.open();
  t.c(P | A, 1001, 5001, 100);
  t.s(A, 5001, 1101);
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
  assert.equal(t.c(A, 1100, 5001, 1), TcpResult.Ok);
  assert.equal(t.c(A, 1101, 4000), TcpResult.Ok, 'an old ACK');
  assert.equal(t.established, 1);
});

test('a window of zero may be probed with one byte', () => {
  const t = new Conversation();
  t.mode = Mode.Ids;
  t.open();
  t.s(A, 5001, 1001, 0, { window: 0 });
  assert.equal(t.c(P | A, 1001, 5001, 1), TcpResult.Ok);
  assert.equal(t.c(P | A, 1001, 5001, 2), TcpResult.Invalid);
});

test('inline, a window that shrinks takes back nothing: its ACK may have been overtaken by a newer one', () => {
  const t = new Conversation();
  t.open();
  t.s(A, 5001, 1001, 0, { window: 0 });
  assert.equal(t.c(P | A, 1001, 5001, 8192), TcpResult.Ok);
  assert.equal(t.c(P | A, 1001, 5001, 8193), TcpResult.Invalid);
  t.s(A, 5001, 1001 + 8192, 0, { window: 0 });
  assert.equal(t.c(P | A, 1001 + 8192, 5001, 1), TcpResult.Ok, 'a probe');
  assert.equal(t.c(P | A, 1001 + 8192, 5001, 2), TcpResult.Invalid);
});

test('a listener that lost packets gets back on its feet', () => {
  const t = new Conversation();
  t.mode = Mode.Ids;
  t.open();
  assert.equal(t.c(P | A, 500_000, 5001, 100), TcpResult.Invalid);
  assert.equal(t.s(P | A, 5001, 500_100, 50), TcpResult.Ok);
  assert.equal(t.c(P | A, 500_100, 5051, 100), TcpResult.Ok);
  assert.equal(t.established, 1);
  // What the real numbers were, had the far ones been forged, still counts as old data.
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
});

/** A SYN or SYN+ACK with its header in memory, so that options are there to read. */
function withOptions(options: number[], extra: object = {}): { more: object; set(p: Packet): void } {
  const bytes = tcp({ src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2, options: Uint8Array.from(options) } as never);
  return {
    more: extra,
    set(p) {
      p.mem = bytes;
      p.transportOff = 0;
      p.tcpHeaderLen = (bytes[12] >> 4) * 4;
    },
  };
}

test('window scale: read from the options, whatever stands before it', () => {
  const cases: [number[], number][] = [
    [[3, 3, 7, 0], 7],
    [[2, 4, 5, 0xb4, 1, 3, 3, 14], 14],
    [[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 2], 2],
    [[3, 3, 200, 0], 14],
    [[2, 4, 5, 0xb4], NO_SCALE],
    [[0, 3, 3, 7], NO_SCALE],
    [[1, 1, 1, 3], NO_SCALE],
    [[5, 0, 3, 3], NO_SCALE],
    [[5, 1, 3, 3], NO_SCALE],
    [[5, 40, 3, 3], NO_SCALE],
  ];
  for (const [options, scale] of cases) {
    const p = new Packet();
    withOptions(options).set(p);
    assert.equal(windowScale(p), scale, options.join());
  }
});

test('window scale: any bytes end, within the header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), fc.integer({ min: 0, max: 60 }), (options, headerLen) => {
      const p = new Packet();
      const bytes = new Uint8Array(20 + options.length);
      bytes.set(options, 20);
      let furthest = -1;
      p.mem = new Proxy(bytes, {
        get(target, name) {
          if (name === 'length') return target.length;
          furthest = Math.max(furthest, Number(name));
          return target[Number(name)];
        },
      });
      p.transportOff = 0;
      p.tcpHeaderLen = headerLen;
      const scale = windowScale(p);
      assert.ok(scale === NO_SCALE || (scale >= 0 && scale <= 14));
      assert.ok(furthest < Math.min(headerLen, bytes.length));
    }),
  );
});

test('scales hold only when both sides offer one (RFC 7323)', () => {
  for (const both of [true, false]) {
    const t = new Conversation();
    t.mode = Mode.Ids;
    const send = (who: 'c' | 's', flags: number, seq: number, ack: number, options: number[]) => {
      const bytes = withOptions(options);
      // The fixture clears mem: fill it in between lookup and update, as decode would have before.
      const fields = who === 'c' ? { sport: 40000, dport: 80 } : { src: 0x0a000002, dst: 0x0a000001, sport: 80, dport: 40000 };
      t.p.mem = new Uint8Array(0);
      const update = t.tracker.update.bind(t.tracker);
      t.tracker.update = (p: Packet) => {
        bytes.set(p);
        return update(p);
      };
      const result = t.send({ ...fields, flags, seq, ack });
      t.tracker.update = update;
      return result;
    };
    send('c', S, 1000, 0, [3, 3, 3, 0]);
    send('s', S | A, 5000, 1001, both ? [3, 3, 4, 0] : [1, 1, 1, 0]);
    t.c(A, 1001, 5001, 0, { window: 1000 });
    assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Window], both ? 8000 : 1000);
    t.s(A, 5001, 1001, 0, { window: 1000 });
    assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Window + 1], both ? 16000 : 1000);
  }
});

test('a bypassed flow is not tracked any further', () => {
  const t = new Conversation();
  t.open();
  t.flows.bypass(t.p.flow);
  assert.equal(t.c(R, 1001), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState], [TcpState.Established, FlowState.Bypassed]);
});

test('any packets whatever: no crash, states within their range, established only after a handshake', () => {
  const step = fc.record({
    server: fc.boolean(),
    flags: fc.integer({ min: 0, max: 63 }),
    seq: fc.oneof(
      fc.integer({ min: 995, max: 1010 }),
      fc.integer({ min: 4995, max: 5010 }),
      fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    ),
    ack: fc.oneof(fc.integer({ min: 995, max: 1010 }), fc.integer({ min: 4995, max: 5010 })),
    payload: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(Mode.Ids, Mode.Ips), (steps, mode) => {
      const t = new Conversation();
      t.mode = mode;
      for (const { server, flags, seq, ack, payload } of steps) {
        const result = server ? t.s(flags, seq, ack, payload) : t.c(flags, seq, ack, payload);
        assert.ok(t.state >= TcpState.None && t.state < TcpState.Count);
        assert.ok(result >= TcpResult.Ok && result <= TcpResult.Midstream, 'midstream pick-up is off');
        if (t.established === 1) assert.notEqual(t.flows.flags[t.p.flow] & FlowFlag.TcpEstablished, 0);
        if ((t.flows.flags[t.p.flow] & FlowFlag.TcpEstablished) !== 0) {
          assert.ok(t.state >= TcpState.Established);
          assert.notEqual(t.flows.tcpFlagsTs[t.p.flow] & S, 0, 'no session without a SYN');
        }
        if (result === TcpResult.Invalid) assert.equal(t.established, 0);
      }
      assert.equal(t.flows.active, steps.length === 0 ? 0 : 1);
    }),
    { numRuns: 300 },
  );
});

test('a bypassed session is not followed; a new SYN on its tuple begins a flow that is inspected, unless it was dropped', () => {
  for (const dropped of [false, true]) {
    const t = new Conversation();
    t.open();
    t.flows.bypass(t.p.flow);
    if (dropped) t.flows.drop(t.p.flow, 1);
    assert.equal(t.c(R, 77), TcpResult.Ok);
    assert.deepEqual([t.state, t.flowState], [TcpState.Established, FlowState.Bypassed]);
    t.c(S, 1000);
    assert.equal(t.p.flowNew, 0, 'a repeated SYN');
    t.c(S, 90000);
    assert.deepEqual([t.p.flowNew, t.flowState], dropped ? [0, FlowState.Bypassed] : [1, FlowState.New]);
    assert.equal((t.flows.flags[t.p.flow] & FlowFlag.Bypassed) !== 0, dropped);
  }
});
