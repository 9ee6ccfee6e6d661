import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packet, TcpFlag } from '../../src/decode/packet.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { STREAM_EVENT_NAMES, streamEventCode } from '../../src/stream/events.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { Timestamps } from '../../src/stream/timestamps.js';
import { A, Conversation, F, P, R, S } from './flow-fixture.js';

/** Events of the packet that was sent last, without their prefix. */
const events = (t: Conversation) =>
  Array.from(t.p.streamEvents.subarray(0, t.p.streamEventCount), (code) => STREAM_EVENT_NAMES[code].slice('stream.'.length)).join(' ');

type Step = [who: 'c' | 's', flags: number, seq: number, ack: number, payload: number, events: string];

function story(name: string, steps: Step[], prepare: (t: Conversation) => void = (t) => t.open(), mode = Mode.Ips): void {
  test(name, () => {
    const t = new Conversation();
    t.mode = mode;
    prepare(t);
    for (const [who, flags, seq, ack, payload, expected] of steps) {
      t[who](flags, seq, ack, payload);
      assert.equal(events(t), expected, `${who} ${flags} ${seq} ${ack}`);
      for (const name of expected.split(' ').filter((x) => x !== ''))
        assert.ok(t.counters[Counter.StreamEvents + streamEventCode(name)] > 0);
    }
  });
}
const nothing = () => {};

story('a whole session has none', [
  ['c', P | A, 1001, 5001, 100, ''],
  ['s', A, 5001, 1101, 0, ''],
  ['s', P | A, 5001, 1101, 50, ''],
  ['c', F | A, 1101, 5051, 0, ''],
  ['s', F | A, 5051, 1102, 0, ''],
  ['c', A, 1102, 5052, 0, ''],
]);
story('no session: RST', [['c', R, 1, 0, 0, 'rst_but_no_session']], nothing);
story('no session: FIN', [['c', F | A, 1, 1, 0, 'fin_but_no_session']], nothing);
story('no session: FIN and SYN', [['c', F | S, 1, 0, 0, 'fin_syn']], nothing);
story('an acknowledgement without its flag', [['c', S, 1000, 77, 0, 'pkt_broken_ack']], nothing);
story(
  'handshake: SYN+ACK with a wrong number, from the wrong side, with another number',
  [
    ['c', S, 1000, 0, 0, ''],
    ['s', S | A, 5000, 4711, 0, '3whs_synack_with_wrong_ack'],
    ['c', S | A, 1000, 5001, 0, '3whs_synack_in_wrong_direction'],
    ['s', S | A, 5000, 1001, 0, ''],
    ['s', S | A, 5000, 1002, 0, '3whs_synack_resend_with_different_ack'],
    ['s', S | A, 6000, 1001, 0, '3whs_synack_resend_with_diff_seq'],
  ],
  nothing,
);
story(
  'handshake: SYNs with ever other numbers, more than eleven',
  [
    ...Array.from({ length: 11 }, (_, i): Step => ['c', S, 1000 * i, 0, 0, '']),
    ['c', S, 77, 0, 0, '3whs_syn_flood'],
    ['c', S, 77, 0, 0, ''],
    ['c', S, 78, 0, 0, '3whs_syn_flood'],
  ],
  nothing,
);
story('a RST, and what was sent before it once more: the two crossed', [
  ['c', P | A, 1001, 5001, 10, ''],
  ['s', R | A, 5001, 1011, 0, ''],
  ['c', P | A, 1001, 5001, 10, 'pkt_retransmission'],
]);
story(
  'handshake: what must not follow the SYN+ACK',
  [
    ['c', S, 1000, 0, 0, ''],
    ['s', S | A, 5000, 1001, 0, ''],
    ['c', S, 2000, 0, 0, '3whs_syn_resend_diff_seq_on_syn_recv'],
    ['s', S, 5000, 0, 0, '3whs_syn_toclient_on_syn_recv'],
    ['c', A, 1001, 4711, 0, '3whs_right_seq_wrong_ack_evasion'],
    ['c', A, 1500, 4711, 0, '3whs_wrong_seq_wrong_ack'],
    ['s', P | A, 5001, 1001, 10, '3whs_ack_data_inject'],
  ],
  nothing,
);
story(
  'data in the SYN that the server leaves out',
  [
    ['c', S, 1000, 0, 20, ''],
    ['s', S | A, 5000, 1001, 0, '3whs_synack_tfo_data_ignored'],
  ],
  nothing,
);
story('established: SYN and SYN+ACK', [
  ['c', S, 1000, 0, 0, 'est_syn_resend'],
  ['s', S, 5000, 0, 0, 'est_syn_toclient'],
  ['s', S | A, 5000, 1001, 0, ''],
  ['s', S | A, 5000, 1005, 0, 'est_synack_resend_with_different_ack'],
  ['s', S | A, 5100, 1001, 0, 'est_synack_resend_with_diff_seq'],
  ['c', S | A, 1000, 5001, 0, 'est_synack_toserver'],
]);
story('established: outside the window', [
  ['c', P | A, 1001 + 60000, 5001, 10, 'est_packet_out_of_window'],
  ['c', F | A, 1001 + 60000, 5001, 10, 'fin_out_of_window'],
  ['c', A, 1001, 5001 + 60000, 0, 'pkt_invalid_ack est_invalid_ack'],
]);
story('data again: seen, acknowledged, long past', [
  ['c', P | A, 1001, 5001, 100, ''],
  ['c', P | A, 1001, 5001, 100, 'pkt_retransmission'],
  ['s', A, 5001, 1101, 0, ''],
  ['c', P | A, 1001, 5001, 100, 'pkt_spurious_retransmission'],
  ['c', P | A, 1001, 5001, 50, 'pkt_spurious_retransmission est_pkt_before_last_ack'],
  ['c', A, 1100, 5001, 1, ''],
]);
story('closing: by state', [
  ['c', F | A, 1001, 5001, 0, ''],
  ['c', P | A, 1001 + 60000, 5001, 10, 'closewait_ack_out_of_window'],
  ['c', F | A, 1001 + 60000, 5001, 10, 'closewait_fin_out_of_window'],
  ['s', A, 5001, 1002 + 60000, 0, 'pkt_invalid_ack closewait_invalid_ack'],
  ['c', S, 1000, 0, 0, 'shutdown_syn_resend'],
]);
story('a RST that somebody else sent', [
  ['s', P | A, 5001, 1001, 10, ''],
  ['s', R, 5011, 0, 0, ''],
  ['c', P | A, 1001, 5011, 10, 'suspected_rst_inject'],
  ['c', P | A, 1011, 5011, 10, ''],
]);
story('a RST with data', [['s', R, 5001, 0, 7, 'rst_with_data']]);

const OFFSET = 40;
/** A segment with a timestamp option, after NOPs or a SYN's MSS. */
function segment(value: number, echo: number, flags: number = TcpFlag.Ack, direction: 0 | 1 = 0, sec = 1000): Packet {
  const p = new Packet();
  const option = Buffer.alloc(12);
  option.writeInt32BE(value | 0, 2);
  option.writeInt32BE(echo | 0, 6);
  option.set([8, 10]);
  const list = (flags & TcpFlag.Syn) !== 0 ? [2, 4, 5, 0xb4, ...option.subarray(0, 10), 1, 1] : [1, 1, ...option.subarray(0, 10)];
  p.mem = Uint8Array.from([...new Array(OFFSET + 20).fill(0), ...list]);
  p.transportOff = OFFSET;
  p.tcpHeaderLen = 20 + list.length;
  p.tcpFlags = flags;
  p.direction = direction;
  p.tsSec = sec;
  return p;
}

test('timestamps: agreed on by both, old ones refused, the clock may wrap', () => {
  const t = new Timestamps(4);
  t.begin(segment(-5, 0, TcpFlag.Syn), 2);
  assert.equal(t.echoes(segment(100, 100, TcpFlag.Rst, 1), 2), false);
  assert.equal(t.echoes(segment(100, -5, TcpFlag.Syn | TcpFlag.Ack, 1), 2), true);
  assert.equal(t.echoes(segment(100, -3, TcpFlag.Syn | TcpFlag.Ack, 1), 2), false);
  t.repeat(segment(-3, 0, TcpFlag.Syn), 2);
  assert.equal(t.echoes(segment(100, -4, TcpFlag.Syn | TcpFlag.Ack, 1), 2), true);
  assert.equal(t.check(segment(-1000, 0), 2, true), true, 'not agreed yet');
  t.answer(segment(100, -5, TcpFlag.Syn | TcpFlag.Ack, 1), 2);
  assert.equal(t.check(segment(-6, 0), 2, true), true, 'one tick back, as Linux');
  assert.equal(t.check(segment(7, 0), 2, true), true, 'beyond zero');
  assert.equal(t.check(segment(-5, 0), 2, true), false);
  assert.equal(t.check(segment(-5, 0, TcpFlag.Ack, 0, 1000 + 25 * 86400), 2, true), true, 'after 24 days');
  assert.equal(t.check(segment(50, 0, TcpFlag.Ack, 1), 2, true), false, 'each side has its own');
});

test('timestamps: what is out of order does not move the clock', () => {
  const t = new Timestamps(1);
  t.begin(segment(10, 0, TcpFlag.Ack), 0);
  assert.equal(t.check(segment(500, 0), 0, false), true);
  assert.equal(t.check(segment(20, 0), 0, true), true);
  assert.equal(t.check(segment(12, 0), 0, true), false);
});

test('whatever the options, reading ends within the header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 1 }), (list, direction) => {
      const t = new Timestamps(1);
      const p = segment(1, 1);
      p.direction = direction;
      const reads: number[] = [];
      const mem = Uint8Array.from([...new Array(OFFSET + 20).fill(0), ...list, 8, 10, 1, 1, 1, 1, 1, 1, 1, 1]);
      p.mem = new Proxy(mem, {
        get: (target, key) => {
          const n = Number(key);
          if (Number.isInteger(n)) reads.push(n);
          return Reflect.get(target, key);
        },
      });
      p.tcpHeaderLen = 20 + list.length;
      t.begin(p, 0);
      t.check(p, 0, true);
      assert.ok(reads.every((n) => n >= OFFSET + 20 && n < OFFSET + 20 + list.length));
      assert.ok(t.check(segment(1, 1), 0, true) === true || list.length >= 10);
    }),
  );
});

test('an inline session that gets a packet of another one: named, refused, and it goes on', () => {
  const t = new Conversation();
  t.open();
  assert.equal(t.c(P | A, 1001 + 60000, 5001, 10), TcpResult.Invalid);
  assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
  assert.equal(events(t), '');
});
