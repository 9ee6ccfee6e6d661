import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { DefragConfig } from '../../src/config/config.js';
import { Decoder } from '../../src/decode/decoder.js';
import { Defragmenter, DefragResult } from '../../src/decode/defrag.js';
import { DECODE_EVENT_NAMES } from '../../src/decode/events.js';
import { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const CONFIG: DefragConfig = { enabled: true, memcap: 4 << 20, memcapPolicy: 'ignore', trackers: 1000, maxFrags: 10000, timeout: 60 };

const opened: Defragmenter[] = [];
after(() => {
  for (const defrag of opened) defrag.close();
});

function setup(config: Partial<DefragConfig> = {}) {
  const counters = new Float64Array(Counter.Count);
  const decoder = new Decoder({ vxlanPorts: [], teredo: false, teredoPorts: [], checksumValidation: true }, counters);
  const defrag = new Defragmenter({ ...CONFIG, ...config }, counters);
  opened.push(defrag);
  const p = new Packet();
  /** Decodes one frame and, when it is a fragment, adds it. -1: not a fragment. */
  const feed = (bytes: Uint8Array, tsSec = 1000, linkType = 101): number => {
    p.mem = bytes;
    p.off = 0;
    p.capLen = bytes.length;
    p.wireLen = bytes.length;
    p.linkType = linkType;
    p.tsSec = tsSec;
    decoder.decode(p);
    if (p.isFragment === 0) return -1;
    const result = defrag.add(p);
    if (result === DefragResult.Complete) decoder.decode(p);
    return result;
  };
  const events = () => Array.from(p.events.subarray(0, p.eventCount), (code) => DECODE_EVENT_NAMES[code]);
  const payload = () => p.mem.slice(p.payloadOff, p.payloadOff + p.payloadLen);
  return { counters, decoder, defrag, p, feed, events, payload };
}

const pattern = (length: number, seed = 7) => Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 255);
const udp4 = (body: Uint8Array, more = {}) =>
  build.ipv4({ src: A, dst: B, proto: 17, ...more }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, body));
const udp6 = (body: Uint8Array) =>
  build.ipv6({ src: A6, dst: B6, nextHeader: 17 }, build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, body));
const raw4 = (body: Uint8Array, offset: number, mf: boolean, id = 5) =>
  build.ipv4({ src: A, dst: B, proto: 17, id, mf, fragOffset: offset }, body);
const raw6 = (body: Uint8Array, offset: number, more: boolean, id = 5) =>
  build.ipv6(
    { src: A6, dst: B6, nextHeader: 17, extHeaders: [{ type: build.PROTO.fragment, body: build.fragmentBody(id, offset, more) }] },
    body,
  );

test('a datagram in order, IPv4 with options and IPv6: whole, valid and counted', () => {
  const body = pattern(4000);
  for (const [version, pieces] of [
    [4, build.fragmentIpv4(udp4(body, { options: build.hex('94040000 00000000') }), build.evenCuts(4008, 1480))],
    [6, build.fragmentIpv6(udp6(body), build.evenCuts(4008, 1400))],
  ] as const) {
    const { feed, p, events, payload, counters, defrag } = setup();
    for (const piece of pieces.slice(0, -1)) assert.equal(feed(piece), DefragResult.Waiting);
    assert.ok(defrag.memuse > 2800);
    assert.equal(feed(pieces[pieces.length - 1]), DefragResult.Complete);
    assert.deepEqual(events(), []);
    assert.equal(p.csumInvalid, 0);
    assert.equal(p.ipVersion, version);
    assert.equal(p.isFragment, 0);
    assert.equal(p.defragged, 1);
    assert.equal(p.mem, defrag.mem);
    assert.equal(p.region, defrag.region);
    assert.equal(p.dstPort, 2);
    assert.deepEqual(payload(), body);
    assert.equal(counters[Counter.Reassembled], 1);
    assert.equal(counters[Counter.Fragments], pieces.length);
    assert.deepEqual([defrag.memuse, defrag.active, defrag.fragments], [0, 0, 0]);
    // The next packet is not a reassembled one.
    feed(udp4(body));
    assert.equal(p.defragged, 0);
  }
});

test('any split, order and duplication reassembles exactly, several datagrams at once', () => {
  const { feed, payload, defrag, events } = setup();
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 9000 }), cuts: fc.array(fc.nat(1124), { maxLength: 12 }), six: fc.boolean() }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.infiniteStream(fc.nat()),
      (datagrams, order) => {
        const bodies = datagrams.map(({ size }, i) => pattern(size, 2 * i + 3));
        const queue: { piece: Uint8Array; of: number }[] = [];
        datagrams.forEach(({ cuts, six }, i) => {
          const length = bodies[i].length + 8;
          const edges = [...new Set(cuts.map((c) => c * 8).filter((c) => c > 0 && c < length))].sort((x, y) => x - y);
          if (edges.length === 0 && length > 8) edges.push(8);
          const pieces = six ? build.fragmentIpv6(udp6(bodies[i]), edges, i) : build.fragmentIpv4(udp4(bodies[i], { id: i }), edges);
          // All but one piece may come twice: a duplicate of the last to arrive would open a new datagram.
          for (const piece of pieces) queue.push({ piece, of: i });
        });
        const done = new Set<number>();
        while (queue.length > 0) {
          const [{ piece, of }] = queue.splice(order.next().value % queue.length, 1);
          if (order.next().value % 3 === 0 && queue.some((q) => q.of === of)) {
            const twice = feed(piece);
            assert.equal(twice, DefragResult.Waiting);
          }
          const result = feed(piece);
          if (queue.some((q) => q.of === of)) assert.equal(result, DefragResult.Waiting);
          else {
            assert.equal(result, DefragResult.Complete);
            assert.deepEqual(payload(), bodies[of]);
            assert.deepEqual(
              events().filter((e) => !e.endsWith('frag_overlap')),
              [],
            );
            done.add(of);
          }
        }
        assert.equal(done.size, datagrams.length);
        assert.deepEqual([defrag.memuse, defrag.active, defrag.fragments], [0, 0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});

test('overlap: the first bytes win, and it is recorded', () => {
  for (const [raw, version] of [
    [raw4, 4],
    [raw6, 6],
  ] as const) {
    const { feed, events, p } = setup();
    assert.equal(feed(raw(build.bytes('A'.repeat(16)), 0, true)), DefragResult.Waiting);
    assert.equal(feed(raw(build.bytes('B'.repeat(16)), 8, true)), DefragResult.Waiting);
    assert.deepEqual(events(), [`decoder.ipv${version}.frag_overlap`]);
    assert.equal(feed(raw(build.bytes('C'.repeat(16)), 16, false)), DefragResult.Complete);
    assert.ok(events().includes(`decoder.ipv${version}.frag_overlap`), 'kept for the reassembled datagram');
    const whole = Buffer.from(p.mem.subarray(p.ipOff + p.ipHeaderLen, p.ipOff + p.ipLen)).toString();
    assert.equal(whole, 'A'.repeat(16) + 'B'.repeat(8) + 'C'.repeat(8));
  }
});

test('fragments that disagree about the end are refused, the rest stays', () => {
  const { feed, events, p, defrag } = setup();
  assert.equal(feed(raw4(build.bytes('A'.repeat(32)), 0, true)), DefragResult.Waiting);
  // Teardrop: the last fragment ends inside the first.
  assert.equal(feed(raw4(build.bytes('B'.repeat(4)), 24, false)), DefragResult.Error);
  assert.deepEqual(events(), ['decoder.ipv4.frag_overlap']);
  assert.equal(feed(raw4(build.bytes('C'.repeat(5)), 40, false)), DefragResult.Waiting);
  assert.equal(feed(raw4(build.bytes('D'.repeat(3)), 40, false)), DefragResult.Error);
  assert.equal(feed(raw4(build.bytes('E'.repeat(16)), 40, true)), DefragResult.Error);
  assert.equal(feed(raw4(build.bytes('F'.repeat(8)), 32, true)), DefragResult.Complete);
  assert.equal(Buffer.from(p.mem.subarray(20, p.capLen)).toString(), `${'A'.repeat(32)}FFFFFFFFCCCCC`);
  assert.equal(defrag.memuse, 0);
});

test('oversize and empty fragments are refused', () => {
  const { feed, events, defrag } = setup();
  assert.equal(feed(raw4(new Uint8Array(100), 65528, false)), DefragResult.Error);
  assert.deepEqual(events(), ['decoder.ipv4.frag_pkt_too_large']);
  assert.equal(feed(raw6(new Uint8Array(104), 65528, true)), DefragResult.Error);
  assert.deepEqual(events(), ['decoder.ipv6.frag_pkt_too_large']);
  assert.equal(feed(raw4(new Uint8Array(0), 8, true)), DefragResult.Error);
  assert.deepEqual(events(), ['decoder.ipv4.frag_ignored']);
  assert.equal(feed(raw6(new Uint8Array(7), 8, true)), DefragResult.Error);
  assert.deepEqual(events(), ['decoder.ipv6.frag_invalid_length']);
  assert.equal(defrag.active, 0);
  // A longer header on the first fragment than on the others.
  assert.equal(feed(raw4(new Uint8Array(65512 - 8), 8, false)), DefragResult.Waiting);
  assert.equal(
    feed(build.ipv4({ src: A, dst: B, proto: 17, id: 5, mf: true, options: new Uint8Array(8).fill(1) }, new Uint8Array(8))),
    DefragResult.Error,
  );
  assert.deepEqual(events(), ['decoder.ipv4.frag_pkt_too_large']);
  assert.deepEqual([defrag.active, defrag.memuse], [0, 0]);
});

test('the largest datagram there is', () => {
  const { feed, payload } = setup();
  const body = pattern(65535 - 28);
  const pieces = build.fragmentIpv4(udp4(body), build.evenCuts(65515, 1480));
  const results = pieces.reverse().map((piece) => feed(piece));
  assert.equal(results.pop(), DefragResult.Complete);
  assert.deepEqual(payload(), body);
});

test('IPv4 cuts a middle fragment to units of 8', () => {
  const { feed, p } = setup();
  assert.equal(feed(raw4(build.bytes('AAAAAAAAAAAA'), 0, true)), DefragResult.Waiting);
  assert.equal(feed(raw4(build.bytes('BBBB'), 8, false)), DefragResult.Complete);
  assert.equal(Buffer.from(p.mem.subarray(20, p.capLen)).toString(), 'AAAAAAAABBBB');
});

test('datagrams are told apart by id, protocol, addresses and VLAN', () => {
  const first = (more: Partial<build.Ipv4Fields>) => build.ipv4({ src: A, dst: B, proto: 17, id: 1, mf: true, ...more }, new Uint8Array(8));
  const last = build.ipv4({ src: A, dst: B, proto: 17, id: 1, fragOffset: 8 }, new Uint8Array(8));
  const { feed, p, defrag } = setup();
  for (const other of [{ id: 2 }, { proto: 6 }, { src: B, dst: A }, { dst: A }]) assert.equal(feed(first(other)), DefragResult.Waiting);
  assert.equal(feed(build.ethernet({ vlans: [{ id: 9 }] }, first({})), 1000, 1), DefragResult.Waiting);
  assert.equal(feed(build.ethernet({ vlans: [{ id: 10 }] }, last), 1000, 1), DefragResult.Waiting);
  assert.equal(feed(last), DefragResult.Waiting);
  assert.equal(defrag.active, 7);
  assert.equal(feed(build.ethernet({ vlans: [{ id: 9 }] }, last), 1000, 1), DefragResult.Complete);
  assert.deepEqual([p.vlanDepth, p.vlan0], [1, 9], 'the datagram keeps the VLAN of its fragments');
});

test('IPv6 takes the next header of the first fragment, whatever the others say', () => {
  const { feed, p } = setup();
  const later = raw6(build.bytes('later...'), 8, false);
  later[40] = build.PROTO.tcp;
  assert.equal(feed(later), DefragResult.Waiting);
  assert.equal(
    feed(raw6(build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2, length: 16, checksum: 1 }), 0, true)),
    DefragResult.Complete,
  );
  assert.equal(p.proto, 17);
  assert.equal(p.payloadLen, 8);
});

test('timeout by packet time: old pieces do not meet new ones', () => {
  const { feed, defrag } = setup();
  feed(raw4(new Uint8Array(8), 0, true, 1), 1000);
  feed(raw4(new Uint8Array(8), 0, true, 2), 1030);
  defrag.tick(1059);
  assert.equal(defrag.active, 2);
  defrag.tick(1060);
  assert.equal(defrag.active, 1);
  assert.equal(feed(raw4(new Uint8Array(8), 8, false, 2), 1090), DefragResult.Waiting);
  assert.equal(defrag.active, 1);
  // A clock far back (another capture file) also ends them.
  defrag.tick(10);
  assert.deepEqual([defrag.active, defrag.memuse, defrag.fragments], [0, 0, 0]);
});

test('memcap, trackers and maxFrags refuse what is new and count it', () => {
  for (const config of [{ memcap: 8192 }, { trackers: 5 }, { maxFrags: 5 }]) {
    const { feed, defrag, counters } = setup(config);
    let refused = 0;
    for (let id = 0; id < 50; id++) if (feed(raw4(new Uint8Array(8), 0, true, id)) === DefragResult.Memcap) refused++;
    assert.equal(refused, 50 - defrag.active);
    assert.equal(defrag.active, 5);
    assert.equal(counters[Counter.DefragMemcap], refused);
    assert.ok(defrag.memuse <= (config.memcap ?? CONFIG.memcap));
    if (config.maxFrags === undefined)
      assert.equal(feed(raw4(new Uint8Array(8), 8, false, 0)), DefragResult.Complete, 'what is held can be completed');
    defrag.tick(2000);
    assert.deepEqual([defrag.active, defrag.memuse, defrag.fragments], [0, 0, 0]);
    assert.equal(feed(raw4(new Uint8Array(8), 0, true, 999), 2000), DefragResult.Waiting);
  }
});

test('hostile fragments: no throw, bounds kept, all memory comes back', () => {
  const { feed, defrag, p } = setup({ memcap: 64 << 10, trackers: 20, maxFrags: 200 });
  let now = 1000;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          id: fc.nat(6),
          offset: fc.oneof(fc.nat(8191), fc.nat(40)),
          length: fc.oneof(fc.nat(64), fc.nat(3000)),
          more: fc.boolean(),
          six: fc.boolean(),
          vlan: fc.nat(2),
        }),
        { maxLength: 60 },
      ),
      (list) => {
        for (const { id, offset, length, more, six, vlan } of list) {
          now += id === 0 ? 10 : 0;
          const ip = six ? raw6(new Uint8Array(length), offset * 8, more, id) : raw4(new Uint8Array(length), offset * 8, more, id);
          const result = feed(vlan === 0 ? ip : build.ethernet({ vlans: [{ id: vlan }] }, ip), now, vlan === 0 ? 101 : 1);
          assert.ok(result >= -1 && result <= DefragResult.Error);
          assert.ok(defrag.memuse >= 0 && defrag.memuse <= 64 << 10);
          assert.ok(defrag.active <= 20 && defrag.fragments <= 200);
          if (result === DefragResult.Complete) assert.ok(p.capLen <= 65535 + 40);
        }
        now += 1000;
        defrag.tick(now);
        assert.deepEqual([defrag.active, defrag.memuse, defrag.fragments], [0, 0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});
