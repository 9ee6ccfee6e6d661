import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_ETHERNET, LINK_RAW_IP, UNKNOWN, WorkerHash } from '../../src/flow/symmetric-hash.js';
import { arp, ethernet, fragmentIpv4, fragmentIpv6, icmp4, ipv4, ipv6, tcp, udp } from '../../src/lab/packets.js';

const v4 = fc.ipV4();
const v6 = fc.ipV6();
const port = fc.integer({ min: 0, max: 65535 });
const PAYLOAD = new Uint8Array(64).fill(7);

function transport(kind: string, src: string, dst: string, srcPort: number, dstPort: number, payload = PAYLOAD): Uint8Array {
  return kind === 'tcp' ? tcp({ src, dst, srcPort, dstPort }, payload) : udp({ src, dst, srcPort, dstPort }, payload);
}
function packetOf(kind: string, src: string, dst: string, srcPort: number, dstPort: number): Uint8Array {
  const body = transport(kind, src, dst, srcPort, dstPort);
  const proto = kind === 'tcp' ? 6 : 17;
  return src.includes(':') ? ipv6({ src, dst, nextHeader: proto }, body) : ipv4({ src, dst, proto }, body);
}
const hash = (h: WorkerHash, bytes: Uint8Array, link = LINK_RAW_IP, seconds = 1000) => h.hash(bytes, 0, bytes.length, link, seconds);

test('both directions get the same number, a non-negative int32, on every kind of link', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6)),
      port,
      port,
      fc.constantFrom('tcp', 'udp'),
      fc.integer(),
      ([a, b], x, y, kind, seed) => {
        const h = new WorkerHash(seed | 0);
        const there = packetOf(kind, a, b, x, y);
        const back = packetOf(kind, b, a, y, x);
        const n = hash(h, there);
        assert.ok(Number.isInteger(n) && n >= 0 && n <= 0x7fffffff);
        assert.equal(hash(h, back), n);
        for (let tags = 0; tags <= 3; tags++) {
          const vlans = Array.from({ length: tags }, (_, i) => ({ id: i + 1 }));
          const type = a.includes(':') ? 0x86dd : 0x0800;
          const frame = ethernet({ vlans, etherType: type }, there);
          assert.equal(hash(h, frame, LINK_ETHERNET), n, `${tags} tags`);
        }
      },
    ),
  );
});

test('ports matter for TCP and UDP', () => {
  const h = new WorkerHash();
  const numbers = new Set<number>();
  for (let i = 0; i < 1000; i++) numbers.add(hash(h, packetOf('tcp', '10.0.0.1', '10.0.0.2', 1024 + i, 80)));
  assert.ok(numbers.size >= 999);
});

test('the numbers spread evenly over any number of workers, in low and high bits', () => {
  const h = new WorkerHash(12345);
  for (const workers of [2, 3, 4, 7, 8]) {
    const low = new Array<number>(workers).fill(0);
    const high = new Array<number>(workers).fill(0);
    for (let i = 0; i < 8000; i++) {
      const n = hash(h, packetOf('udp', `10.0.${(i >> 4) & 255}.1`, '192.168.0.1', 4000 + (i & 15), 53));
      low[n % workers]++;
      high[Math.floor((n / 2 ** 31) * workers)]++;
    }
    for (const count of [...low, ...high])
      assert.ok(Math.abs(count - 8000 / workers) < 0.15 * (8000 / workers), `${workers}: ${low} ${high}`);
  }
});

test('not IP is 0', () => {
  assert.equal(hash(new WorkerHash(), arp('10.0.0.1', '10.0.0.2'), LINK_ETHERNET), 0);
  const frame = ethernet({ etherType: 0x88cc }, new Uint8Array(50));
  assert.equal(hash(new WorkerHash(), frame, LINK_ETHERNET), 0);
  assert.equal(new WorkerHash().hash(frame, 0, frame.length, 228, 0), 0);
});

test('all fragments of a datagram get the number of its flow, the first first', () => {
  fc.assert(
    fc.property(v4, v4, port, port, fc.integer({ min: 0, max: 65535 }), (src, dst, x, y, id) => {
      const h = new WorkerHash(9);
      const whole = ipv4({ src, dst, proto: 17, id }, transport('udp', src, dst, x, y));
      const fragments = fragmentIpv4(whole, [24, 48]);
      assert.equal(fragments.length, 3);
      const n = hash(h, whole);
      for (const f of fragments) assert.equal(hash(h, f), n);
    }),
  );
});

test('fragments in any order, some twice, share one number', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 10 }), fc.boolean(), (order, six) => {
      const h = new WorkerHash(9);
      const fragments = six
        ? fragmentIpv6(
            ipv6({ src: '2001:db8::1', dst: '2001:db8::2', nextHeader: 17 }, transport('udp', '2001:db8::1', '2001:db8::2', 5, 6)),
            [16, 32, 48],
            77,
          )
        : fragmentIpv4(
            ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 17, id: 77 }, transport('udp', '10.0.0.1', '10.0.0.2', 5, 6)),
            [16, 32, 48],
          );
      assert.equal(fragments.length, 4);
      const numbers = new Set(order.map((i) => hash(h, fragments[i])));
      assert.equal(numbers.size, 1);
    }),
  );
});

test('IPv6 fragments follow their flow when the first comes first', () => {
  const h = new WorkerHash(1);
  const whole = ipv6({ src: '2001:db8::1', dst: '2001:db8::2', nextHeader: 6 }, transport('tcp', '2001:db8::1', '2001:db8::2', 5, 6));
  const n = hash(h, whole);
  for (const f of fragmentIpv6(whole, [32], 5)) assert.equal(hash(h, f), n);
});

test('a second first fragment with other ports does not part a datagram over two workers', () => {
  const h = new WorkerHash(1);
  const make = (x: number) => ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 17, id: 7 }, transport('udp', '10.0.0.1', '10.0.0.2', x, 53));
  const n = hash(h, make(1));
  for (let x = 1; x < 50; x++) for (const f of fragmentIpv4(make(x), [32])) assert.equal(hash(h, f), n);
});

test('an entry of the past does not hold for ever', () => {
  const h = new WorkerHash(1);
  const whole = ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 17, id: 7 }, transport('udp', '10.0.0.1', '10.0.0.2', 9, 53));
  const [first, last] = fragmentIpv4(whole, [32]);
  const byAddress = hash(h, last);
  assert.equal(hash(h, first), byAddress, 'the later fragment overtook the first');
  assert.equal(hash(h, first, LINK_RAW_IP, 1059), byAddress);
  assert.equal(hash(h, first, LINK_RAW_IP, 1200), hash(h, whole));
});

test('under pressure a later fragment whose datagram was forgotten is UNKNOWN, never a guess', () => {
  const h = new WorkerHash(1);
  const make = (id: number) =>
    fragmentIpv4(ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 17, id }, transport('udp', '10.0.0.1', '10.0.0.2', id, 53)), [32]);
  const numbers = new Map<number, number>();
  for (let id = 0; id < 40_000; id++) numbers.set(id, hash(h, make(id)[0]));
  let unknown = 0;
  for (let id = 0; id < 40_000; id++) {
    const n = hash(h, make(id)[1]);
    if (n === UNKNOWN) unknown++;
    else assert.equal(n, numbers.get(id));
  }
  assert.ok(unknown > 20_000 && unknown < 30_000, `${unknown} of 40,000 did not fit 16,384 entries`);
  // A datagram's life later, all is forgotten and forgiven: a fragment that overtakes goes by its addresses again.
  assert.ok(hash(h, make(50_000)[1], LINK_RAW_IP, 2000) >= 0);
});

test('an ICMP error goes where the flow it quotes goes', () => {
  const h = new WorkerHash(3);
  const quoted = packetOf('tcp', '10.0.0.1', '10.0.0.2', 40000, 80);
  const error = ipv4({ src: '10.9.9.9', dst: '10.0.0.1', proto: 1 }, icmp4({ type: 3, code: 1 }, quoted.subarray(0, 28)));
  assert.equal(hash(h, error), hash(h, quoted));
});

test('nothing is read outside the packet, whatever its bytes and length', () => {
  const seeds = [
    packetOf('tcp', '10.0.0.1', '10.0.0.2', 1, 2),
    packetOf('udp', '2001:db8::1', '2001:db8::2', 1, 2),
    ...fragmentIpv4(packetOf('udp', '10.0.0.1', '10.0.0.2', 1, 2), [16]),
    ...fragmentIpv6(packetOf('udp', '2001:db8::1', '2001:db8::2', 1, 2), [16], 3),
  ];
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: seeds.length - 1 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.integer({ min: 0, max: 140 }),
      fc.constantFrom(LINK_ETHERNET, LINK_RAW_IP),
      (which, changes, length, link) => {
        const type = seeds[which][0] >> 4 === 6 ? 0x86dd : 0x0800;
        const bytes = link === LINK_RAW_IP ? seeds[which].slice() : ethernet({ etherType: type }, seeds[which]);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const len = Math.min(length, bytes.length);
        const read: number[] = [];
        const spy = new Proxy(bytes, {
          get(target, name) {
            if (name === 'length') return target.length;
            const index = Number(name);
            read.push(index);
            return target[index];
          },
        });
        const n = new WorkerHash().hash(spy, 0, len, link, 0);
        assert.ok(Number.isInteger(n) && n >= 0);
        assert.ok(
          read.every((i) => i >= 0 && i < len),
          `read ${Math.max(...read)} of ${len}`,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('a length beyond the memory, or a negative place, is 0', () => {
  const frame = packetOf('tcp', '10.0.0.1', '10.0.0.2', 1, 2);
  const h = new WorkerHash();
  assert.equal(h.hash(frame, 0, frame.length + 1, LINK_RAW_IP, 0), 0);
  assert.equal(h.hash(frame, -4, 20, LINK_RAW_IP, 0), 0);
  assert.equal(h.hash(frame, 0, -1, LINK_RAW_IP, 0), 0);
});

test('extension headers, however many, do not send a packet to another worker', () => {
  const body = transport('tcp', '2001:db8::1', '2001:db8::2', 1000, 80);
  const after = (count: number) =>
    ipv6(
      {
        src: '2001:db8::1',
        dst: '2001:db8::2',
        nextHeader: 6,
        extHeaders: Array.from({ length: count }, () => ({ type: 60, body: Uint8Array.of(1, 4, 0, 0, 0, 0) })),
      },
      body,
    );
  const h = new WorkerHash(5);
  for (const count of [1, 16, 17, 150]) assert.equal(hash(h, after(count)), hash(h, after(0)));
});
