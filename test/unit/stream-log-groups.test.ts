import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import * as build from '../../src/lab/packets.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from '../support/engine.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: BadAgent\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na page\n';
const RULE = 'alert tcp any any -> any any (flow:established,to_server; content:"User-Agent|3a| BadAgent"; sid:1;)';
const { syn, ack, psh, fin } = build.TCP;

/** A frame of the client's port; timestamps (RFC 7323) run as those of a connection that lasts some milliseconds. */
function frame(port: number, order: number, fromServer: boolean, flags: number, seq: number, acked: number, text = ''): Uint8Array {
  const [src, dst, srcPort, dstPort] = fromServer ? ['10.0.0.2', '10.0.0.1', 80, port] : ['10.0.0.1', '10.0.0.2', port, 80];
  const options = new Uint8Array(12);
  options.set([1, 1, 8, 10]);
  const view = new DataView(options.buffer);
  view.setUint32(4, 1000 + 5 * order);
  view.setUint32(8, order === 0 ? 0 : 1000 + 5 * (order - 1));
  const segment = build.tcp({ src, dst, srcPort, dstPort, seq, ack: acked, flags, window: 65000, options }, build.bytes(text));
  return build.ethernet({}, build.ipv4({ src, dst, proto: build.PROTO.tcp }, segment));
}

/** What a group logs that sees both sides of a connection. */
function connection(port: number): Uint8Array[] {
  const asked = 1000 + REQUEST.length;
  const answered = 5000 + ANSWER.length;
  return [
    frame(port, 0, false, syn, 999, 0),
    frame(port, 1, true, syn | ack, 4999, 1000),
    frame(port, 2, false, ack, 1000, 5000),
    frame(port, 3, false, psh | ack, 1000, 5000, REQUEST),
    frame(port, 4, true, ack, 5000, asked),
    frame(port, 5, true, psh | ack, 5000, asked, ANSWER),
    frame(port, 6, false, ack, asked, answered),
    frame(port, 7, false, fin | ack, asked, answered),
    frame(port, 8, true, fin | ack, answered, asked + 1),
    frame(port, 9, false, ack, asked + 1, answered + 1),
  ];
}

/** Those of the client: what another group logs. */
const CLIENT = [0, 2, 3, 6, 7, 9];

test('each of two log groups reports a connection both show, whichever comes first', () => {
  const bench = new EngineBench({ mode: Mode.Ids, rules: [RULE] });
  let port = 40000;
  /** `turns` says whose packet is next; when it ends, the rest follows. */
  const alerts = (turns: readonly boolean[]): number => {
    const before = bench.alerts();
    const both = connection(port++);
    const client = CLIENT.map((i) => both[i]);
    for (const isClient of [...turns, ...both.map(() => false), ...client.map(() => true)]) {
      const next = (isClient ? client : both).shift();
      if (next === undefined) continue;
      bench.engine.packet.selective = 1;
      bench.send(next);
    }
    bench.drain();
    return bench.alerts() - before;
  };
  assert.equal(alerts([]), 2);
  assert.equal(alerts(CLIENT.map(() => true)), 2);
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 16 }), (turns) => {
      assert.equal(alerts(turns), 2);
    }),
    { numRuns: 200 },
  );
  bench.close();
});
