import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DecodeEvent } from '../../src/decode/events.js';
import { IpProto, Packet } from '../../src/decode/packet.js';
import { Key, L4 } from '../../src/flow/flow-table.js';
import { StreamEvent } from '../../src/stream/events.js';
import { Bench, hits, type PacketSpec, packet, rules } from '../support/detect.js';

/** Whether the rule's options match a packet that `change` has worked on. */
function matches(options: string, change: (p: Packet) => void, spec: PacketSpec = {}, proto = 'ip'): boolean {
  const bench = new Bench(rules(`alert ${proto} any any -> any any (${options})`));
  const p = packet(spec);
  change(p);
  const found = bench.sids(p) !== '';
  assert.deepEqual(bench.detector.broken, []);
  bench.detector.close();
  return found;
}

const TCP: PacketSpec = { proto: IpProto.Tcp, dport: 80 };

/** A packet whose bytes are these, with the transport header at 0. */
function bytes(values: number[]): (p: Packet) => void {
  return (p) => {
    p.mem = Uint8Array.from(values);
    p.ipOff = 0;
    p.off = 0;
    p.capLen = values.length;
  };
}

test('IP header fields', () => {
  const set = (p: Packet) => {
    p.tos = 0x88;
    p.ipId = 0xffff;
    p.fragOffset = 16;
  };
  assert.equal(matches('tos:x88; id:65535; fragoffset:2;', set), true);
  assert.equal(matches('tos:!136;', set), false);
  assert.equal(matches('id:65535;', set, { src: '::1', dst: '::2' }), false);
  assert.equal(
    matches('ttl:!60-70;', () => {}),
    false,
  );
  assert.equal(
    matches('ttl:!64-70;', () => {}),
    true,
  );
  assert.equal(
    matches('ttl:&0x40=0x40;', () => {}),
    true,
  );
  assert.equal(
    matches('sameip;', () => {}, { src: '10.0.0.1', dst: '10.0.0.1' }),
    true,
  );
  assert.equal(
    matches('sameip;', () => {}, { src: 'fd00::1', dst: 'fd00::2' }),
    false,
  );
  assert.equal(
    matches('l3_proto:ip6;', () => {}, { src: 'fd00::1', dst: 'fd00::2' }),
    true,
  );
  assert.equal(
    matches('l3_proto:ipv6;', () => {}),
    false,
  );
});

test('fragment bits and IP options are read from the header', () => {
  const header =
    (six: number, options: number[] = []) =>
    (p: Packet) => {
      bytes([0x45 + options.length / 4, 0, 0, 0, 0, 0, six, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...options])(p);
      p.ipHeaderLen = 20 + options.length;
    };
  assert.equal(matches('fragbits:M;', header(0x20)), true);
  assert.equal(matches('fragbits:M;', header(0x60)), false);
  assert.equal(matches('fragbits:M+;', header(0x60)), true);
  assert.equal(matches('fragbits:!M;', header(0x40)), true);
  assert.equal(matches('fragbits:*DR;', header(0x80)), true);
  for (const [name, type] of Object.entries({ rr: 7, ts: 68, sec: 130, lsrr: 131, esec: 133, satid: 136, ssrr: 137 })) {
    assert.equal(matches(`ipopts:${name};`, header(0, [1, type, 3, 0])), true, name);
    assert.equal(matches(`ipopts:${name};`, header(0, [0, type, 3, 0])), false, name);
  }
  assert.equal(matches('ipopts:nop;', header(0, [1, 0, 0, 0])), true);
  assert.equal(matches('ipopts:eol;', header(0, [1, 0, 0, 0])), true);
  assert.equal(matches('ipopts:any;', header(0, [148, 4, 0, 0])), true);
  assert.equal(matches('ipopts:any;', header(0)), false);
});

test('TCP numbers and options', () => {
  const numbers = (p: Packet) => {
    p.tcpSeq = -1;
    p.tcpAck = -0x80000000;
    p.tcpWindow = 55808;
  };
  assert.equal(matches('seq:4294967295; ack:>2147483647; window:55808;', numbers, TCP, 'tcp'), true);
  assert.equal(matches('seq:&0x80000000=0x80000000;', numbers, TCP, 'tcp'), true);
  assert.equal(matches('seq:<5;', numbers, TCP, 'tcp'), false);
  const options = (list: number[]) => (p: Packet) => {
    bytes([...new Array(20).fill(0), ...list])(p);
    p.tcpHeaderLen = 20 + list.length;
  };
  assert.equal(matches('tcp.mss:536;', options([1, 1, 2, 4, 2, 0x18]), TCP, 'tcp'), true);
  assert.equal(matches('tcp.mss:<536;', options([2, 4, 2, 0x18]), TCP, 'tcp'), false);
  assert.equal(matches('tcp.wscale:7;', options([2, 4, 2, 0x18, 3, 3, 7, 0]), TCP, 'tcp'), true);
  assert.equal(matches('tcp.wscale:!7;', options([0, 3, 3, 9]), TCP, 'tcp'), false);
});

test('whatever TCP options hold, reading them ends within the header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (list) => {
      const p = packet(TCP);
      bytes([...new Array(20).fill(0), ...list])(p);
      p.tcpHeaderLen = 20 + list.length;
      const reads: number[] = [];
      p.mem = new Proxy(p.mem, {
        get: (t, key) => {
          const n = Number(key);
          if (Number.isInteger(n)) reads.push(n);
          return Reflect.get(t, key);
        },
      });
      const bench = new Bench(rules('alert tcp any any -> any any (tcp.mss:>0;)', 'alert tcp any any -> any any (tcp.wscale:>0;)'));
      bench.sids(p);
      bench.detector.close();
      assert.ok(reads.every((n) => n < 20 + list.length));
    }),
  );
});

test('ICMP identifiers, sequence numbers, MTU', () => {
  const echo = bytes([8, 0, 0, 0, 1, 0x2c, 0, 5]);
  const icmp: PacketSpec = { proto: IpProto.Icmp, itype: 8 };
  assert.equal(matches('icmp_id:300; icmp_seq:5;', echo, icmp, 'icmp'), true);
  assert.equal(matches('icmp_id:300;', echo, { ...icmp, itype: 3 }, 'icmp'), false);
  assert.equal(matches('icmp_id:300;', echo, { proto: IpProto.IcmpV6, itype: 128, src: '::1', dst: '::2' }, 'icmp'), true);
  const big = bytes([2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  assert.equal(matches('icmpv6.mtu:4294967295;', big, { proto: IpProto.IcmpV6, itype: 2, src: '::1', dst: '::2' }, 'icmpv6'), true);
  assert.equal(matches('icmpv6.mtu:<1280;', big, { proto: IpProto.IcmpV6, itype: 1, src: '::1', dst: '::2' }, 'icmpv6'), false);
});

test('VLAN tags by layer', () => {
  const tags =
    (...ids: number[]) =>
    (p: Packet) => {
      [p.vlan0, p.vlan1, p.vlan2] = [ids[0] ?? 0, ids[1] ?? 0, ids[2] ?? 0];
      p.vlanDepth = ids.length;
    };
  assert.equal(matches('vlan.layers:0;', tags()), true);
  assert.equal(matches('vlan.id:0;', tags()), false);
  assert.equal(matches('vlan.id:20;', tags(10, 20)), true);
  assert.equal(matches('vlan.id:20,0;', tags(10, 20)), false);
  assert.equal(matches('vlan.id:20,-1;', tags(10, 20)), true);
  assert.equal(matches('vlan.id:20,2;', tags(10, 20)), false);
  assert.equal(matches('vlan.id:>5,all;', tags(10, 20)), true);
  assert.equal(matches('vlan.id:>15,all;', tags(10, 20)), false);
});

test('counts of the flow, its age, bytes by sequence numbers', () => {
  const run = (options: string) => {
    const bench = new Bench(rules(`alert tcp any any -> any any (${options})`));
    bench.flows.pktsTs[1] = 10;
    bench.flows.pktsTc[1] = 3;
    bench.flows.bytesTs[1] = 5e9;
    bench.flows.key[Key.Words + Key.StartSec] = 990;
    bench.flows.l4.set([-10, 100, 90, 150], L4.Words);
    const found = bench.sids(packet({ ...TCP, flow: 1, sec: 1000 })) !== '';
    assert.equal(bench.sids(packet({ ...TCP, flow: -1, sec: 1000 })), '', 'without a flow');
    bench.detector.close();
    return found;
  };
  assert.equal(run('flow.pkts:toserver,10;'), true);
  assert.equal(run('flow.pkts:both,>5;'), false);
  assert.equal(run('flow.pkts:either,>5;'), true);
  assert.equal(run('flow.bytes_toserver:>4294967295;'), true);
  assert.equal(run('flow.bytes:toclient,0;'), true);
  assert.equal(run('flow.age:10;'), true);
  assert.equal(run('flow.age:>10;'), false);
  assert.equal(run('stream_size:client,=,100;'), true);
  assert.equal(run('stream_size:server,<,51;'), true);
  assert.equal(run('stream_size:both,>,60;'), false);
  assert.equal(run('stream_size:either,>,60;'), true);
});

test('checksums', () => {
  const wrong = (p: Packet) => {
    p.csumInvalid = 1;
    p.addEvent(DecodeEvent.TcpInvalidChecksum);
  };
  assert.equal(matches('tcpv4-csum:invalid;', wrong, TCP), true);
  assert.equal(matches('tcpv4-csum:valid;', wrong, TCP), false);
  assert.equal(matches('ipv4-csum:valid;', wrong, TCP), true);
  assert.equal(matches('tcpv6-csum:invalid;', wrong, TCP), false);
  assert.equal(
    matches('tcpv4-csum:valid;', () => {}, TCP),
    true,
  );
  assert.equal(
    matches('udpv4-csum:valid;', () => {}, TCP),
    false,
  );
});

test('rules on events are found by the event, and cost nothing without', () => {
  const bench = new Bench(
    rules(
      'alert pkthdr any any -> any any (decode-event:ipv4.trunc_pkt;)',
      'alert tcp any any -> any any (stream-event:est_syn_resend;)',
      'alert tcp any any -> any 81 (stream-event:est_syn_resend;)',
      'alert pkthdr any any -> any any (decode-event:ipv4.trunc_pkt; decode-event:ipv6.trunc_pkt;)',
      'alert tcp any any -> any any (content:"x"; stream-event:fin_syn;)',
      'alert tcp any any -> any any (stream-event:reassembly_seq_gap;)',
    ),
  );
  assert.equal(bench.sids(packet(TCP)), '');
  const p = packet({ notIp: true, invalid: 1 });
  p.addEvent(DecodeEvent.Ipv4TruncPkt);
  assert.equal(bench.sids(p), '1');
  p.addEvent(DecodeEvent.Ipv6TruncPkt);
  p.addEvent(DecodeEvent.Ipv4TruncPkt);
  assert.equal(bench.sids(p), '1 4');
  const tcp = packet({ ...TCP, payload: 'axb' });
  tcp.addStreamEvent(StreamEvent.EstSynResend);
  assert.equal(bench.sids(tcp), '2');
  tcp.addStreamEvent(StreamEvent.FinSyn);
  tcp.addStreamEvent(StreamEvent.ReassemblySeqGap);
  assert.equal(bench.sids(tcp), '2 5 6');
  assert.equal(bench.detector.broken.length, 0);
  bench.detector.close();
});

test('a packet keeps a bounded number of events', () => {
  const p = new Packet();
  for (let i = 0; i < 100; i++) {
    p.addEvent(DecodeEvent.Ipv4OptUnknown);
    p.addStreamEvent(StreamEvent.FinSyn);
  }
  assert.equal(p.eventCount, p.events.length);
  assert.equal(p.streamEventCount, p.streamEvents.length);
  assert.equal(hits('alert ip any any -> any any (dsize:!3;)', { payload: 'abc' }), false);
});
