import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { defaultConfig } from '../../src/config/load.js';
import { FlowFlag, FlowProto } from '../../src/flow/codes.js';
import * as build from '../../src/lab/packets.js';
import { eveAnomaly } from '../../src/output/eve.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';
import { EngineBench } from '../support/engine.js';
import { bytes, clientHello, record } from '../support/tls-bytes.js';
import { eveConfig } from './output-fixture.js';

const RAW = 101;
const EVENTS = [
  'mismatch_protocol_both_directions',
  'wrong_direction_first_data',
  'detect_protocol_only_one_direction',
  'proto_detection_skipped',
].map((name, i) => `alert ip any any -> any any (app-layer-event:applayer_${name}; sid:${i + 1};)`);

const HTTP_GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n';
const CONNECTED = 'HTTP/1.1 200 OK\r\n\r\n';
const OTHER = '\xff'.repeat(40);
const HELLO = record(22, clientHello());

/** What the flow of the last packet speaks: now, to server, to client, before, expected. */
function protocols({ bench }: Connection): number[] {
  const { flows, packet } = bench.engine;
  const at = packet.flow * FlowProto.Count;
  return [flows.appProto[packet.flow], ...flows.appProtos.subarray(at, at + FlowProto.Count)];
}
const fired = (c: Connection) => c.alerts().map(({ rule }) => rule);

describe('events of protocol detection', () => {
  it('a client that speaks HTTP to an SSH server', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, HTTP_GET);
    assert.deepEqual(fired(c), []);
    c.server(0, 'SSH-2.0-x\r\n', HTTP_GET.length);
    assert.deepEqual(fired(c), [0]);
    assert.deepEqual(protocols(c), [AppProto.Http, AppProto.Http, AppProto.Ssh, 0, 0]);
    c.server(11, 'Protocol mismatch.\n', HTTP_GET.length);
    assert.deepEqual(fired(c), [], 'once');
    c.close();
  });

  it('an answer that looks like nothing', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, HTTP_GET);
    c.server(0, '\x01\x02\x03\x04 what?', HTTP_GET.length);
    assert.deepEqual(fired(c), [2]);
    assert.deepEqual(protocols(c).slice(0, 3), [AppProto.Http, AppProto.Http, AppProto.Http]);
    c.close();
  });

  it('both alike: none', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, HTTP_GET);
    c.server(0, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', HTTP_GET.length);
    assert.deepEqual(fired(c), []);
    assert.deepEqual(protocols(c).slice(0, 3), [AppProto.Http, AppProto.Http, AppProto.Http]);
    c.close();
  });

  it('a server that answers before it is asked; the request is parsed all the same', () => {
    const c = new Connection({ rules: [...EVENTS, 'alert http any any -> any any (http.uri; content:"/"; sid:9;)'] });
    c.server(0, 'HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n');
    assert.deepEqual(fired(c), [1]);
    c.client(0, HTTP_GET, 41);
    assert.deepEqual(fired(c), [4]);
    c.close();
  });

  it('a server that says nothing while its client is none of ours: given up', () => {
    const c = new Connection({ rules: EVENTS });
    let packets = 0;
    for (let at = 0; at < 600 && fired(c).length === 0; at += OTHER.length, packets++) c.client(at, OTHER);
    assert.ok(packets > 1 && packets < 10, `${packets}`);
    assert.equal(protocols(c)[0], AppProto.Failed);
    c.close();
  });
});

describe('what is tunnelled is recognised anew', () => {
  const TUNNEL = ['alert tls any any -> any any (flow:to_server; tls.version:1.2; sid:1;)', ...EVENTS];
  const cases: [string, (c: Connection) => void][] = [
    [
      'the answer in one segment',
      (c) => {
        c.server(0, CONNECTED, CONNECT.length);
      },
    ],
    [
      'the answer byte by byte',
      (c) => {
        for (let i = 0; i < CONNECTED.length; i++) c.server(i, CONNECTED[i], CONNECT.length);
      },
    ],
  ];
  for (const [name, answer] of cases) {
    it(`CONNECT, then TLS: ${name}`, () => {
      const c = new Connection({ rules: TUNNEL });
      c.client(0, CONNECT);
      assert.deepEqual(protocols(c), [AppProto.Http, AppProto.Http, 0, 0, 0]);
      answer(c);
      assert.deepEqual(protocols(c), [AppProto.Unknown, 0, 0, AppProto.Http, 0]);
      assert.equal(c.bench.engine.packet.appProto, AppProto.Http, 'until the next is known');
      c.client(CONNECT.length, HELLO, CONNECTED.length);
      assert.deepEqual(protocols(c), [AppProto.Tls, AppProto.Tls, 0, AppProto.Http, 0]);
      c.close();
    });
  }

  it('bytes behind the answer, in its segment', () => {
    const rules = ['alert ssh any any -> any any (flow:to_client; ssh.software; content:"inside"; sid:1;)'];
    const first = new Connection({ rules });
    for (let cut = 0; cut <= CONNECTED.length; cut++) {
      const c = new Connection({ rules, bench: first.bench, clientPort: 41_000 + cut });
      c.client(0, CONNECT);
      const all = `${CONNECTED}SSH-2.0-inside\r\n`;
      if (cut > 0) c.server(0, all.slice(0, cut), CONNECT.length);
      c.server(cut, all.slice(cut), CONNECT.length);
      assert.deepEqual(fired(c), [0], `cut at ${cut}`);
      assert.equal(protocols(c)[0], AppProto.Ssh);
    }
    first.close();
  });

  it('CONNECT that is refused changes nothing', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, CONNECT);
    c.server(0, 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n', CONNECT.length);
    assert.deepEqual(protocols(c), [AppProto.Http, AppProto.Http, AppProto.Http, 0, 0]);
    c.close();
  });

  it('nothing known in the tunnel: failed, and what it was before stays', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, CONNECT);
    c.server(0, CONNECTED, CONNECT.length);
    c.client(CONNECT.length, OTHER, CONNECTED.length);
    c.server(CONNECTED.length, OTHER, CONNECT.length + OTHER.length);
    assert.deepEqual(protocols(c), [AppProto.Failed, AppProto.Failed, AppProto.Failed, AppProto.Http, 0]);
    c.close();
  });

  it('one change upon the other in one segment ends', () => {
    const c = new Connection({ rules: EVENTS });
    c.client(0, 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
    c.server(0, 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'.repeat(100), 63);
    assert.equal(protocols(c)[0], AppProto.Failed);
    c.close();
  });
});

describe('app-layer-protocol', () => {
  const cases: [option: string, count: number][] = [
    ['http,to_server', 1],
    ['http,toserver', 1],
    ['ssh,to_client', 1],
    ['ssh', 1],
    ['ssh,direction', 1],
    ['http', 0],
    ['http,final', 1],
    ['ssh,final', 0],
    ['ssh,either', 1],
    ['tls|ssh,either', 1],
    ['tls|dns,either', 0],
    ['!ssh,to_client', 0],
    ['!tls|dns,to_client', 1],
    ['http,original', 0],
    ['!tls,original', 0],
    ['failed', 0],
  ];
  it('modes', () => {
    const rules = cases.map(([option], i) => `alert tcp any any -> any any (flow:to_client; app-layer-protocol:${option}; sid:${i + 1};)`);
    const c = new Connection({ rules });
    c.client(0, HTTP_GET);
    c.server(0, 'SSH-2.0-x\r\n', HTTP_GET.length);
    c.server(11, 'Protocol mismatch.\n', HTTP_GET.length);
    c.server(30, 'Bye.\n', HTTP_GET.length);
    const matched = fired(c);
    const counts = cases.map(([option], i) => [option, matched.filter((rule) => rule === i).length]);
    assert.deepEqual(counts, cases);
    c.close();
  });

  it('original: what was spoken before the change', () => {
    const c = new Connection({
      rules: ['alert tcp any any -> any any (app-layer-protocol:http,original; app-layer-protocol:tls,final; sid:1;)'],
    });
    c.client(0, CONNECT);
    c.server(0, CONNECTED, CONNECT.length);
    assert.deepEqual(fired(c), []);
    c.client(CONNECT.length, HELLO, CONNECTED.length);
    assert.deepEqual(fired(c), [0]);
    c.close();
  });

  it('unknown: as long as nothing is', () => {
    const c = new Connection({ rules: ['alert tcp any any -> any any (flow:to_server; dsize:>0; app-layer-protocol:unknown; sid:1;)'] });
    c.client(0, 'G');
    assert.deepEqual(fired(c), [0]);
    c.client(1, HTTP_GET.slice(1));
    assert.deepEqual(fired(c), []);
    c.close();
  });

  it('a drop rule on the protocol alone holds for the flow', () => {
    const c = new Connection({ rules: ['drop tcp any any -> any any (app-layer-protocol:http; sid:1;)'] });
    assert.match(c.client(0, HTTP_GET), /^drop/);
    assert.match(c.client(HTTP_GET.length, 'x'), /^drop/);
    c.close();
  });
});

describe('a flow whose first packet is the answer is turned', () => {
  const [ASKER, ASKED] = ['10.1.2.3', '192.0.2.7'];
  const answer = bytes([0, 9, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1]);
  const datagram = (payload: Uint8Array, srcPort: number, dstPort: number) =>
    build.ipv4({ src: ASKED, dst: ASKER, proto: 17 }, build.udp({ src: ASKED, dst: ASKER, srcPort, dstPort }, payload));

  it('a DNS response', () => {
    const bench = new EngineBench({ mode: Mode.Ids }, false);
    bench.send(datagram(answer, 53, 40_000), RAW);
    const { flows, packet } = bench.engine;
    assert.deepEqual([packet.direction, flows.srcPort(packet.flow), flows.dstPort(packet.flow)], [1, 40_000, 53]);
    assert.deepEqual([flows.pktsTs[packet.flow], flows.pktsTc[packet.flow]], [0, 1]);
    assert.equal(flows.flags[packet.flow] & (FlowFlag.SeenTs | FlowFlag.SeenTc), FlowFlag.SeenTc);
    const slot = packet.flow;
    bench.send(datagram(answer, 53, 40_000), RAW);
    assert.deepEqual([packet.flow, packet.direction], [slot, 1], 'it is found again');
    bench.close();
  });

  it('a DNS query is not', () => {
    const bench = new EngineBench({ mode: Mode.Ids }, false);
    const query = Uint8Array.from(answer);
    query[2] = 1;
    query[3] = 0;
    bench.send(datagram(query, 53, 53), RAW);
    assert.deepEqual([bench.engine.packet.direction, bench.engine.flows.pktsTs[bench.engine.packet.flow]], [0, 1]);
    bench.close();
  });

  it('HTTP, picked up midstream behind an ACK of the server', () => {
    const config = defaultConfig();
    config.stream.midstream = true;
    const bench = new EngineBench({ mode: Mode.Ids, config }, false);
    const send = (src: string, dst: string, ports: [number, number], seq: number, ack: number, text: string) =>
      bench.send(
        build.ipv4(
          { src, dst, proto: 6 },
          build.tcp({ src, dst, srcPort: ports[0], dstPort: ports[1], flags: 24, seq, ack, window: 9999 }, build.bytes(text)),
        ),
        RAW,
      );
    const { flows, packet } = bench.engine;
    send(ASKED, ASKER, [80, 40_000], 5000, 1000, '');
    assert.equal(packet.direction, 0);
    send(ASKED, ASKER, [80, 40_000], 5000, 1000, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    assert.equal(packet.direction, 1);
    send(ASKER, ASKED, [40_000, 80], 1000, 5038, HTTP_GET);
    assert.equal(packet.direction, 0);
    assert.deepEqual([flows.appProto[packet.flow], flows.dstPort(packet.flow)], [AppProto.Http, 80]);
    assert.deepEqual([flows.pktsTs[packet.flow], flows.pktsTc[packet.flow]], [1, 2]);
    bench.close();
  });
});

test('eve anomaly: events of detection and of transactions, each once', () => {
  const config = defaultConfig();
  config.outputs.eve.enabled = true;
  config.outputs.eve.anomaly = { decode: false, stream: false, applayer: true, packetHeader: false };
  const bench = new EngineBench({ mode: Mode.Ips, config }, false);
  const c = new Connection({ rules: [], bench });
  c.client(0, 'GET / HTTP/1.1\r\n\r\n');
  c.server(0, 'SSH-2.0-x\r\n', 18);
  bench.engine.finish();
  const found: unknown[] = [];
  const e = new EventRecord();
  for (let at = bench.events.peek(); at >= 0; at = bench.events.peek()) {
    assert.ok(decodeEvent(bench.events.bytes, bench.events.view, at, bench.events.length, e));
    if (e.type === EventType.Anomaly) {
      const { anomaly, tx_id, event_type } = JSON.parse(eveAnomaly(e, eveConfig(), ''));
      assert.equal(event_type, 'anomaly');
      found.push([tx_id, anomaly.type, anomaly.layer, anomaly.app_proto, anomaly.event]);
    }
    bench.events.release();
  }
  assert.deepEqual(found.slice(0, 2), [
    [0, 'applayer', 'proto_parser', 'http', 'MISSING_HOST_HEADER'],
    [undefined, 'applayer', 'proto_detect', 'http', 'APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS'],
  ]);
  assert.equal(new Set(found.map((one) => JSON.stringify(one))).size, found.length);
});

describe('who wants not to be recognised', () => {
  const rules = ['drop http any any -> any any (http.uri; content:"evil"; sid:1;)'];
  /** The verdict on the last of the client's segments. */
  const verdict = (port: number, ...segments: string[]) => {
    const c = new Connection({ rules, port });
    let at = 0;
    let last = '';
    for (const segment of segments) {
      last = c.client(at, segment);
      at += segment.length;
    }
    c.close();
    return last;
  };
  const rest = '/evil HTTP/1.1\r\nHost: a\r\n\r\n';

  for (const port of [80, 8080]) {
    it(`empty lines before a request, port ${port}`, () => {
      for (const lines of [8, 50, 70, 2000])
        assert.equal(verdict(port, '\r\n'.repeat(lines), `GET ${rest}`), 'drop: rules', `${lines} in a segment of their own`);
      assert.equal(verdict(port, `${'\r\n'.repeat(70)}GET ${rest}`), 'drop: rules', 'and in the same');
      assert.equal(verdict(port, ...'\r\n'.repeat(70), 'G', `ET ${rest}`), 'drop: rules', 'one by one');
    });

    it(`a method that is a command of another protocol, port ${port}`, () => {
      for (const word of ['USER', 'PASS', 'EHLO', 'FEAT']) assert.equal(verdict(port, `${word} `, rest), 'drop: rules', word);
    });

    it(`a method that nobody knows, and a line longer than what is asked about, port ${port}`, () => {
      for (const word of ['FOO', 'foo', 'F-O_1', 'USER']) {
        const line = `${word} /evil${'x'.repeat(200)} HTTP/1.1\r\nHost: a\r\n\r\n`;
        assert.equal(verdict(port, line), 'drop: rules', word);
        assert.equal(verdict(port, line.slice(0, 100), line.slice(100)), 'drop: rules', `${word}, in two`);
      }
    });
  }

  it('what is another protocol stays one', () => {
    const appProto = (port: number, text: string) => {
      const c = new Connection({ rules, port });
      c.client(0, text);
      const { flows, packet } = c.bench.engine;
      const proto = flows.appProto[packet.flow];
      c.close();
      return proto;
    };
    assert.equal(appProto(8021, 'USER anonymous\r\n'), AppProto.Ftp);
    assert.equal(appProto(8025, 'EHLO a\r\n'), AppProto.Smtp);
    assert.equal(appProto(8022, 'SSH-2.0-x\r\n'), AppProto.Ssh);
    assert.equal(appProto(25, 'EHLO '), AppProto.Smtp);
  });

  const name = (word: string) => [word.length, ...build.bytes(word), 0];
  const message = (flags: number, word: string) => bytes([0, 9, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name(word), 0, 1, 0, 1]);
  const datagrams = (...payloads: Uint8Array[]) => {
    const bench = new EngineBench(
      {
        rules: [
          'drop dns any any -> any 53 (dns.query; content:"evil"; sid:1;)',
          'alert udp any any -> any 53 (flow:to_server; content:"evil"; sid:2;)',
        ],
      },
      false,
    );
    const [src, dst] = ['10.1.2.3', '192.0.2.7'];
    const seen = payloads.map((payload) =>
      bench.send(build.ipv4({ src, dst, proto: 17 }, build.udp({ src, dst, srcPort: 4000, dstPort: 53 }, payload)), RAW),
    );
    const alerts = bench.alerts();
    bench.close();
    return [seen.at(-1), alerts];
  };

  it('an answer, which no server heeds, and then a question', () => {
    assert.deepEqual(datagrams(message(1, 'evil')), ['drop: rules', 2]);
    assert.deepEqual(datagrams(message(0x81, 'a'), message(1, 'evil')), ['drop: rules', 2]);
    assert.deepEqual(datagrams(message(0x81, 'a'), message(0x81, 'b'), message(1, 'evil')), ['drop: rules', 2]);
  });

  it('datagrams of nothing, and then a question', () => {
    assert.deepEqual(datagrams(...Array.from({ length: 100 }, () => bytes([1])), message(1, 'evil')), ['drop: rules', 2]);
  });
});
