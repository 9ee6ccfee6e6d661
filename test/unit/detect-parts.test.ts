import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto, Buffers } from '../../src/app-layer/buffers.js';
import { IpProto, Packet } from '../../src/decode/packet.js';
import { literalOf } from '../../src/detect/literal.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { Bench, buffers, hits, packet, rules } from '../support/detect.js';

const MEMORY = new ArrayBuffer(4096);
const BYTES = new Uint8Array(MEMORY);
const REGION = native.region(MEMORY);

/** Ethernet, IPv4 10.0.0.1 -> 192.168.1.2, TCP with four bytes of options, "hello". */
function frame(): Packet {
  const ether = Buffer.from('0a0b0c0d0e0f111213141516' + '0800', 'hex');
  const ip = Buffer.from('450000311234400040060000' + '0a000001' + 'c0a80102', 'hex');
  const tcp = Buffer.from('04d2005000000001000000026010ffff00000000' + '020405b4', 'hex');
  const bytes = Buffer.concat([ether, ip, tcp, Buffer.from('hello')]);
  BYTES.fill(0x41).set(bytes, 16);
  const p = new Packet();
  Object.assign(p, { mem: BYTES, region: REGION, off: 16, capLen: bytes.length, wireLen: bytes.length, ethOff: 16, etherType: 0x800 });
  Object.assign(p, {
    ipVersion: 4,
    ipOff: 30,
    ipHeaderLen: 20,
    ipLen: 49,
    ttl: 64,
    proto: IpProto.Tcp,
    transportOff: 50,
    tcpHeaderLen: 24,
  });
  Object.assign(p, { srcPort: 1234, dstPort: 80, tcpFlags: 0x10, payloadOff: 74, payloadLen: 5 });
  return p;
}

const matches = (options: string, proto = 'ip', p = frame()): boolean => {
  const bench = new Bench(rules(`alert ${proto} any any -> any any (${options})`));
  const found = bench.sids(p) !== '';
  assert.deepEqual(bench.detector.broken, []);
  bench.detector.close();
  return found;
};

describe('parts of the packet as buffers', () => {
  const cases: [options: string, matches: boolean][] = [
    ['ipv4.hdr; content:"|45 00 00 31|"; startswith;', true],
    ['ipv4.hdr; content:"|c0 a8 01 02|"; endswith;', true],
    ['ipv4.hdr; content:"|04 d2|";', false],
    ['ipv6.hdr; content:!"zz";', false],
    ['tcp.hdr; content:"|04 d2 00 50|"; startswith; content:"|02 04 05 b4|"; endswith;', true],
    ['tcp.hdr; content:"hello";', false],
    ['udp.hdr; content:!"zz";', false],
    ['icmpv4.hdr; content:!"zz";', false],
    ['icmpv6.hdr; content:!"zz";', false],
    ['igmp.hdr; content:!"zz";', false],
    ['ether.hdr; content:"|08 00|"; endswith; content:"|0a 0b|"; startswith;', true],
    ['ip.src; content:"|0a 00 00 01|"; startswith; endswith;', true],
    ['ip.dst; content:"|c0 a8 01 02|"; startswith; endswith;', true],
    ['tcp.hdr; content:"|04 d2|"; pkt_data; content:"hello";', true],
    ['tcp.hdr; content:"|04 d3|"; pkt_data; content:"hello";', false],
    ['tcp.hdr; pcre:"/^\\x04\\xd2/";', true],
    ['pkt_data; to_uppercase; content:"HELLO";', true],
    ['pkt_data; to_uppercase; content:"hello";', false],
    ['content:"hello"; pkt_data; to_md5; content:"|5d 41 40 2a bc 4b 2a 76 b9 71 9d 91 10 17 c5 92|";', true],
    ['pkt_data; dotprefix; content:".hello"; startswith; endswith;', true],
    ['pkt_data; dotprefix; pcre:"/^.hello$/";', true],
    ['ip.src; to_md5; content:!"zz";', true],
  ];
  for (const [options, expected] of cases) it(options, () => assert.equal(matches(options), expected));

  it('ICMP headers end where the packet does', () => {
    const p = frame();
    Object.assign(p, { proto: IpProto.Icmp, icmpType: 13, ipLen: 26 });
    assert.equal(matches('icmpv4.hdr; bsize:6;', 'ip', p), true);
    Object.assign(p, { ipLen: 49 });
    assert.equal(matches('icmpv4.hdr; bsize:20;', 'ip', p), true);
    Object.assign(p, { icmpType: 8 });
    assert.equal(matches('icmpv4.hdr; bsize:8;', 'ip', p), true);
  });

  it('neither a header nor what a transform makes is looked for by literal', () => {
    const of = (options: string) => literalOf(rules(`alert tcp any any -> any any (${options})`)[0]);
    assert.equal(of('tcp.hdr; content:"abcdef";'), null);
    assert.equal(of('ftp.command; to_md5; content:"abcdef";'), null);
    assert.equal(of('tcp.hdr; content:"abcdef"; pkt_data; content:"xy";')?.bytes.length, 2);
  });
});

describe('rules that wait', () => {
  it('are asked by no packet and no transaction', () => {
    const set = rules(
      'alert smb any any -> any any (content:"hello"; sid:1;)',
      'alert tcp any any -> any any (smb.share; content:"a"; sid:2;)',
      'alert tcp any any -> any any (app-layer-protocol:!smb; sid:3;)',
      'alert krb5 any any -> any any (krb5.cname; content:!"a"; sid:4;)',
      'alert tcp any any -> any any (content:"hello"; sid:5;)',
    );
    assert.deepEqual(
      set.map((r) => r.inert),
      ['smb', 'smb', 'smb', 'krb5', undefined],
    );
    const bench = new Bench(set);
    assert.equal(bench.sids(frame()), '5');
    const p = packet({ proto: IpProto.Tcp, appProto: AppProto.Ftp, flow: 0, established: 1, dport: 21, payload: 'hello' });
    assert.equal(bench.transaction(p, buffers({ 'ftp.command': 'USER' })), '');
    assert.equal(bench.counters[Counter.RulesEvaluated], 1);
    assert.deepEqual(bench.detector.broken, []);
  });
});

describe('transforms of a transaction', () => {
  const ftp = () => packet({ proto: IpProto.Tcp, appProto: AppProto.Ftp, flow: 0, established: 1, dport: 21, payload: 'x' });
  it('each transaction has its own', () => {
    const bench = new Bench(
      rules(
        'alert ftp any any -> any any (ftp.command_data; to_lowercase; content:"bob"; sid:1;)',
        'alert ftp any any -> any any (ftp.command; content:"USER"; ftp.command_data; to_lowercase; dotprefix; content:".bob"; sid:2;)',
        'alert ftp any any -> any any (ftp.command_data; to_lowercase; content:!"bob"; sid:3;)',
      ),
    );
    assert.equal(bench.transaction(ftp(), buffers({ 'ftp.command': 'USER', 'ftp.command_data': 'BoB' })), '1 2');
    assert.equal(bench.transaction(ftp(), buffers({ 'ftp.command': 'PASS', 'ftp.command_data': 'Bob' })), '1');
    assert.equal(bench.transaction(ftp(), buffers({ 'ftp.command': 'USER', 'ftp.command_data': 'eve' })), '3');
    assert.equal(bench.transaction(ftp(), new Buffers()), '');
    assert.deepEqual(bench.detector.broken, []);
  });

  it('app-layer-protocol', () => {
    const is = (options: string, appProto: number) =>
      hits(`alert tcp any any -> any any (content:"x"; ${options} sid:1;)`, { proto: IpProto.Tcp, flow: 0, payload: 'x', appProto });
    assert.equal(is('app-layer-protocol:ftp;', AppProto.Ftp), true);
    assert.equal(is('app-layer-protocol:ftp;', AppProto.Failed), false);
    assert.equal(is('app-layer-protocol:!ftp;', AppProto.Ftp), false);
    assert.equal(is('app-layer-protocol:!ftp;', AppProto.Failed), true);
    assert.equal(is('app-layer-protocol:!ftp;', AppProto.Unknown), false);
  });
});
