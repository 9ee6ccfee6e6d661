import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpProto, TcpFlag } from '../../src/decode/packet.js';
import { hits, type PacketSpec } from '../support/detect.js';

const { Tcp, Udp, Icmp, IcmpV6, Sctp, Gre } = IpProtoNumbers();

/** [rule without the action, packet, matches]. */
const CASES: [string, PacketSpec, boolean][] = [
  // protocol
  ['ip any any -> any any ()', { proto: Gre }, true],
  ['ip any any -> any any ()', { notIp: true }, false],
  ['ip any any -> any any ()', { invalid: 1 }, false],
  ['pkthdr any any -> any any ()', { notIp: true }, true],
  ['pkthdr any any -> any any ()', { proto: Udp }, true],
  ['ipv4 any any -> any any ()', { src: '10.0.0.1' }, true],
  ['ipv6 any any -> any any ()', { src: '10.0.0.1' }, false],
  ['ipv6 any any -> any any ()', { src: 'fd00::1', dst: 'fd00::2' }, true],
  ['tcp any any -> any any ()', { proto: Udp }, false],
  ['tcp-pkt any any -> any any ()', { proto: Tcp }, true],
  ['icmp any any -> any any ()', { proto: IcmpV6 }, true],
  ['icmpv4 any any -> any any ()', { proto: IcmpV6 }, false],
  ['icmpv6 any any -> any any ()', { proto: IcmpV6 }, true],
  ['sctp any any -> any 80 ()', { proto: Sctp, dport: 80 }, true],
  // ports
  ['udp any any -> any 53 ()', { dport: 53 }, true],
  ['udp any any -> any 53 ()', { dport: 54 }, false],
  ['udp any 53 -> any any ()', { dport: 53 }, false],
  ['udp any any -> any !53 ()', { dport: 53 }, false],
  ['udp any any -> any [1,3,5,7,9,11,13,15:20] ()', { dport: 17 }, true],
  ['udp any any -> any [1,3,5,7,9,11,13,15:20] ()', { dport: 14 }, false],
  ['ip any any -> any 0 ()', { proto: Gre }, false],
  ['ip any any -> any 0 ()', { proto: Icmp, itype: 0, icode: 0 }, false],
  ['udp any any -> any 0 ()', { fragment: true }, false],
  ['udp any any -> any any ()', { fragment: true }, true],
  ['udp any any <> any 53 ()', { sport: 53, dport: 9 }, true],
  ['udp any any <> any 53 ()', { sport: 9, dport: 53 }, true],
  ['udp any any <> any 53 ()', { sport: 9, dport: 9 }, false],
  // addresses
  ['udp 10.0.0.0/8 any -> any any ()', { src: '10.255.255.255' }, true],
  ['udp 10.0.0.0/8 any -> any any ()', { src: '11.0.0.0' }, false],
  ['udp 200.0.0.0/7 any -> any any ()', { src: '201.1.2.3' }, true],
  ['udp any any -> 192.0.2.1 any ()', { dst: '192.0.2.1' }, true],
  ['udp any any -> 192.0.2.1 any ()', { dst: '192.0.2.2' }, false],
  ['udp [1.2.3.4-1.2.3.9,200.0.0.1,fd00::/16] any -> any any ()', { src: '1.2.3.9' }, true],
  ['udp [1.2.3.4-1.2.3.9,200.0.0.1,fd00::/16] any -> any any ()', { src: '1.2.3.10' }, false],
  ['udp [1.2.3.4-1.2.3.9,200.0.0.1,fd00::/16] any -> any any ()', { src: '200.0.0.1' }, true],
  ['udp [1.2.3.4-1.2.3.9,200.0.0.1,fd00::/16] any -> any any ()', { src: 'fd00:ffff::1', dst: 'fd00::1' }, true],
  ['udp [1.2.3.4-1.2.3.9,200.0.0.1,fd00::/16] any -> any any ()', { src: 'fd01::', dst: 'fd00::1' }, false],
  ['udp [2001:db8::1-2001:db8::ffff:0:0:1] any -> any any ()', { src: '2001:db8:0:0:8000::', dst: 'fd00::1' }, true],
  ['udp [2001:db8::1-2001:db8::ffff:0:0:1] any -> any any ()', { src: '2001:db8::', dst: 'fd00::1' }, false],
  ['udp [2001:db8::1-2001:db8::ffff:0:0:1] any -> any any ()', { src: '2001:db8::ffff:0:0:2', dst: 'fd00::1' }, false],
  ['udp 1.2.3.4 any -> any any ()', { src: 'fd00::1', dst: 'fd00::1' }, false],
  ['udp $EXTERNAL_NET any -> $HOME_NET any ()', { src: '192.0.2.1', dst: '10.1.1.1' }, true],
  ['udp $EXTERNAL_NET any -> $HOME_NET any ()', { src: '10.1.1.1', dst: '10.1.1.1' }, false],
  ['udp 10.0.0.1 any <> 192.0.2.1 53 ()', { src: '192.0.2.1', dst: '10.0.0.1', sport: 53, dport: 9 }, true],
  ['udp 10.0.0.1 any <> 192.0.2.1 53 ()', { src: '192.0.2.1', dst: '10.0.0.1', sport: 9, dport: 53 }, false],
  // numbers
  ['udp any any -> any any (dsize:3;)', { payload: 'abc' }, true],
  ['udp any any -> any any (dsize:0;)', { payload: '' }, true],
  ['udp any any -> any any (dsize:!3;)', { payload: 'abc' }, false],
  ['udp any any -> any any (dsize:>2;)', { payload: 'abc' }, true],
  ['udp any any -> any any (dsize:3<>5;)', { payload: 'abc' }, false],
  ['udp any any -> any any (dsize:3<>5;)', { payload: 'abcd' }, true],
  ['udp any any -> any any (dsize:3<>5;)', { payload: 'abcde' }, false],
  ['udp any any -> any any (ttl:64;)', { ttl: 64 }, true],
  ['udp any any -> any any (ttl:<64;)', { ttl: 64 }, false],
  ['icmp any any -> any any (itype:8;)', { proto: Icmp, itype: 8 }, true],
  ['icmp any any -> any any (itype:8;)', { proto: Icmp, itype: 0 }, false],
  ['icmp any any -> any any (itype:>10;)', { proto: IcmpV6, itype: 128 }, true],
  ['icmp any any -> any any (icode:1;)', { proto: Icmp, itype: 3, icode: 1 }, true],
  ['ip any any -> any any (itype:0;)', { proto: Udp }, false],
  ['ip any any -> any any (ip_proto:47;)', { proto: Gre }, true],
  ['ip any any -> any any (ip_proto:!47;)', { proto: Gre }, false],
  ['ip any any -> any any (ip_proto:>40;)', { proto: Gre }, true],
  ['ip any any -> any any (ip_proto:17;)', { proto: Tcp }, false],
  // flags
  ['tcp any any -> any any (flags:S;)', { proto: Tcp, flags: TcpFlag.Syn }, true],
  ['tcp any any -> any any (flags:S;)', { proto: Tcp, flags: TcpFlag.Syn | TcpFlag.Ack }, false],
  ['tcp any any -> any any (flags:S+;)', { proto: Tcp, flags: TcpFlag.Syn | TcpFlag.Ack }, true],
  ['tcp any any -> any any (flags:*SF;)', { proto: Tcp, flags: TcpFlag.Fin }, true],
  ['tcp any any -> any any (flags:!S;)', { proto: Tcp, flags: TcpFlag.Ack }, true],
  ['tcp any any -> any any (flags:!S;)', { proto: Tcp, flags: TcpFlag.Syn }, false],
  ['tcp any any -> any any (flags:S,CE;)', { proto: Tcp, flags: TcpFlag.Syn | TcpFlag.Ece | TcpFlag.Cwr }, true],
  ['tcp any any -> any any (flags:0;)', { proto: Tcp, flags: 0 }, true],
  ['tcp any any -> any any (flags:0;)', { proto: Tcp, fragment: true }, false],
  // flow
  ['tcp any any -> any any (flow:to_server;)', { proto: Tcp, flow: 0, direction: 0 }, true],
  ['tcp any any -> any any (flow:to_server;)', { proto: Tcp, flow: 0, direction: 1 }, false],
  ['tcp any any -> any any (flow:to_client;)', { proto: Tcp, flow: 0, direction: 1 }, true],
  ['tcp any any -> any any (flow:to_server;)', { proto: Tcp, flow: -1, direction: 0 }, false],
  ['tcp any any -> any any (flow:established;)', { proto: Tcp, flow: 0, established: 1 }, true],
  ['tcp any any -> any any (flow:established;)', { proto: Tcp, flow: 0, established: 0 }, false],
  ['tcp any any -> any any (flow:established;)', { proto: Tcp, flow: -1, established: 1 }, false],
  ['tcp any any -> any any (flow:not_established;)', { proto: Tcp, flow: 0, established: 0 }, true],
  ['tcp any any -> any any (flow:not_established;)', { proto: Tcp, flow: 0, established: 1 }, false],
  ['tcp any any -> any any (flow:stateless;)', { proto: Tcp, flow: -1 }, true],
  ['udp any any -> any any (flow:only_frag;)', { flow: 0, defragged: 1 }, true],
  ['udp any any -> any any (flow:only_frag;)', { flow: 0, defragged: 0 }, false],
  ['udp any any -> any any (flow:no_frag;)', { flow: 0, defragged: 1 }, false],
];

for (const [rule, spec, expected] of CASES) {
  test(`${rule} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(spec)}`, () => {
    assert.equal(hits(`alert ${rule}`, spec), expected);
  });
}

/** The const enum as values. */
function IpProtoNumbers() {
  return { Tcp: IpProto.Tcp, Udp: IpProto.Udp, Icmp: IpProto.Icmp, IcmpV6: IpProto.IcmpV6, Sctp: IpProto.Sctp, Gre: IpProto.Gre };
}
