import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { rules } from '../support/detect.js';
import { EngineBench } from '../support/engine.js';
import * as t from '../support/tls-bytes.js';

const RAW = 101;
const NEEDLE = 'a needle in ciphertext';
const CONTENT = `drop tcp any any -> any any (content:"${NEEDLE}"; sid:1;)`;
const HELLO = t.record(22, t.clientHello({ extensions: [t.sni('bar.example')] }));
const FLIGHT = t.record(22, t.bytes(t.serverHello(0xc02f), t.certificates(t.certificate()), t.message(12, 1, 2, 3), t.message(14)));
const KEYS = t.bytes(t.record(22, t.message(16, 1, 2)), t.record(20, t.bytes(1)), t.record(22, new Uint8Array(40).fill(7)));
const FINISHED = t.bytes(t.record(20, t.bytes(1)), t.record(22, new Uint8Array(40).fill(8)));
const data = (text: string) => t.record(23, t.bytes(text));

/** A connection through an engine, up to the server's last word in clear. */
class Connection {
  readonly bench: EngineBench;
  private readonly seq = [1000, 5000];

  constructor(mode: Mode, opaque: readonly string[] | undefined, ...texts: string[]) {
    const config = defaultConfig();
    config.outputs.eve.flow = false;
    if (opaque !== undefined) config.appLayer = { ...config.appLayer, opaque };
    this.bench = new EngineBench({ rules: texts, config, mode }, false);
    this.send(0, 2);
    this.send(1, 18);
    this.send(0, 16);
  }

  handshake(last = FINISHED): this {
    this.send(0, 24, HELLO);
    this.send(1, 24, FLIGHT);
    this.send(0, 24, KEYS);
    this.send(1, 24, last);
    return this;
  }
  send(direction: number, flags: number, payload: Uint8Array = t.bytes()): string {
    const [src, dst] = direction === 0 ? ['10.1.2.3', '192.0.2.7'] : ['192.0.2.7', '10.1.2.3'];
    const ports = direction === 0 ? { srcPort: 40000, dstPort: 443 } : { srcPort: 443, dstPort: 40000 };
    const ack = (flags & 16) === 0 ? 0 : this.seq[direction ^ 1];
    const segment = build.tcp({ src, dst, ...ports, flags, seq: this.seq[direction], ack }, payload);
    this.seq[direction] += payload.length + ((flags & 2) === 0 ? 0 : 1);
    return this.bench.send(build.ipv4({ src, dst, proto: 6 }, segment), RAW);
  }
  /** So many bytes pass elsewhere. */
  lose(direction: number, bytes: number): void {
    this.seq[direction] += bytes;
  }
  /** Alerts when all has ended. */
  close(): number {
    this.bench.engine.flows.endAll();
    const alerts = this.bench.alerts();
    this.bench.close();
    return alerts;
  }
}

describe('encryption-handling', () => {
  it('track-only, which is the default: no content is found in what is encrypted', () => {
    const c = new Connection(Mode.Ips, undefined, CONTENT).handshake();
    for (const direction of [0, 1, 0]) assert.equal(c.send(direction, 24, data(NEEDLE)), 'pass');
    assert.equal(c.close(), 0);
  });

  it('nor by rules without a literal, or across segments', () => {
    const pcre = 'alert tcp any any -> any any (pcre:"/needle/"; sid:1;)';
    const negated = 'alert tcp any any -> any 443 (flow:established; content:!"GET"; dsize:>300; sid:2;)';
    const c = new Connection(Mode.Ips, undefined, CONTENT, pcre, negated).handshake();
    const bytes = data(NEEDLE.padEnd(400));
    c.send(0, 24, bytes.subarray(0, 12));
    c.send(0, 24, bytes.subarray(12));
    assert.equal(c.close(), 0);
  });

  it('full: it is looked at like anything else', () => {
    const c = new Connection(Mode.Ips, [], CONTENT).handshake();
    assert.equal(c.send(0, 24, data(NEEDLE)), 'drop: rules');
    assert.equal(c.close(), 1);
  });

  it('only of protocols that are said to be so', () => {
    const c = new Connection(Mode.Ips, ['ssh'], CONTENT).handshake();
    assert.equal(c.send(0, 24, data(NEEDLE)), 'drop: rules');
    c.close();
  });

  it('until both sides encrypt all is looked at, and the packet with which they do', () => {
    const half = new Connection(Mode.Ips, undefined, CONTENT);
    for (const [direction, bytes] of [
      [0, HELLO],
      [1, FLIGHT],
      [0, KEYS],
    ] as const)
      half.send(direction, 24, bytes);
    assert.equal(half.send(0, 24, data(NEEDLE)), 'drop: rules');
    half.close();
    const last = new Connection(Mode.Ips, undefined, CONTENT);
    last.handshake(t.bytes(FINISHED, data(NEEDLE)));
    assert.equal(last.close(), 1);
  });

  it('tests of headers, lengths and flows go on', () => {
    const size = 'alert tcp any any -> any 443 (flow:established; dsize:>300; sid:1;)';
    const c = new Connection(Mode.Ips, undefined, size).handshake();
    c.send(0, 24, data(NEEDLE.padEnd(400)));
    assert.equal(c.close(), 1);
  });

  it('a listener looks at what was delivered before, though it comes to it later', () => {
    const c = new Connection(Mode.Ids, undefined, CONTENT.replace('drop', 'alert')).handshake(t.bytes(FINISHED, data(NEEDLE)));
    assert.equal(c.bench.alerts(), 0);
    // This acknowledges the server's change of cipher, and the needle with it.
    c.send(0, 16);
    assert.equal(c.bench.alerts(), 1);
    c.send(1, 24, data(NEEDLE));
    c.send(0, 24, data(NEEDLE));
    c.send(1, 16);
    assert.equal(c.close(), 1);
  });

  it('new rules do not look at it either, and nothing is scanned', () => {
    const c = new Connection(Mode.Ids, undefined, CONTENT.replace('drop', 'alert')).handshake();
    c.send(0, 16);
    c.bench.engine.setRules(rules('alert tcp any any -> any any (content:"needle"; sid:2;)'), 1);
    const scans = c.bench.counters[Counter.PrefilterScans];
    for (const direction of [0, 1, 0, 1]) c.send(direction, 24, data(NEEDLE));
    assert.equal(c.bench.counters[Counter.PrefilterScans], scans);
    assert.equal(c.close(), 0);
  });

  for (const mode of [Mode.Ips, Mode.Ids]) {
    it(`a client alone cannot hide what it says, though some of its server's words are lost (mode ${mode})`, () => {
      const newKeys = t.bytes([0, 0, 0, 12, 10, 21], new Uint8Array(10));
      const c = new Connection(mode, undefined, CONTENT.replace('drop', 'alert'));
      c.send(0, 24, t.bytes('SSH-2.0-x\r\n'));
      c.send(1, 24, t.bytes('-ERR unknown command\r\n'));
      c.lose(1, 22);
      c.send(1, 24, t.bytes('+OK\r\n'));
      c.send(0, 16);
      c.send(0, 24, newKeys);
      c.send(1, 16);
      c.send(0, 24, t.bytes(NEEDLE));
      c.send(1, 16);
      assert.equal(c.close(), 1);
    });
  }
});
