import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUFFER_NAMES, Buffers } from '../../src/app-layer/buffers.js';
import { Files } from '../../src/app-layer/files/files.js';
import { HttpProtocol } from '../../src/app-layer/http/http.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { Transactions } from '../../src/app-layer/transactions.js';
import { Counter } from '../../src/metrics/counters.js';
import { latin1 } from '../support/object-writer.js';

const FILE_DATA = BUFFER_NAMES.indexOf('file.data');

/** Parsers of one packet: what several deliveries within it show at its end. */
class Flow {
  private readonly counters = new Float64Array(Counter.Count);
  private readonly sessions = new Sessions(4);
  readonly txs = new Transactions(64, 1 << 20, 64, 4);
  readonly http = new HttpProtocol(this.sessions, this.txs, this.counters, {}, new Files(this.txs, this.counters, 64));
  private readonly session = this.sessions.take();
  private readonly buffers = new Buffers();

  constructor() {
    this.http.open(this.session);
  }

  /** One packet: bytes of a direction, or a number of them that are missing; the response body as it is shown at its end. */
  packet(direction: number, ...pieces: (string | number)[]): string {
    const { http, txs, session, buffers } = this;
    txs.begin();
    http.begin();
    http.files.begin();
    const all = Buffer.from(pieces.filter((piece) => typeof piece === 'string').join(''), 'latin1');
    let at = 0;
    for (const piece of pieces) {
      if (typeof piece === 'number') http.gap(session, direction, piece);
      else http.data(session, direction, all, 7, at, piece.length);
      if (typeof piece === 'string') at += piece.length;
    }
    http.files.keep();
    buffers.clear();
    for (let i = 0; i < txs.count; i++) http.select(txs.moments[2 * i], txs.moments[2 * i + 1], buffers);
    if (direction === 0 || buffers.len[FILE_DATA] < 0) return '';
    return latin1(buffers.mem[FILE_DATA], buffers.off[FILE_DATA], buffers.len[FILE_DATA]);
  }

  end(): void {
    const { http, txs, session } = this;
    txs.begin();
    http.begin();
    http.files.begin();
    txs.closeAll(session);
    http.close(session);
    txs.begin();
    http.begin();
  }
}

/** A response whose body is in its third packet, the window of the first two lying in the heap. */
function begun(framing: string, first: string, second: string): Flow {
  const flow = new Flow();
  flow.packet(0, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(flow.packet(1, `HTTP/1.1 200 OK\r\n${framing}\r\n${first}`), 'one,');
  assert.equal(flow.packet(1, second), 'one,two,');
  return flow;
}

const FRAMINGS: readonly (readonly [string, string, string, string, (text: string) => string])[] = [
  ['by length', 'Content-Length: 100\r\n', 'one,', 'two,', (text) => text],
  ['until close', '', 'one,', 'two,', (text) => text],
  ['in a chunk', 'Transfer-Encoding: chunked\r\n', '50\r\none,', 'two,', (text) => text],
];

for (const [name, framing, first, second, framed] of FRAMINGS) {
  test(`${name}: behind a gap in the same packet a dropped window is not written to`, () => {
    const flow = begun(framing, first, second);
    const { heap } = flow.txs;
    // What lies at the heap's beginning is somebody else's: here, the request's head.
    const before = heap.bytes.slice(0, 256);
    const shown = flow.packet(1, framed('three,'), 5, framed('four,'), framed('five,'));
    assert.deepEqual(heap.bytes.slice(0, 256), before);
    assert.equal(shown, 'one,two,three,four,five,');
    // What comes next follows the bytes behind the gap.
    assert.equal(flow.packet(1, framed('six,')), 'one,two,three,four,five,six,');
    flow.end();
    assert.equal(heap.used, 0);
  });
}
