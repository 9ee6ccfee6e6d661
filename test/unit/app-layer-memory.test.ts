import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NO_ROOM } from '../../src/app-layer/app-layer.js';
import { BufferId } from '../../src/app-layer/buffers.js';
import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { Talk } from './app-layer-fixture.js';
import { A, S } from './flow-fixture.js';

const URI = /^\/victim$/;

/** Flows of HTTP through an AppLayer with a small heap. */
class Web extends Talk {
  uris: string[] = [];
  constructor() {
    super({
      port: 80,
      app: { protocols: PROTOCOLS, heapBytes: 4 << 20, sessions: 4096 },
      flow: { memcap: 8 << 20 },
      reassembly: { memcap: 64 << 20 },
    });
  }
  connect(clientPort: number): void {
    this.clientPort = clientPort;
    this.c(S, 1000);
    this.s(S | A, 5000, 1001);
    this.c(A, 1001, 5001);
  }
  /** A client's bytes, which the server acknowledges. */
  say(at: number, text: string): void {
    this.client(at, text);
    const { result } = this;
    this.s(A, 5001, 1001 + at + text.length);
    this.result = result;
  }
  override take(count: number): void {
    this.result = count;
    for (let i = 0; i < count; i++) {
      this.app.select(i);
      const { off, len, mem } = this.app.buffers;
      const id = BufferId.HttpUri;
      if (len[id] >= 0) this.uris.push(Buffer.from(mem[id].subarray(off[id], off[id] + len[id])).toString('latin1'));
    }
    this.app.settle();
  }
  /** A request in two segments on a connection of its own: its URI was seen, or it was refused. */
  victimIsSafe(clientPort: number): boolean {
    this.uris = [];
    this.connect(clientPort);
    this.say(0, 'GET /vic');
    if (this.result === NO_ROOM) return true;
    this.say(8, `tim HTTP/1.1\r\nHost: ${'h'.repeat(600)}\r\n\r\n`);
    return this.result === NO_ROOM || this.uris.some((uri) => URI.test(uri));
  }
}

describe('memory of application layers', () => {
  it('requests that nobody answers do not make others invisible', () => {
    const w = new Web();
    const request = `GET /${'x'.repeat(1200)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    for (let flow = 0; flow < 40; flow++) {
      w.connect(1024 + flow);
      for (let i = 0; i < 200; i++) w.say(i * request.length, request);
      assert.ok(w.victimIsSafe(30000 + flow), `behind ${flow + 1} flows`);
    }
    assert.ok(w.victimIsSafe(29999));
    assert.notEqual(w.result, NO_ROOM, 'flows with many transactions lose theirs first');
  });

  it('heads that do not end neither', () => {
    const w = new Web();
    for (let flow = 0; flow < 400; flow++) {
      w.connect(1024 + flow);
      for (let at = 0; at < 20_000; at += 1000) w.say(at, at === 0 ? `GET / HTTP/1.1\r\nX: ${'y'.repeat(981)}` : 'y'.repeat(1000));
      if (flow % 20 === 0) assert.ok(w.victimIsSafe(30000 + flow), `behind ${flow + 1} flows`);
    }
  });
});
