import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptureFile } from '../../src/capture/pcap/capture-file.js';
import { Packet } from '../../src/decode/packet.js';
import { BULK_SEGMENTS, PORT, writeCapture } from '../../src/lab/offline.js';
import { scratch } from '../support/capture-bytes.js';

const folder = scratch();

test('the capture of the lab holds three whole connections, one of them with the attack', () => {
  const path = `${folder}/lab.pcap`;
  const written = writeCapture(path);
  const file = new CaptureFile();
  const p = new Packet();
  const packets = new Map<number, number>();
  const sent = new Map<number, number>();
  const attacks: number[] = [];
  let last = 0;
  file.open(path);
  while (file.next(p)) {
    const bytes = Buffer.from(p.mem.subarray(p.off, p.off + p.capLen));
    // Ethernet 14, IPv4 20, TCP 20.
    const toServer = [80, 5201].includes(bytes.readUInt16BE(36));
    const port = bytes.readUInt16BE(toServer ? 34 : 36);
    packets.set(port, (packets.get(port) ?? 0) + 1);
    if (toServer) sent.set(port, (sent.get(port) ?? 0) + p.capLen - 54);
    if (bytes.includes('/etc/passwd')) attacks.push(port);
    const at = p.tsSec * 1e6 + p.tsNsec / 1e3;
    assert.ok(at > last, 'time goes forward');
    last = at;
  }
  assert.equal(file.packets, written);
  assert.deepEqual(attacks, [PORT.attack]);
  assert.deepEqual([packets.get(PORT.benign), packets.get(PORT.attack), packets.get(PORT.bulk)], [10, 8, 6 + 2 * BULK_SEGMENTS]);
  assert.equal(sent.get(PORT.bulk), BULK_SEGMENTS * 1448);
});
