import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppProto, BufferId } from '../../src/app-layer/buffers.js';
import { IpProto } from '../../src/decode/packet.js';
import { Bench, buffers, packet, rules } from '../support/detect.js';
import { HttpHarness } from '../support/http-harness.js';

/** Whether the tests pass on a window of a file that does not begin where the file does. */
function passes(options: string, window: string, base: number): boolean {
  const bench = new Bench(rules(`alert http any any -> any any (file.data; ${options})`));
  const shown = buffers({ 'file.data': window });
  shown.base[BufferId.FileData] = base;
  const found = bench.transaction(packet({ proto: IpProto.Tcp, appProto: AppProto.Http, flow: 0, established: 1, direction: 1 }), shown);
  return found.length > 0;
}

describe('windows of files', () => {
  for (const [options, base, expected] of [
    ['content:"MZ"; startswith;', 0, true],
    ['content:"MZ"; startswith;', 1, false],
    ['content:"MZ"; depth:2;', 4096, false],
    ['content:"MZ"; offset:4; depth:10;', 4096, false],
    ['content:"This"; depth:100; content:"program"; distance:1;', 94, false],
    ['content:"This"; depth:100; content:"program"; distance:1;', 93, true],
    ['content:"This"; content:"program"; distance:1; within:7;', 4096, true],
    ['content:"program"; offset:1;', 4096, true],
    ['content:"program"; offset:4104;', 4096, true],
    ['content:"program"; offset:4105;', 4096, false],
    ['content:"This"; offset:99; depth:4;', 96, true],
    ['content:"This"; offset:98; depth:4;', 96, false],
    // What stood where nothing is shown nobody knows.
    ['content:!"ZM"; depth:2;', 4096, false],
    ['content:!"ZM"; depth:2;', 0, true],
    ['content:!"ZM"; startswith;', 1, false],
    ['content:!"ZM"; offset:96; depth:9;', 96, true],
    ['content:!"ZM";', 4096, true],
    ['bsize:15;', 0, true],
    ['bsize:15;', 5, false],
    ['bsize:20;', 5, true],
    ['isdataat:100;', 90, true],
    ['isdataat:100;', 80, false],
    ['byte_test:1,=,77,0;', 0, true],
    ['byte_test:1,=,77,0;', 4096, false],
    ['byte_test:1,=,77,4096;', 4096, true],
    ['byte_test:1,=,77,4095;', 4096, false],
    ['pcre:"/^MZ/";', 0, true],
    ['pcre:"/^MZ/";', 4096, false],
    ['pcre:"/program$/";', 4096, true],
    ['content:"program"; distance:4104;', 4096, true],
    ['content:"program"; distance:4105;', 4096, false],
  ] as const)
    it(`${options} ${base} bytes in: ${expected}`, () => assert.equal(passes(options, 'MZ This program', base), expected));

  it('HTTP says where its windows begin', () => {
    const h = new HttpHarness();
    h.packet(0, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const bases: number[] = [];
    h.packet(1, `HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n${'x'.repeat(3000)}`);
    bases.push(h.buffers.base[BufferId.FileData]);
    for (let i = 0; i < 3; i++) {
      h.packet(1, 'y'.repeat(3000));
      bases.push(h.buffers.base[BufferId.FileData]);
      assert.equal(h.buffers.base[BufferId.HttpResponseBody], bases[i + 1]);
    }
    assert.deepEqual(bases, [0, 0, 1904, 4904]);
  });
});
