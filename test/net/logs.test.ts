import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import { ATTACK_RULE, attack } from '../support/attack.js';
import { Bridge } from '../support/bridge.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';

const RULES = [ATTACK_RULE, 'alert udp any any -> any 5555 (msg:"noise"; content:"noise"; sid:5;)'];
/** Datagrams whose alerts fill what memory there is for lines that wait. */
const NOISE = 4000;

describe('logs that cannot be written', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
  });

  const [src, dst] = ['10.99.1.1', '10.99.1.2'];
  const noise = (srcPort: number) => {
    const segment = udp({ src, dst, srcPort, dstPort: 5555 }, Buffer.from(`noise${'-'.repeat(1400)}`));
    return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
  };

  /** Noise passes and attacks do not, whatever becomes of the lines. */
  async function worksOn(count: number): Promise<void> {
    for (let sent = 0; sent < count; ) {
      await server.do('reset', 'eth0');
      const n = Math.min(200, count - sent);
      await client.do('send', 'eth0', [attack(), ...Array.from({ length: n }, (_, i) => noise(10_000 + i))]);
      await waitFor(async () => (await server.do('frames', 'eth0')).length >= n, { intervalMs: 2, what: 'the noise to pass' });
      const frames = await server.do('frames', 'eth0');
      assert.equal(frames.length, n, 'the attack did not');
      sent += n;
    }
  }

  const engine = (logs: string) =>
    Bridge.start(lab, {
      rules: RULES,
      logs,
      alert: 'alert: { payload: yes, payload-printable: yes }',
      args: ['--set', 'stats.enabled=no'],
    });

  test('a disk that fills up: traffic and blocking go on, lost lines are counted, writing resumes', async () => {
    const logs = mkdtempSync(join(tmpdir(), 'sluice-small-'));
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', logs]).status, 0);
    try {
      const bridge = await engine(logs);
      await worksOn(NOISE);
      await bridge.said(/Warning: sluice: .*eve\.json: the disk is full/);
      await waitFor(async () => (await bridge.metric('log_lines_lost_total', { log: 'eve.json' })) > 0, {
        what: 'lost lines to be counted',
      });
      assert.equal(await bridge.metric('up'), 1);
      assert.equal(spawnSync('mount', ['-o', 'remount,size=64m', logs]).status, 0);
      // How many were lost in this bout: the metric above says that some were.
      await bridge.said(/eve\.json: writing to .* again; \d+ lines were lost/);
      await worksOn(1);
      await waitFor(async () => (await bridge.metric('alerts_total')) >= NOISE, { what: 'all alerts' });
      const lost = await bridge.metric('log_lines_lost_total', { log: 'eve.json' });
      const eventsLost = await bridge.metric('events_lost_total');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.packets, stopped.passed + stopped.dropped);
      // One flow and one drop record for each attack, one alert for it; flows of the noise.
      const written = readFileSync(join(logs, 'eve.json'), 'utf8').trimEnd().split('\n');
      for (const line of written) JSON.parse(line);
      const alerts = written.filter((line) => line.includes('"event_type":"alert"')).length;
      assert.equal(
        stopped.alerts <= alerts + lost + eventsLost,
        true,
        `${stopped.alerts} alerts: ${alerts} written, ${lost} lines and ${eventsLost} events lost`,
      );
      assert.match(bridge.output, /eve\.json: \d+ lines lost/);
    } finally {
      spawnSync('umount', ['-l', logs]);
      rmSync(logs, { recursive: true, force: true });
    }
  });

  test('a folder that is removed: traffic and blocking go on, lost lines are counted; writing resumes when it is back', async () => {
    const logs = mkdtempSync(join(tmpdir(), 'sluice-gone-'));
    try {
      const bridge = await engine(logs);
      await worksOn(200);
      await waitFor(() => bridge.fast('[1:5:').length >= 200, { what: 'the log' });
      rmSync(logs, { recursive: true });
      await worksOn(NOISE);
      await bridge.said(/Warning: sluice: .*eve\.json: the directory does not exist/);
      await waitFor(async () => (await bridge.metric('log_lines_lost_total')) > 0, { what: 'lost lines to be counted' });
      mkdirSync(logs);
      await bridge.said(/eve\.json: writing to .* again/);
      await worksOn(200);
      await waitFor(() => existsSync(join(logs, 'fast.log')) && bridge.fast('[1:5:').length >= 200, { what: 'the new log' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.packets, stopped.passed + stopped.dropped);
    } finally {
      rmSync(logs, { recursive: true, force: true });
    }
  });
});
