import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from '../support/engine.js';

const RAW = 101;
const CLIENT = '10.1.2.3';
const SERVER = '192.0.2.7';
const EVIL = 'alert http any any -> any any (http.uri; content:"evil"; sid:1;)';

/** A TCP connection through an engine: positions count from each side's first byte. */
class Connection {
  readonly bench: EngineBench;

  constructor(mode: Mode, ...rules: string[]) {
    const config = defaultConfig();
    config.outputs.eve.flow = false;
    this.bench = new EngineBench({ rules, config, mode }, false);
    this.segment(0, 2, -1, 0);
    this.segment(1, 18, -1, 0);
    this.segment(0, 16, 0, 0);
  }

  client(at: number, text: string, acked = 0): string {
    return this.segment(0, 24, at, acked, text);
  }
  /** An ACK of what the client sent before that position. */
  ack(acked: number): string {
    return this.segment(1, 16, 0, acked);
  }
  segment(direction: number, flags: number, at: number, acked: number, text = ''): string {
    const [src, dst] = direction === 0 ? [CLIENT, SERVER] : [SERVER, CLIENT];
    const [seq, ack] = direction === 0 ? [1001 + at, 5001 + acked] : [5001 + at, 1001 + acked];
    const ports = direction === 0 ? { srcPort: 40000, dstPort: 80 } : { srcPort: 80, dstPort: 40000 };
    const segment = build.tcp({ src, dst, ...ports, flags, seq, ack: flags === 2 ? 0 : ack }, build.bytes(text));
    return this.bench.send(build.ipv4({ src, dst, proto: 6 }, segment), RAW);
  }
  /** The payload as it would be forwarded. */
  payload(): string {
    const p = this.bench.engine.packet;
    return String.fromCharCode(...p.mem.subarray(p.payloadOff, p.payloadOff + p.payloadLen));
  }
  close(): number {
    const alerts = this.bench.alerts();
    this.bench.close();
    return alerts;
  }
}

describe('streams through an engine', () => {
  it('inline, a segment that is sent again with other bytes goes out with the first ones', () => {
    const c = new Connection(Mode.Ips, EVIL);
    assert.equal(c.client(0, 'GET /good HTTP/1.1\r\n'), 'pass');
    assert.equal(c.client(0, 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n'), 'rewritten');
    assert.equal(c.payload(), 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(c.client(0, 'GET /good HTTP/1.1\r\n'), 'pass', 'the same bytes are no matter');
    c.ack(31);
    assert.equal(c.segment(1, 24, 0, 31, 'HTTP/1.1 204 No Content\r\n\r\n'), 'pass');
    assert.equal(c.close(), 0);
  });

  it('inline, what cannot be put right is dropped, and inspected all the same', () => {
    const c = new Connection(Mode.Ips, EVIL);
    const head = 'GET / HTTP/1.1\r\nX: ';
    // More differences than are noted.
    for (let i = 0; i < 600; i++) assert.equal(c.client(head.length + 2 * i, 'a'), 'pass');
    assert.equal(c.client(0, `${head}${'b'.repeat(1200)}\r\n\r\nGET /evil HTTP/1.1\r\n\r\n`), 'drop: stream error');
    assert.equal(c.close(), 1);
  });

  it('a repair is not done again to the next packet, of whatever flow', () => {
    const c = new Connection(Mode.Ips);
    c.client(0, 'GET /good HTTP/1.1\r\n');
    assert.equal(c.client(0, 'GET /evil HTTP/1.1\r\n'), 'rewritten');
    const udp = build.udp({ src: CLIENT, dst: SERVER, srcPort: 4000, dstPort: 4001 }, build.bytes('x'.repeat(100)));
    assert.equal(c.bench.send(build.ipv4({ src: CLIENT, dst: SERVER, proto: 17 }, udp), RAW), 'pass');
    assert.equal(c.ack(0), 'pass');
    c.close();
  });

  it('a listener inspects what is acknowledged, and what never was at the end of the flow', () => {
    const c = new Connection(Mode.Ids, EVIL);
    c.client(0, 'GET /evil HTTP/1.1\r\n\r\n');
    assert.equal(c.bench.alerts(), 0);
    c.ack(22);
    assert.equal(c.bench.alerts(), 1);
    c.client(22, 'GET /evil HTTP/1.1\r\n\r\n');
    assert.equal(c.bench.alerts(), 1);
    const { counters } = c.bench;
    c.close();
    assert.equal(counters[Counter.Alerts], 2);
  });

  it('a listener takes a flow for what it looks like before its bytes are acknowledged', () => {
    const c = new Connection(Mode.Ids, 'alert http any any -> any any (flow:established,to_server; content:"jndi"; dsize:>1; sid:1;)');
    c.client(0, 'GET /jndi HTTP/1.1\r\n\r\n');
    assert.equal(c.close(), 1);
  });

  it('events of reassembly are raised', () => {
    const c = new Connection(Mode.Ids, 'alert tcp any any -> any any (stream-event:reassembly_seq_gap; sid:1;)');
    c.client(0, 'GET / HTTP/1.1\r\n');
    c.client(30, 'x\r\n\r\n');
    assert.equal(c.bench.alerts(), 0);
    c.ack(35);
    assert.equal(c.close(), 1);
  });
});
