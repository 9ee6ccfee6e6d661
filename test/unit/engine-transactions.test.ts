import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { APP_SERIES } from '../../src/app-layer/buffers.js';
import type { Config } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { eveAlert, eveApp, eveFile } from '../../src/output/eve.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { rules } from '../support/detect.js';
import { message as dnsMessage, framed, latin1, question } from '../support/dns.js';
import { EngineBench } from '../support/engine.js';

const RAW = 101;
const CLIENT = '10.1.2.3';
const SERVER = '192.0.2.7';

/** An HTTP connection through an engine. */
class Connection {
  readonly bench: EngineBench;
  private readonly seq = [1000, 5000];

  constructor(
    readonly texts: string[],
    mode = Mode.Ips,
    files = false,
    more: Partial<Config> = {},
  ) {
    const config = { ...defaultConfig(), ...more };
    config.outputs.eve.app = ['http', 'dns'];
    config.outputs.eve.flow = false;
    config.outputs.eve.files = files;
    this.bench = new EngineBench({ rules: texts, config, mode }, false);
    this.segment(0, { syn: true });
    this.segment(1, { syn: true, ack: true });
    this.segment(0, { ack: true });
  }

  client(text: string): string {
    return this.segment(0, { ack: true, psh: true }, text);
  }
  server(text: string): string {
    return this.segment(1, { ack: true, psh: true }, text);
  }

  private segment(direction: number, flags: { syn?: boolean; ack?: boolean; psh?: boolean }, text = ''): string {
    const [src, dst] = direction === 0 ? [CLIENT, SERVER] : [SERVER, CLIENT];
    const bits = (flags.syn ? 2 : 0) | (flags.ack ? 16 : 0) | (flags.psh ? 8 : 0);
    const segment = build.tcp(
      {
        src,
        dst,
        srcPort: direction === 0 ? 40000 : 80,
        dstPort: direction === 0 ? 80 : 40000,
        flags: bits,
        seq: this.seq[direction],
        ack: flags.ack ? this.seq[direction ^ 1] : 0,
      },
      build.bytes(text),
    );
    this.seq[direction] += text.length + (flags.syn ? 1 : 0);
    return this.bench.send(build.ipv4({ src, dst, proto: 6 }, segment), RAW);
  }

  /** What was reported, as EVE objects. */
  eve(): Record<string, unknown>[] {
    const { events } = this.bench;
    const config = defaultConfig().outputs.eve;
    const set = rules(...this.texts);
    const found: Record<string, unknown>[] = [];
    const e = new EventRecord();
    for (let at = events.peek(); at >= 0; at = events.peek()) {
      assert.ok(decodeEvent(events.bytes, events.view, at, events.length, e));
      if (e.type === EventType.App) found.push(JSON.parse(eveApp(e, config, '')));
      if (e.type === EventType.File) found.push(JSON.parse(eveFile(e, config, '')));
      if (e.type === EventType.Alert) found.push(JSON.parse(eveAlert(e, set[e.ruleIndex], config, '')));
      events.release();
    }
    return found;
  }
}

const types = (found: Record<string, unknown>[]) => found.map((e) => e.event_type).join(' ');

describe('transactions through an engine', () => {
  it('a rule that drops one packet does not hide what that packet brought to a transaction', () => {
    const c = new Connection([
      'drop tcp any any -> any any (msg:"long"; dsize:>20; sid:1;)',
      'drop http any any -> any any (msg:"evil"; http.uri; content:"/evil"; sid:2;)',
    ]);
    assert.equal(c.client('GET /evil HTTP/1.1\r\nHost: a\r\n\r\n'), 'drop: rules');
    // Short enough for the first rule: it is the flow that is dropped.
    assert.equal(c.client('x'), 'drop: flow drop');
    c.bench.close();
  });

  it('a rule on two buffers that come with different packets drops the second', () => {
    const c = new Connection(['drop http any any -> any any (http.uri; content:"/upload"; http.request_body; content:"evil";)']);
    assert.equal(c.client('POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n'), 'pass');
    assert.equal(c.client('evil'), 'drop: rules');
    assert.match(types(c.eve()), /^alert/);
    c.bench.close();
  });

  it('one record per transaction, when its response is complete; alerts have it, too', () => {
    const c = new Connection(['alert http any any -> any any (http.stat_code; content:"404";)']);
    c.client('GET /a HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.deepEqual(c.eve(), []);
    c.server('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno');
    const [alert, record] = c.eve() as { event_type: string; tx_id: number; http: { url: string; status: number }; src_port: number }[];
    assert.deepEqual([alert.event_type, alert.tx_id, alert.http.url, alert.src_port], ['alert', 0, '/a', 80]);
    assert.deepEqual([record.event_type, record.tx_id, record.http.status, record.src_port], ['http', 0, 404, 40000]);
    c.bench.close();
    assert.deepEqual(c.eve(), []);
  });

  it('files: each body that has a name, from the side of who sends it', () => {
    const c = new Connection([], Mode.Ips, true);
    c.client('POST /up/a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345');
    c.server('HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="b.txt"\r\nContent-Length: 4\r\n\r\n12');
    c.bench.engine.flows.endAll();
    const [up, http, down] = c.eve() as { event_type: string; src_port: number; http: { status?: number }; fileinfo: object }[];
    // The one that ended in the request does not wait for the answer.
    assert.deepEqual([up.event_type, http.event_type, down.event_type], ['fileinfo', 'http', 'fileinfo']);
    assert.deepEqual([up.src_port, down.src_port], [40000, 80]);
    assert.deepEqual([up.http.status, down.http], [undefined, http.http]);
    const file = { gaps: false, stored: false, tx_id: 0 };
    assert.deepEqual(up.fileinfo, { ...file, filename: '/up/a.txt', state: 'CLOSED', size: 5 });
    assert.deepEqual(down.fileinfo, { ...file, filename: 'b.txt', state: 'TRUNCATED', size: 2 });
    c.bench.close();
  });

  it('rules on files: the alert names those of its direction', () => {
    const c = new Connection([
      'alert http any any -> any any (filename:"B.TXT"; filesize:>1; sid:1;)',
      'alert http any any -> any any (filename:"b.txt"; filesize:>8; sid:2;)',
    ]);
    c.client('POST /up/a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345');
    c.server('HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="b.txt"\r\nContent-Length: 4\r\n\r\n1234');
    const [alert, ...more] = c.eve() as { event_type: string; alert: { signature_id: number }; files: object[] }[];
    assert.deepEqual(
      more.map((e) => e.event_type),
      ['http'],
    );
    assert.equal(alert.alert.signature_id, 1);
    assert.deepEqual(alert.files, [{ filename: 'b.txt', gaps: false, state: 'CLOSED', stored: false, size: 4, tx_id: 0 }]);
    c.bench.close();
  });

  it('files: none without a body, nor of several parts', () => {
    const c = new Connection([], Mode.Ips, true);
    c.client('POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: Multipart/form-data; boundary=x\r\nContent-Length: 2\r\n\r\n--');
    c.server('HTTP/1.1 204 No Content\r\n\r\n');
    c.bench.engine.flows.endAll();
    assert.equal(types(c.eve()), 'http');
    c.bench.close();
  });

  it('a test without a buffer is about transactions, once for each', () => {
    const c = new Connection(['alert http any any -> any any (urilen:2; flow:to_server;)']);
    c.client('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345');
    c.client('12345');
    assert.equal(types(c.eve()), 'alert');
    c.bench.close();
  });

  it('a flow that ends: what is unfinished is inspected and logged', () => {
    const c = new Connection(['alert http any any -> any any (http.uri; content:"/a"; http.referer; absent;)']);
    c.client('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345');
    assert.deepEqual(c.eve(), []);
    c.bench.engine.flows.endAll();
    assert.equal(types(c.eve()), 'alert http');
    assert.equal(c.bench.counters[Counter.AppTxs + 3], 1);
    c.bench.close();
  });

  it('UDP: both directions of a DNS exchange', () => {
    const c = new Connection(['drop dns any any -> any any (dns.query; content:"evil.example";)'], Mode.Ips);
    const name = (text: string) =>
      text
        .split('.')
        .map((label) => String.fromCharCode(label.length) + label)
        .join('');
    const query = (text: string) => `\x12\x34\x01\0\0\x01\0\0\0\0\0\0${name(text)}\0\0\x01\0\x01`;
    const send = (text: string) => {
      const ends = { src: CLIENT, dst: SERVER, srcPort: 50000, dstPort: 53 };
      return c.bench.send(build.ipv4({ ...ends, proto: 17 }, build.udp(ends, build.bytes(query(text)))), RAW);
    };
    assert.equal(send('good.example'), 'pass');
    assert.equal(send('www.evil.example'), 'drop: rules');
    assert.equal(types(c.eve()), 'dns alert dns');
    c.bench.close();
  });

  it('new rules: a live transaction is inspected by them', () => {
    const c = new Connection([]);
    c.client('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1');
    c.bench.engine.setRules(rules('drop http any any -> any any (http.uri; content:"/a";)'), 1);
    assert.equal(c.client('2'), 'drop: rules');
    c.bench.close();
  });
});

describe('detect.guess-applayer-tx', () => {
  const RULE = 'alert tcp any any -> any any (content:"evil"; sid:1;)';
  const alertOf = (guessTx: boolean, ...texts: string[]) => {
    const c = new Connection([RULE], Mode.Ips, false, { guessTx });
    for (const text of texts) c.client(text);
    const [alert] = c.eve().filter(({ event_type }) => event_type === 'alert') as { tx_id?: number; tx_guessed?: boolean; http?: object }[];
    c.bench.close();
    return alert;
  };
  const request = (path: string) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

  it('an alert of a rule on payload shows the only transaction of the flow', () => {
    const alert = alertOf(true, request('evil'));
    assert.equal(alert.tx_id, 0);
    assert.equal(alert.tx_guessed, true);
    assert.equal((alert.http as { url?: string }).url, '/evil');
  });

  it('none where there are several, or none, or nobody asked', () => {
    assert.equal(alertOf(true, request('one'), request('evil')).tx_id, undefined);
    assert.equal(alertOf(true, 'no protocol, evil').tx_id, undefined);
    const alert = alertOf(false, request('evil'));
    assert.equal(alert.tx_id, undefined);
    assert.equal(alert.http, undefined);
    assert.equal(alert.tx_guessed, undefined);
  });
});

describe('events of a response that rules to the server are about', () => {
  const rule = (event: string, flow: string, sid: number) =>
    `alert http any any -> any any (flow:${flow}; app-layer-event:http.${event}; sid:${sid};)`;
  const texts = [
    rule('too_many_encoding_layers', 'established,to_server', 1),
    rule('abnormal_ce_header', 'established,to_server', 2),
    'alert http any any -> any any (flow:to_server; http.uri; content:"/one"; sid:3;)',
    'alert http any any -> any any (flow:to_server; http.method; bsize:3; sid:4;)',
  ];
  const sids = (mode: Mode, encoding: string) => {
    const c = new Connection(texts, mode);
    c.client('GET /one HTTP/1.1\r\nHost: a\r\n\r\n');
    c.server(`HTTP/1.1 200 OK\r\nContent-Encoding: ${encoding}\r\nContent-Length: 2\r\n\r\nab`);
    c.client('GET /two HTTP/1.1\r\nHost: a\r\n\r\n');
    const found = c.eve().flatMap((e) => (e.event_type === 'alert' ? [(e.alert as { signature_id: number }).signature_id] : []));
    c.bench.close();
    return found.sort();
  };

  for (const mode of [Mode.Ips, Mode.Ids]) {
    it(`are asked with it, and no other rule again (${mode === Mode.Ips ? 'inline' : 'listening'})`, () => {
      const second = mode === Mode.Ips ? [4, 4] : [4];
      assert.deepEqual(sids(mode, 'gzip, gzip, gzip'), [1, 3, ...second]);
      assert.deepEqual(sids(mode, 'nonsense'), [2, 3, ...second]);
      assert.deepEqual(sids(mode, 'gzip'), [3, ...second]);
    });
  }
});

it('DNS over TCP and over UDP are counted apart, as in Suricata', () => {
  const places = new Map(APP_SERIES);
  const counts = (counters: Float64Array) =>
    ['dns_tcp', 'dns_udp'].map((name) =>
      [Counter.AppFlows, Counter.AppTxs, Counter.AppErrors].map((first) => counters[first + places.get(name)!]),
    );
  const query = dnsMessage({ id: 1, questions: [question('a.example')] });
  const datagram = (payload: Uint8Array) =>
    build.ipv4({ src: CLIENT, dst: SERVER, proto: 17 }, build.udp({ src: CLIENT, dst: SERVER, srcPort: 40000, dstPort: 53 }, payload));
  const bench = new EngineBench({ mode: Mode.Ips }, false);
  bench.send(datagram(query), RAW);
  bench.send(datagram(query), RAW);
  bench.engine.flows.endAll();
  assert.deepEqual(counts(bench.counters), [
    [0, 0, 0],
    [1, 2, 0],
  ]);
  bench.close();
  const c = new Connection(['alert dns any any -> any any (dns.query; content:"a"; sid:1;)'], Mode.Ips);
  c.client(latin1(framed(query)));
  c.bench.engine.flows.endAll();
  assert.deepEqual(counts(c.bench.counters), [
    [1, 1, 0],
    [0, 0, 0],
  ]);
  c.bench.close();
});
