import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expandCaptures } from '../../src/capture/pcap/expand.js';
import { scratch } from '../support/capture-bytes.js';

const folder = scratch();
const file = (name: string, time = 1000) => {
  writeFileSync(join(folder, name), '');
  utimesSync(join(folder, name), time, time);
};
mkdirSync(join(folder, 'b', 'deep'), { recursive: true });
mkdirSync(join(folder, 'empty'));
file('c.pcap', 1);
file('a.pcap', 3);
file('b/x.pcap', 2);
file('b/deep/y.pcap', 1);
symlinkSync('a.pcap', join(folder, 'z.pcap'));
symlinkSync('gone', join(folder, 'dangling.pcap'));
const names = (paths: string[]) => paths.map((p) => p.slice(folder.length + 1));

test('a file stands for itself', () => {
  assert.deepEqual(expandCaptures(join(folder, 'a.pcap')), [join(folder, 'a.pcap')]);
});

test('a folder gives its files by name, links to files included, folders left out', () => {
  assert.deepEqual(names(expandCaptures(folder)), ['a.pcap', 'c.pcap', 'z.pcap']);
});

test('recursive walks into folders', () => {
  assert.deepEqual(names(expandCaptures(folder, { recursive: true })), ['a.pcap', 'b/deep/y.pcap', 'b/x.pcap', 'c.pcap', 'z.pcap']);
});

test('order time puts the oldest first, names among equals', () => {
  assert.deepEqual(names(expandCaptures(folder, { recursive: true, order: 'time' })), [
    'b/deep/y.pcap',
    'c.pcap',
    'b/x.pcap',
    'a.pcap',
    'z.pcap',
  ]);
});

test('a missing path and an empty folder are errors with a mend', () => {
  assert.throws(() => expandCaptures(join(folder, 'none')), {
    code: 'SLUICE_CAPTURE_FILE',
    message: /there is no such file or folder; name/,
  });
  assert.throws(() => expandCaptures(join(folder, 'empty')), { code: 'SLUICE_CAPTURE_FILE', message: /--pcap-file-recursive/ });
});
