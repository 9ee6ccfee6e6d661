import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpHarness } from '../support/http-harness.js';

function headerOf(direction: number, head: string): string[] {
  const h = new HttpHarness();
  if (direction === 1) h.packet(0, 'GET / HTTP/1.1\r\n\r\n');
  h.packet(direction, head);
  h.end();
  return h.seen[0].buffers[direction][direction === 0 ? 'http.request_header' : 'http.response_header'];
}

test('a request: every line that begins with a blank goes on with the header before', () => {
  assert.deepEqual(headerOf(0, 'GET / HTTP/1.1\r\nA\r\n b:c\r\n d:e\r\n f\r\n\r\n'), ['A b: c d:e f']);
});

test('a response: a line with a colon goes on only with what has none yet, in whichever of its lines that came', () => {
  assert.deepEqual(headerOf(1, 'HTTP/1.1 200 OK\r\nA\r\n b:c\r\n d:e\r\n f\r\n g:h\r\n\r\n'), ['A b: c', 'd: e f', 'g: h']);
  assert.deepEqual(headerOf(1, 'HTTP/1.1 200 OK\r\nA\r\n b\r\n  c:d\r\n e\r\n f:g\r\n\r\n'), ['A b c: d e', 'f: g']);
  assert.deepEqual(headerOf(1, 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n d:e\r\n\r\n'), ['A: b c', 'd: e']);
});
