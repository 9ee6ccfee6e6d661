import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultConfig, loadConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { eveFile } from '../../src/output/eve.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from '../support/engine.js';

const DEPTH = 1000;

interface Stored {
  size: number;
  state: string;
  stored: boolean;
}

/** Records of the files that two answers of 5,000 bytes bring; streams are put in order for DEPTH bytes. */
function files(force: boolean, streamDepth: number | undefined, mode: Mode, ...texts: string[]): Stored[] {
  const config = defaultConfig();
  config.stream = { ...config.stream, reassembly: { ...config.stream.reassembly, depth: DEPTH } };
  Object.assign(config.outputs.eve, { app: [], flow: false, files: true });
  config.outputs.fileStore = { dir: 'filestore', writeFileinfo: false, force, maxOpenFiles: 0, streamDepth };
  const bench = new EngineBench({ rules: texts, config, mode }, false);
  const seq = [1000, 5000];
  const send = (direction: number, flags: number, text = '') => {
    const [src, dst] = direction === 0 ? ['10.1.2.3', '192.0.2.7'] : ['192.0.2.7', '10.1.2.3'];
    const ports = direction === 0 ? { srcPort: 40000, dstPort: 80 } : { srcPort: 80, dstPort: 40000 };
    const ack = (flags & 16) === 0 ? 0 : seq[direction ^ 1];
    bench.send(
      build.ipv4({ src, dst, proto: 6 }, build.tcp({ src, dst, ...ports, flags, seq: seq[direction], ack }, build.bytes(text))),
      101,
    );
    seq[direction] += text.length + ((flags & 3) === 0 ? 0 : 1);
  };
  send(0, 2);
  send(1, 18);
  send(0, 16);
  for (let n = 0; n < 2; n++) {
    send(0, 24, `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`);
    send(1, 24, 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n');
    for (let i = 0; i < 10; i++) {
      send(1, 24, 'x'.repeat(500));
      send(0, 16);
    }
  }
  send(1, 17);
  send(0, 17);
  send(1, 16);
  bench.engine.flows.endAll();
  const found: Stored[] = [];
  const e = new EventRecord();
  for (let at = bench.events.peek(); at >= 0; at = bench.events.peek()) {
    // Bytes for the store are in the ring, too.
    if (decodeEvent(bench.events.bytes, bench.events.view, at, bench.events.length, e) && e.type === EventType.File) {
      const { size, state, stored } = JSON.parse(eveFile(e, config.outputs.eve, '')).fileinfo;
      found.push({ size, state, stored });
    }
    bench.events.release();
  }
  bench.close();
  return found;
}

const WHOLE = { size: 5000, state: 'CLOSED', stored: true };
const CUT = { size: DEPTH - 41, state: 'TRUNCATED', stored: true };

test('stream-depth 0: files that are stored are stored whole', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) assert.deepEqual(files(true, 0, mode), [WHOLE, WHOLE]);
});

test('without it they end with the stream', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) assert.deepEqual(files(true, undefined, mode), [CUT]);
});

test('a greater depth is that much more from where the file begins', () => {
  const [first, second] = files(true, 4000, Mode.Ips);
  assert.deepEqual([first.state, second], ['TRUNCATED', undefined]);
  // The segment with which it begins, and so many bytes behind that.
  assert.equal(first.size, 4500);
});

test('a rule with filestore does the same, for what it stores alone', () => {
  assert.deepEqual(files(false, 0, Mode.Ips, 'alert http any any -> any any (http.stat_code; content:"200"; filestore; sid:1;)'), [
    WHOLE,
    WHOLE,
  ]);
  const [only] = files(false, 0, Mode.Ips, 'alert http any any -> any any (http.uri; content:"/9"; filestore:response; sid:1;)');
  assert.deepEqual(only, { ...CUT, stored: false });
});

test('file-store stream-depth: 0 without the key, and above the depth of all streams', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const load = (said: string) => {
    const file = join(folder, 'suricata.yaml');
    const more = said === '' ? '' : `      stream-depth: ${said}\n`;
    writeFileSync(
      file,
      `%YAML 1.1\n---\nstream:\n  reassembly:\n    depth: 2mb\noutputs:\n  - file-store:\n      version: 2\n      enabled: yes\n${more}`,
    );
    const { config, warnings } = loadConfig(file);
    return [config.outputs.fileStore?.streamDepth, warnings.length];
  };
  try {
    for (const said of ['', '0', 'no']) assert.deepEqual(load(said), [0, 0], said);
    assert.deepEqual(load('3mb'), [3 << 20, 0]);
    assert.deepEqual(load('2mb'), [undefined, 1]);
    assert.throws(() => load('deep'), /stream-depth.*deep/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
