import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HttpHarness } from '../support/http-harness.js';

interface Part {
  head: string;
  data: string;
}

const file = (name: string, data: string): Part => ({ head: `Content-Disposition: form-data; name="f"; filename="${name}"`, data });
const field = (data: string): Part => ({ head: 'Content-Disposition: form-data; name="text"', data });

function body(parts: Part[], boundary = 'BOUND', eol = '\r\n'): string {
  return `${parts.map(({ head, data }) => `--${boundary}${eol}${head}${eol}${eol}${data}${eol}`).join('')}--${boundary}--${eol}`;
}

function request(content: string, boundary = 'BOUND'): string {
  return `POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${content.length}\r\n\r\n${content}`;
}

/** The files of a request given in pieces of `step` bytes: names, contents put together, states and sizes. */
function filesOf(text: string, step = text.length, end = true) {
  const h = new HttpHarness();
  for (let at = 0; at < text.length; at += step) h.packet(0, text.slice(at, at + step));
  if (end) h.end();
  return h.files.map(({ name, data, state, size }) => ({ name, data, state, size }));
}

const closed = (name: string, data: string) => ({ name, data, state: 'CLOSED', size: data.length });

describe('multipart requests', () => {
  it('each part with a file name is a file, fields are none', () => {
    const text = request(body([field('hello'), file('a.txt', 'first\r\n'), file('b.bin', 'se\ncond')]));
    assert.deepEqual(filesOf(text), [closed('a.txt', 'first\r\n'), closed('b.bin', 'se\ncond')]);
  });

  it('cut anywhere', () => {
    const text = request(body([file('a.txt', '\r\n--BOUN\r\n--BOUNDx\r--BOUND\n-'), field('x'), file('b', 'y')]));
    const whole = filesOf(text);
    assert.deepEqual(whole, [closed('a.txt', '\r\n--BOUN\r\n--BOUNDx\r--BOUND\n-'), closed('b', 'y')]);
    for (let step = 1; step < 30; step++) assert.deepEqual(filesOf(text, step), whole, String(step));
  });

  it('a boundary that begins with dashes, in quotes, lines that end with LF alone', () => {
    const text = request(body([file('a', 'data')], '----B', '\n'), '"----B"');
    assert.deepEqual(filesOf(text), [closed('a', 'data')]);
  });

  it('a field that is called filename', () => {
    const head = 'Content-Disposition: form-data; name="filename"; filename="putty.exe"';
    assert.deepEqual(filesOf(request(body([{ head, data: 'MZ' }]))), [closed('putty.exe', 'MZ')]);
  });

  it('a body that ends early: what was seen of the file is there', () => {
    const text = request(body([file('a', 'data'.repeat(40))])).slice(0, -60);
    const [one, ...more] = filesOf(text);
    assert.deepEqual(more, []);
    assert.equal(one.state, 'TRUNCATED');
    assert.ok('data'.repeat(40).startsWith(one.data) && one.data.length > 100);
  });

  it('events: no data, no end, a line that is no header', () => {
    const events = (content: string) => {
      const h = new HttpHarness();
      h.packet(0, request(content));
      h.packet(1, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      return h.seen[0].events.filter((name) => name.startsWith('multipart'));
    };
    assert.deepEqual(events(body([file('a', 'x')])), []);
    assert.deepEqual(events(body([file('a', '')])), ['multipart_no_filedata']);
    assert.deepEqual(events(body([file('a', 'x')]).replace('BOUND--', 'BOUND')), ['multipart_generic_error']);
    assert.deepEqual(events(body([{ head: 'nothing', data: 'x' }])), ['multipart_invalid_header']);
    assert.deepEqual(events('--BOUND--'), []);
  });

  it('any data, any cut', () => {
    const bytes = fc.string({ unit: fc.constantFrom('\r', '\n', '-', 'B', 'OUND', 'x', '--BOUND', '\r\n--BOUN') });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), fc.integer({ min: 1, max: 40 }), (contents, step) => {
        const parts = contents.filter((data) => !/(^|\n)--BOUND[\s-]/.test(`${data}\r`)).map((data, i) => file(`f${i}`, data));
        const expected = parts.map(({ data }, i) => closed(`f${i}`, data));
        assert.deepEqual(filesOf(request(body(parts)), step), expected);
      }),
      { numRuns: 80 },
    );
  });
});
