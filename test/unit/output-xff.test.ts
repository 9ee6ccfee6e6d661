import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Forwarded } from '../../src/app-layer/http/forwarded.js';
import { defaultConfig, loadConfig } from '../../src/config/load.js';
import type { XffConfig } from '../../src/config/xff.js';
import * as build from '../../src/lab/packets.js';
import { eveAlert, eveApp, eveFile } from '../../src/output/eve.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { rules } from '../support/detect.js';
import { EngineBench } from '../support/engine.js';

const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function read(text: string, header = 'X-Forwarded-For'): string | undefined {
  const forwarded = new Forwarded(header);
  const mem = bytes(`before${text}behind`);
  if (!forwarded.read(mem, 6, mem.length - 6)) return undefined;
  return String.fromCharCode(...forwarded.bytes.subarray(0, forwarded.length));
}

test('who stands first and last in all headers of the name', () => {
  assert.equal(read('Host: a\r\nx-forwarded-FOR: 1.1.1.1 , 2.2.2.2,\t3.3.3.3\r\nA: b\r\n'), '1.1.1.1,3.3.3.3');
  assert.equal(read('X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 4.4.4.4, 5.5.5.5\r\n'), '1.1.1.1,5.5.5.5');
  assert.equal(read('X-Forwarded-For:1.1.1.1'), '1.1.1.1,1.1.1.1');
  assert.equal(read('X-Forwarded-For:\r\n'), ',');
  assert.equal(read(`X-Forwarded-For: ${'1'.repeat(65)}, 2.2.2.2\r\n`), ',2.2.2.2');
  assert.equal(read('X-Forwarded-For2: 1.1.1.1\r\nA: X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For\r\n'), undefined);
  assert.equal(read('X-Real: 1.1.1.1\r\n', 'x-real'), '1.1.1.1,1.1.1.1');
});

test('any bytes: never more than there is room for', () => {
  const piece = fc.constantFrom('X-Forwarded-For:', '\r\n', '\n', ',', ' ', '1.1.1.1', 'a'.repeat(63), 'b'.repeat(65), ':', '\t');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const forwarded = new Forwarded('X-Forwarded-For');
      const mem = bytes(pieces.join(''));
      const found = forwarded.read(mem, 0, mem.length);
      assert.ok(forwarded.length <= forwarded.bytes.length);
      assert.equal(found, /^X-Forwarded-For:/m.test(pieces.join('')));
    }),
  );
});

function load(outputs: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  try {
    const file = join(folder, 'suricata.yaml');
    writeFileSync(file, `%YAML 1.1\n---\noutputs:\n${outputs}`);
    const { config, warnings } = loadConfig(file);
    const { eve, fileStore } = config.outputs;
    return { eve: eve.xff, alert: eve.alert.xff, store: fileStore?.xff, header: config.appLayer?.http?.xff, warnings };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('xff of a log, of its alerts, of the file-store', () => {
  const none = { eve: undefined, alert: undefined, store: undefined, header: undefined, warnings: [] };
  const eve = (xff: string, alert = '') =>
    `  - eve-log:\n      enabled: yes\n      xff: ${xff}\n      types:\n        - alert:\n            ${alert === '' ? 'enabled: yes' : `xff: ${alert}`}\n`;
  assert.deepEqual(load(eve('{ enabled: no, mode: overwrite }')), none);
  const usual = { mode: 'extra-data', deployment: 'reverse', header: 'X-Forwarded-For' };
  assert.deepEqual(load(eve('{ enabled: yes }')), { ...none, eve: usual, alert: usual, header: 'X-Forwarded-For' });
  const own = { mode: 'overwrite', deployment: 'forward', header: 'X-Real' };
  const section = '{ enabled: yes, mode: overwrite, deployment: forward, header: X-Real }';
  assert.deepEqual(load(eve('{ enabled: no }', section)), { ...none, alert: own, header: 'X-Real' });
  assert.deepEqual(load(eve('{ enabled: yes }', '{ enabled: no }')), { ...none, eve: usual, header: 'X-Forwarded-For' });
  const two = load(eve('{ enabled: yes }', section));
  assert.deepEqual([two.header, two.warnings.length], ['X-Forwarded-For', 1]);
  const store = '  - file-store:\n      version: 2\n      enabled: yes\n      xff: { enabled: yes }\n';
  assert.deepEqual(load(store), { ...none, store: usual, header: 'X-Forwarded-For' });
  assert.throws(() => load(eve('{ enabled: yes, mode: replace }')), /xff\.mode.*replace/);
  assert.equal(load(eve('{ enabled: yes, header: X-Real_IP.1 }')).header, 'X-Real_IP.1');
  for (const header of ['"X Real"', '"X-Real:"', '"X\\u00e4"', '"X\\nY"'])
    assert.throws(() => load(eve(`{ enabled: yes, header: ${header} }`)), {
      code: 'SLUICE_CONFIG',
      message: /^[^\n]*xff\.header is '[^\n]*; allowed: a header's name[^\n]*$/,
    });
});

const CLIENT = '10.1.2.3';
const PROXY = '192.0.2.7';
const RULES = [
  'alert http any any -> any any (http.uri; content:"/x"; sid:1;)',
  'alert http any any -> any any (http.stat_code; content:"200"; sid:2;)',
];

interface Eve {
  event_type: string;
  src_ip: string;
  dest_ip: string;
  xff?: string;
  alert?: { xff?: string };
  http?: { xff?: string };
}

/** Records of a request with that header, and of its answer. */
function records(header: string, xff: XffConfig | undefined): Eve[] {
  const config = defaultConfig();
  const { eve } = config.outputs;
  Object.assign(eve, { app: ['http'], flow: false, files: true, xff });
  eve.alert.xff = xff;
  if (xff !== undefined) config.appLayer = { ...config.appLayer, http: { ...config.appLayer?.http, xff: xff.header } };
  const bench = new EngineBench({ rules: RULES, config, mode: Mode.Ips }, false);
  const seq = [1000, 5000];
  const send = (direction: number, flags: number, text = '') => {
    const [src, dst] = direction === 0 ? [CLIENT, PROXY] : [PROXY, CLIENT];
    const ports = direction === 0 ? { srcPort: 40000, dstPort: 80 } : { srcPort: 80, dstPort: 40000 };
    const ack = (flags & 16) === 0 ? 0 : seq[direction ^ 1];
    bench.send(
      build.ipv4({ src, dst, proto: 6 }, build.tcp({ src, dst, ...ports, flags, seq: seq[direction], ack }, build.bytes(text))),
      101,
    );
    seq[direction] += text.length + ((flags & 2) === 0 ? 0 : 1);
  };
  send(0, 2);
  send(1, 18);
  send(0, 16);
  send(0, 24, `GET /x HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n`);
  send(1, 24, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
  const found: Eve[] = [];
  const e = new EventRecord();
  const set = rules(...RULES);
  for (let at = bench.events.peek(); at >= 0; at = bench.events.peek()) {
    assert.ok(decodeEvent(bench.events.bytes, bench.events.view, at, bench.events.length, e));
    if (e.type === EventType.App) found.push(JSON.parse(eveApp(e, eve, '')));
    if (e.type === EventType.File) found.push(JSON.parse(eveFile(e, eve, '')));
    if (e.type === EventType.Alert) found.push(JSON.parse(eveAlert(e, set[e.ruleIndex], eve, '')));
    bench.events.release();
  }
  bench.close();
  return found;
}

const sides = (all: Eve[]) => all.map((e) => `${e.event_type} ${e.src_ip} ${e.dest_ip}`);
const said = (all: Eve[]) => all.map((e) => e.alert?.xff ?? e.http?.xff ?? e.xff);
const SIDES = [`alert ${CLIENT} ${PROXY}`, `alert ${PROXY} ${CLIENT}`, `http ${CLIENT} ${PROXY}`, `fileinfo ${PROXY} ${CLIENT}`];
const HEADER = 'X-Forwarded-For: 203.0.113.1, 203.0.113.2';
const xff = (mode: XffConfig['mode'], deployment: XffConfig['deployment']): XffConfig => ({ mode, deployment, header: 'X-Forwarded-For' });

test('extra-data: a field of alerts, of http, of files', () => {
  const last = records(HEADER, xff('extra-data', 'reverse'));
  assert.deepEqual(sides(last).sort(), [...SIDES].sort());
  assert.deepEqual(new Set(said(last)), new Set(['203.0.113.2']));
  assert.ok(last.every((e) => (e.xff !== undefined) === (e.event_type === 'fileinfo')));
  assert.deepEqual(new Set(said(records(HEADER, xff('extra-data', 'forward')))), new Set(['203.0.113.1']));
});

test('overwrite: the address in place of the client, whichever side it is', () => {
  const all = records(HEADER, xff('overwrite', 'reverse'));
  assert.deepEqual(sides(all).sort(), SIDES.map((side) => side.replace(CLIENT, '203.0.113.2')).sort());
  assert.deepEqual(new Set(said(all)), new Set([undefined]));
});

test('ports and brackets are taken off; what is no address is not shown', () => {
  const of = (value: string) => [...new Set(said(records(`X-Forwarded-For: ${value}`, xff('extra-data', 'reverse'))))];
  assert.deepEqual(of('203.0.113.9:8080'), ['203.0.113.9']);
  assert.deepEqual(of('[2001:db8::1]:443'), ['2001:db8::1']);
  assert.deepEqual(of('2001:db8::1'), ['2001:db8::1']);
  for (const word of ['unknown', '1.2.3', '1.2.3.4.5', '"},"evil":"', '', 'fe80::1%eth0']) assert.deepEqual(of(word), [undefined], word);
});

test('where nobody asks records are as they were', () => {
  const plain = records(HEADER, undefined);
  assert.deepEqual(sides(plain).sort(), [...SIDES].sort());
  assert.deepEqual(new Set(said(plain)), new Set([undefined]));
});
