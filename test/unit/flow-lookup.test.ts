import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IpProto, type Packet } from '../../src/decode/packet.js';
import { FlowFlag, FlowState, NoFlow } from '../../src/flow/codes.js';
import { Key, L4 } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { A, newTable, type PacketFields, packet, reverse, S, START } from './flow-fixture.js';

const UDP: PacketFields = { sport: 1000, dport: 53 };

test('both directions meet in one flow, the first packet is to the server', () => {
  const { flows, counters } = newTable();
  const p = packet({ ...UDP, wire: 60, sec: START, nsec: 5 });
  const slot = flows.lookup(p);
  assert.ok(slot >= 0);
  assert.deepEqual([p.flow, p.direction, p.flowNew, p.established], [slot, 0, 1, 0]);
  const answer = packet({ ...reverse(UDP), wire: 500, sec: START + 1, nsec: 7 });
  assert.equal(flows.lookup(answer), slot);
  assert.deepEqual([answer.flow, answer.direction, answer.flowNew, answer.established], [slot, 1, 0, 1]);
  assert.equal(flows.state[slot], FlowState.Established);
  assert.deepEqual([flows.pktsTs[slot], flows.pktsTc[slot], flows.bytesTs[slot], flows.bytesTc[slot]], [1, 1, 60, 500]);
  assert.deepEqual([flows.srcPort(slot), flows.dstPort(slot), flows.proto(slot), flows.ipVersion(slot)], [1000, 53, 17, 4]);
  assert.equal(flows.key[slot * Key.Words + Key.StartSec], START);
  assert.equal(flows.key[slot * Key.Words + Key.StartNsec], 5);
  assert.deepEqual([flows.lastSec[slot], flows.lastNsec[slot]], [START + 1, 7]);
  assert.deepEqual([counters[Counter.FlowsTotal], counters[Counter.FlowsUdp], counters[Counter.FlowsActive]], [1, 1, 1]);
});

test('packets in one direction do not establish a flow', () => {
  const { flows } = newTable();
  for (let i = 0; i < 5; i++) flows.lookup(packet(UDP));
  const p = packet(UDP);
  const slot = flows.lookup(p);
  assert.deepEqual([p.established, flows.state[slot], flows.pktsTs[slot]], [0, FlowState.New, 6]);
});

test('what the key tells apart', () => {
  const { flows } = newTable();
  const six = { version: 6, src: [0x20010db8, 0, 0, 1], dst: [0x20010db8, 0, 0, 2] };
  const different: PacketFields[] = [
    UDP,
    { ...UDP, sport: 1001 },
    { ...UDP, dport: 54 },
    { ...UDP, src: 0x0a000003 },
    { ...UDP, dst: -0x3f57fffe },
    { ...UDP, proto: IpProto.Tcp },
    { ...UDP, proto: IpProto.Sctp },
    { ...UDP, vlans: [10] },
    { ...UDP, vlans: [11] },
    { ...UDP, vlans: [10, 20] },
    { ...UDP, vlans: [20, 10] },
    { ...UDP, vlans: [10, 20, 30] },
    { ...UDP, depth: 1 },
    { ...UDP, version: 6 },
    { ...UDP, ...six },
    { ...UDP, ...six, src: [0x20010db8, 0, 1, 1] },
    { ...UDP, ...six, src: [0x20010db8, 1, 0, 1] },
    { ...UDP, ...six, dst: [0x20010db8, 0, 0, 3] },
    // The ends crossed, not exchanged.
    { ...UDP, sport: 53, dport: 1000 },
  ];
  const slots = different.map((f) => flows.lookup(packet(f)));
  assert.equal(new Set(slots).size, different.length);
  different.forEach((f, i) => {
    assert.equal(flows.lookup(packet(reverse(f))), slots[i], `answer to ${JSON.stringify(f)}`);
  });
});

test('vlan.use-for-tracking off: tags do not part flows, but are kept', () => {
  const { flows } = newTable({ vlanUse: false });
  const slot = flows.lookup(packet({ ...UDP, vlans: [10, 20] }));
  assert.equal(flows.lookup(packet({ ...reverse(UDP), vlans: [30] })), slot);
  assert.deepEqual([flows.vlanDepth[slot], flows.vlan(slot, 0), flows.vlan(slot, 1)], [2, 10, 20]);
});

test('any tuple and its reverse are one flow, whatever the seed', () => {
  const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  const port = fc.integer({ min: 0, max: 65535 });
  const address = fc.tuple(word, word, word, word);
  fc.assert(
    fc.property(
      address,
      address,
      port,
      port,
      fc.constantFrom(4, 6),
      fc.constantFrom(6, 17, 132),
      word,
      (a, b, sport, dport, version, proto, s) => {
        const { flows } = newTable({ memcap: 1 << 16, hashSize: 16 }, { seed: Int32Array.of(s, s ^ 7, s + 1, s ^ 99, s, s, s, s) });
        const cut = version === 4 ? 1 : 4;
        const f = { src: a.slice(0, cut), dst: b.slice(0, cut), sport, dport, version, proto };
        const first = packet(f);
        const slot = flows.lookup(first);
        assert.ok(slot >= 0);
        const answer = packet(reverse(f));
        assert.equal(flows.lookup(answer), slot);
        const symmetric = sport === dport && f.src.every((w, i) => w === f.dst[i]);
        assert.equal(answer.direction, symmetric ? 0 : 1);
        assert.equal(flows.active, 1);
      },
    ),
  );
});

test('ICMP: an answer meets its query, other types are flows of one direction', () => {
  const { flows, counters } = newTable();
  const pairs: [number, number, number][] = [
    [IpProto.Icmp, 8, 0],
    [IpProto.Icmp, 13, 14],
    [IpProto.IcmpV6, 128, 129],
    [IpProto.IcmpV6, 135, 136],
  ];
  for (const [proto, query, answer] of pairs) {
    const slot = flows.lookup(packet({ proto, icmp: [query, 0] }));
    const p = packet(reverse({ proto, icmp: [answer, 0] }));
    assert.equal(flows.lookup(p), slot);
    assert.deepEqual([p.direction, p.established], [1, 1]);
    assert.equal(flows.l4[slot * L4.Words + L4.Icmp], query << 8);
    assert.equal(flows.l4[slot * L4.Words + L4.IcmpAnswer], answer << 8);
  }
  const one = flows.lookup(packet({ proto: IpProto.IcmpV6, icmp: [1, 4] }));
  assert.notEqual(flows.lookup(packet(reverse({ proto: IpProto.IcmpV6, icmp: [1, 4] }))), one);
  assert.notEqual(flows.lookup(packet({ proto: IpProto.IcmpV6, icmp: [1, 3] })), one);
  assert.equal(flows.l4[one * L4.Words + L4.IcmpAnswer], -1);
  assert.equal(counters[Counter.FlowsIcmp], 7);
});

/** An ICMPv4 error from 10.9.9.9 quoting a packet 10.0.0.1:1000 -> 10.0.0.2:53. */
function unreachable(quoted: number[], type = 3): Packet {
  const p = packet({ proto: IpProto.Icmp, src: 0x0a090909, dst: 0x0a000001, icmp: [type, 3], wire: 70 });
  p.mem = Uint8Array.from([type, 3, 0, 0, 0, 0, 0, 0, ...quoted]);
  p.ipOff = 0;
  p.ipLen = p.mem.length;
  p.transportOff = 0;
  return p;
}
const QUOTED = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1000 >> 8, 1000 & 255, 0, 53, 0, 8, 0, 0];

test('an ICMPv4 error joins the flow it tells of, and makes none', () => {
  const { flows } = newTable();
  assert.equal(flows.lookup(unreachable(QUOTED)), NoFlow.NotWanted);
  assert.equal(flows.active, 0);
  const slot = flows.lookup(packet(UDP));
  const p = unreachable(QUOTED);
  assert.equal(flows.lookup(p), slot);
  assert.deepEqual([p.direction, p.established, flows.pktsTc[slot], flows.state[slot]], [1, 0, 1, FlowState.New]);
  assert.equal(flows.flags[slot] & FlowFlag.SeenTc, 0, 'an error is no answer');
  assert.equal(flows.lookup(unreachable(QUOTED, 11)), NoFlow.NotWanted, 'time exceeded');
  for (let length = 0; length < 24; length++) {
    const cut = unreachable(QUOTED.slice(0, length));
    assert.equal(flows.lookup(cut), NoFlow.NotWanted, `quoted ${length} bytes`);
    assert.equal(cut.flow, -1);
  }
  const beyond = unreachable([...QUOTED]);
  beyond.ipLen = 4000;
  assert.equal(flows.lookup(beyond), slot, 'ipLen beyond the memory is cut');
  const options = unreachable([0x4f, ...QUOTED.slice(1)]);
  assert.equal(flows.lookup(options), NoFlow.NotWanted, 'quoted header longer than what is there');
});

test('protocols without flows', () => {
  const { flows } = newTable();
  for (const proto of [2, 47, 89, 4]) {
    const p = packet({ proto });
    assert.equal(flows.lookup(p), NoFlow.NotWanted);
    assert.equal(p.flow, -1);
  }
  assert.ok(flows.lookup(packet({ proto: IpProto.Esp })) >= 0);
  assert.equal(flows.active, 1);
});

test('a SYN+ACK first: its receiver is the client, where such sessions are picked up', () => {
  for (const reverseSynAck of [0, 1]) {
    const { flows } = newTable();
    flows.reverseSynAck = reverseSynAck;
    const p = packet({ proto: IpProto.Tcp, sport: 80, dport: 40000, flags: S | A });
    const slot = flows.lookup(p);
    assert.equal(p.direction, reverseSynAck);
    assert.equal(flows.srcPort(slot), reverseSynAck === 1 ? 40000 : 80);
    const back = packet(reverse({ proto: IpProto.Tcp, sport: 80, dport: 40000, flags: A }));
    assert.equal(flows.lookup(back), slot);
    assert.equal(back.direction, reverseSynAck ^ 1);
  }
});

test('a SYN+ACK that netfilter rules chose: its receiver is the client, whatever the table says', () => {
  const { flows } = newTable();
  const p = packet({ proto: IpProto.Tcp, sport: 80, dport: 40000, flags: S | A, selective: 1 });
  assert.equal(flows.srcPort(flows.lookup(p)), 40000);
  assert.equal(p.direction, 1);
});

test('a new flow has nothing of the application layer and the answers of the flow before it in its slot', () => {
  const { flows } = newTable();
  const first = flows.lookup(packet({ sport: 1 }));
  flows.appProto[first] = 2;
  flows.appProbe[first] = 255;
  flows.appState[first] = 7;
  flows.answers[first] = 99;
  flows.endAll();
  const second = flows.lookup(packet({ sport: 2 }));
  assert.equal(second, first);
  assert.deepEqual([flows.appProto[second], flows.appProbe[second], flows.appState[second], flows.answers[second]], [0, 0, 0, 0]);
});

test('flow ids are unique over slots used again and over threads, and safe integers', () => {
  const seen = new Set<number>();
  for (const thread of [0, 1, 127]) {
    const { flows, ends } = newTable({}, { thread });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 1000; i++) flows.lookup(packet({ ...UDP, sport: i }));
      flows.endAll();
    }
    for (const { id } of ends.list) {
      assert.ok(Number.isSafeInteger(id) && id >= 0 && id < 2 ** 53);
      seen.add(id);
    }
  }
  assert.equal(seen.size, 3 * 3000);
});

test('time within a flow does not go back for reordered packets', () => {
  const { flows } = newTable();
  const slot = flows.lookup(packet({ ...UDP, sec: START, nsec: 500 }));
  flows.lookup(packet({ ...UDP, sec: START, nsec: 100 }));
  assert.deepEqual([flows.lastSec[slot], flows.lastNsec[slot]], [START, 500]);
  flows.lookup(packet({ ...UDP, sec: START - 5 }));
  assert.equal(flows.lastSec[slot], START);
});
