import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameFlag, FrameWord, Nf, QueueStat } from '../../src/capture/frames.js';
import { ethernet, ipv4, ipv6, PROTO, udp } from '../../src/lab/packets.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import type { NetfilterFrame } from '../support/peer-netfilter.js';

const LOCAL = '127.0.0.1';
const PORT = 7001;
const LOOPBACK = 1;
const UDP_PAYLOAD = 28;

const textOf = ({ bytes }: NetfilterFrame) => Buffer.from(bytes.subarray(UDP_PAYLOAD)).toString('latin1');
const idOf = ({ words }: NetfilterFrame) => words[FrameWord.PacketId];

/** Each test has a queue and a port of its own, so that nothing of another one is in it. */
describe('queues and log groups of a real kernel', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let peer: Peer;
  let echo: Peer;
  let arrived = 0;

  const run = async (command: string, ...args: string[]) => {
    const done = await lab.exec('client', command, args);
    assert.equal(done.code, 0, `${command} ${args.join(' ')}: ${done.stderr}`);
  };
  const rule = (...args: string[]) => run('iptables', '-w', ...args);
  const queued = (queue: number, port: number) =>
    rule('-A', 'OUTPUT', '-o', 'lo', '-p', 'udp', '--dport', String(port), '-j', 'NFQUEUE', '--queue-num', String(queue));
  /** Takes until there are so many. */
  const take = async (name: string, count: number, max = 64) => {
    const frames: NetfilterFrame[] = [];
    while (frames.length < count) {
      const more = await peer.do('sourceTake', name, max);
      assert.notEqual(more.length, 0, `${frames.length} of ${count} packets came`);
      frames.push(...more);
    }
    assert.equal(frames.length, count);
    return frames;
  };
  const send = async (port: number, ...texts: string[]) => {
    for (const text of texts) await peer.do('udpSend', LOCAL, port, text);
  };
  /** What has reached the socket on PORT since the last call. */
  const delivered = async (count: number) => {
    const all = await waitFor(
      async () => {
        const got = await echo.do('udpGot');
        return got.length >= arrived + count ? got : undefined;
      },
      { what: `${count} datagrams` },
    );
    const fresh = all!.slice(arrived);
    arrived = all!.length;
    return fresh;
  };

  test('peers', async () => {
    [peer, echo] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'client')];
    await echo.do('udpServe', PORT);
  });

  test('accept, drop, another payload, and one verdict for many', async () => {
    assert.equal(await peer.do('queueOpen', 'q', { queue: 3 }), '');
    await queued(3, PORT);

    await send(PORT, 'accept', 'drop', 'change');
    const [accept, drop, change] = await take('q', 3);
    assert.deepEqual([accept, drop, change].map(textOf), ['accept', 'drop', 'change']);
    assert.deepEqual([accept, drop, change].map(idOf), [1, 2, 3]);
    const { words } = accept;
    assert.deepEqual([words[FrameWord.Link], words[FrameWord.OutDevice], words[FrameWord.Mark]], [101, LOOPBACK, 0]);
    assert.equal(words[FrameWord.Wire], UDP_PAYLOAD + 'accept'.length);
    assert.ok(Math.abs(words[FrameWord.Seconds] - Date.now() / 1000) < 60, 'a time of its own');
    const longer = Buffer.concat([change.bytes, Buffer.from('d, and longer')]);
    longer.writeUInt16BE(longer.length, 2);
    longer.writeUInt16BE(longer.length - 20, 24);
    longer.writeUInt16BE(0, 26);
    // The header's sum: one's complement arithmetic over what changed (RFC 1624).
    const sum = (~longer.readUInt16BE(10) & 0xffff) + (~change.bytes.length & 0xffff) + longer.length;
    longer.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10);
    const result = await peer.do('queueAnswer', 'q', [
      { id: 1, verdict: Nf.Accept },
      { id: 2, verdict: Nf.Drop },
      { id: 3, verdict: Nf.Accept, payload: longer },
    ]);
    assert.deepEqual(result, [3, 0]);
    assert.deepEqual(await delivered(2), ['accept', 'changed, and longer']);

    const texts = Array.from({ length: 10 }, (_, i) => `batch ${i}`);
    await send(PORT, ...texts);
    const batch = await take('q', 10);
    assert.equal((await peer.do('queueStatistics', 'q'))[QueueStat.Depth], 10);
    await peer.do('queueAnswer', 'q', [{ id: idOf(batch[6]), upTo: true, verdict: Nf.Accept }]);
    assert.deepEqual(await delivered(7), texts.slice(0, 7));
    assert.equal((await peer.do('queueStatistics', 'q'))[QueueStat.Depth], 3);
    await peer.do('queueAnswer', 'q', [{ id: idOf(batch[9]), upTo: true, verdict: Nf.Accept }]);
    assert.deepEqual(await delivered(3), texts.slice(7));
    assert.deepEqual(await peer.do('queueStatistics', 'q'), [0, 0, 0, 0, 0]);
  });

  test('many verdicts in one call, more than one system call carries', async () => {
    const texts = Array.from({ length: 200 }, (_, i) => `n ${i}`);
    await send(PORT, ...texts);
    const frames = await take('q', 200, 256);
    const big = Buffer.alloc(30_000, 'x');
    const verdicts = frames.map((frame) => ({ id: idOf(frame), verdict: Nf.Accept }));
    const dropped = await peer.do('queueAnswer', 'q', [{ id: idOf(frames[0]), verdict: Nf.Drop, payload: big }, ...verdicts.slice(1)]);
    assert.deepEqual(dropped, [200, 0]);
    assert.deepEqual(await delivered(199), texts.slice(1));
  });

  test('a mark given, and a packet handed on to another queue', async () => {
    assert.equal(await peer.do('queueOpen', 'other', { queue: 4, copyRange: 40 }), '');
    await send(PORT, `${'long '.repeat(20)}`);
    const [frame] = await take('q', 1);
    await peer.do('queueAnswer', 'q', [{ id: idOf(frame), verdict: (4 << 16) | Nf.Queue, mark: 0x80000007 | 0 }]);
    const [again] = await take('other', 1);
    assert.equal(again.words[FrameWord.Mark], 0x80000007 | 0);
    assert.deepEqual([again.words[FrameWord.Captured], again.words[FrameWord.Wire]], [40, UDP_PAYLOAD + 100]);
    assert.ok(again.words[FrameWord.Flags] & FrameFlag.Truncated);
    await peer.do('queueAnswer', 'other', [{ id: idOf(again), verdict: Nf.Accept }]);
    assert.equal((await delivered(1))[0].length, 100);
  });

  test('a verdict for a packet that is not there is counted when the kernel has said so', async () => {
    assert.deepEqual(await peer.do('queueAnswer', 'q', [{ id: 1, verdict: Nf.Accept }]), [1, 0]);
    assert.deepEqual(await peer.do('sourceTake', 'q'), []);
    assert.deepEqual(await peer.do('queueAnswer', 'q', []), [0, 1]);
  });

  test('one socket for a queue and for a group', async () => {
    assert.match(await peer.do('queueOpen', 'second', { queue: 3 }), /^EBUSY NFQNL_CFG_CMD_BIND/);
    assert.match(await echo.do('queueOpen', 'second', { queue: 3 }), /^EBUSY NFQNL_CFG_CMD_BIND/);
    assert.equal(await peer.do('logOpen', 'held', { group: 9 }), '');
    assert.match(await echo.do('logOpen', 'second', { group: 9 }), /^EBUSY NFULNL_CFG_CMD_BIND/);
    await peer.do('sourceClose', 'held');
    assert.equal(await echo.do('logOpen', 'second', { group: 9 }), '');
  });

  test('closed intake: what has come is answered, what comes is refused', async () => {
    await send(PORT, 'before');
    const [before] = await take('q', 1);
    await peer.do('sourceCloseIntake', 'q');
    await send(PORT, 'after');
    assert.equal((await peer.do('queueStatistics', 'q'))[QueueStat.Dropped], 1);
    await peer.do('queueAnswer', 'q', [{ id: idOf(before), verdict: Nf.Accept }]);
    assert.deepEqual(await delivered(1), ['before']);
    await peer.do('sourceClose', 'q');
    await rule('-F', 'OUTPUT');
  });

  for (const failOpen of [false, true]) {
    test(`a full receive buffer ${failOpen ? 'with' : 'without'} fail-open: every packet is accounted for`, async () => {
      const [queue, name] = failOpen ? [6, 'open'] : [5, 'shut'];
      assert.equal(await peer.do('queueOpen', name, { queue, receiveBuffer: 32_768, failOpen, queueLength: 65_535 }), '');
      await queued(queue, PORT);
      const total = 200;
      await send(PORT, ...Array.from({ length: total }, () => 'x'.repeat(400)));
      const [depth, dropped, userDropped, , overruns] = await peer.do('queueStatistics', name);
      assert.ok(depth > 0 && depth < total, `${depth} of ${total} fitted`);
      assert.deepEqual([dropped, userDropped, overruns], [0, failOpen ? 0 : total - depth, total - depth]);
      if (failOpen) await delivered(total - depth);
      const frames = await take(name, depth);
      await peer.do('queueAnswer', name, [{ id: idOf(frames[depth - 1]), upTo: true, verdict: Nf.Accept }]);
      await send(PORT, 'the next id tells');
      const [next] = await take(name, 1);
      await peer.do('queueAnswer', name, [{ id: idOf(next), verdict: Nf.Accept }]);
      assert.equal((await delivered(depth + 1)).at(-1), 'the next id tells');
      assert.equal((await peer.do('queueStatistics', name))[QueueStat.Missing], total - depth);
      await peer.do('sourceClose', name);
      await rule('-F', 'OUTPUT');
    });
  }

  test('a log group: many packets in a datagram, taken a few at a time, none lost', async () => {
    assert.equal(await peer.do('logOpen', 'log', { group: 5, qthreshold: 8, qtimeout: 10 }), '');
    await rule(
      '-A',
      'OUTPUT',
      '-o',
      'lo',
      '-p',
      'udp',
      '-j',
      'NFLOG',
      '--nflog-group',
      '5',
      '--nflog-threshold',
      '8',
      '--nflog-prefix',
      'p',
    );
    const texts = Array.from({ length: 20 }, (_, i) => `log ${i}`);
    await send(PORT, ...texts);
    const frames = await take('log', 20, 3);
    assert.deepEqual(frames.map(textOf), texts);
    assert.deepEqual([...new Set(frames.map(({ words }) => words[FrameWord.Link]))], [101]);
    assert.deepEqual(await delivered(20), texts);
    assert.deepEqual(await peer.do('logStatistics', 'log'), [0, 0]);
    await rule('-F', 'OUTPUT');
    await rule('-A', 'OUTPUT', '-o', 'lo', '-p', 'udp', '-j', 'NFLOG', '--nflog-group', '5', '--nflog-size', '40');
    await send(PORT, 'a good deal more than forty bytes');
    const [cut] = await take('log', 1);
    assert.deepEqual([cut.words[FrameWord.Captured], cut.words[FrameWord.Wire]], [40, UDP_PAYLOAD + 33]);
    assert.ok(cut.words[FrameWord.Flags] & FrameFlag.Truncated);
    await delivered(1);
  });

  test('a log group that overruns: the sequence numbers tell how many', async () => {
    assert.equal(await peer.do('logOpen', 'small', { group: 8, receiveBuffer: 8192 }), '');
    await rule('-F', 'OUTPUT');
    await rule('-A', 'OUTPUT', '-o', 'lo', '-p', 'udp', '-j', 'NFLOG', '--nflog-group', '8');
    await send(PORT, ...Array.from({ length: 60 }, (_, i) => `n ${i}`));
    const seen = (await peer.do('sourceTake', 'small')).length;
    assert.ok(seen > 0 && seen < 60, `${seen} of 60 fitted`);
    await send(PORT, 'last');
    assert.equal(textOf((await take('small', 1))[0]), 'last');
    assert.deepEqual(await peer.do('logStatistics', 'small'), [60 - seen, 60 - seen]);
    await delivered(61);
    await rule('-F', 'OUTPUT');
  });

  test('IPv6', async () => {
    assert.equal(await peer.do('queueOpen', 'six', { queue: 7 }), '');
    await run('ip6tables', '-w', '-A', 'OUTPUT', '-o', 'lo', '-p', 'udp', '-j', 'NFQUEUE', '--queue-num', '7');
    await peer.do('udpSend', '::1', PORT, 'six');
    const [frame] = await take('six', 1);
    assert.deepEqual([frame.bytes[0] >> 4, frame.words[FrameWord.Link], frame.bytes.length], [6, 101, 40 + 8 + 3]);
    await peer.do('queueAnswer', 'six', [{ id: idOf(frame), verdict: Nf.Accept }]);
    assert.deepEqual(await delivered(1), ['six']);
    await run('ip6tables', '-w', '-F', 'OUTPUT');
  });

  test('raw packets arrive, whoever they say they are from; what is no packet is refused', async () => {
    const four = { src: '127.0.0.9', dst: LOCAL };
    const ports = { srcPort: 9, dstPort: PORT };
    const packet = ipv4({ ...four, proto: PROTO.udp }, udp({ ...four, ...ports }, Buffer.from('raw 4')));
    const six = { src: '::1', dst: '::1' };
    const packet6 = ipv6({ ...six, nextHeader: PROTO.udp }, udp({ ...six, ...ports }, Buffer.from('raw 6')));
    assert.equal(await peer.do('rawSend', packet), 0);
    assert.equal(await peer.do('rawSend', packet6), 0);
    assert.deepEqual((await delivered(2)).sort(), ['raw 4', 'raw 6']);
    const EINVAL = 22;
    for (const bad of [packet.subarray(0, 19), packet6.subarray(0, 39), new Uint8Array(60), new Uint8Array(0)])
      assert.equal(await peer.do('rawSend', bad), EINVAL, `${bad.length} bytes`);

    const server = await Peer.start(lab, 'server');
    const bridge = await Peer.start(lab, 'bridge');
    await server.do('udpServe', PORT);
    const link = JSON.parse((await lab.exec('server', 'ip', ['-j', 'link', 'show', 'eth0'])).stdout)[0] as { address: string };
    const port = JSON.parse((await lab.exec('bridge', 'ip', ['-j', 'link', 'show', 'eth1'])).stdout)[0] as { ifindex: number };
    const wire = { src: ADDRESS.client, dst: ADDRESS.server };
    const frame = ethernet(
      { src: '02:00:00:00:00:01', dst: link.address },
      ipv4({ ...wire, proto: PROTO.udp }, udp({ ...wire, ...ports }, Buffer.from('link'))),
    );
    assert.equal(await bridge.do('linkSend', frame, port.ifindex), 0);
    assert.deepEqual(await waitFor(async () => (await server.do('udpGot')).slice(0, 1), { what: 'the frame' }), ['link']);
    assert.equal(await bridge.do('linkSend', frame.subarray(0, 13), port.ifindex), EINVAL);
    const ENXIO = 6;
    assert.equal(await bridge.do('linkSend', frame, 9999), ENXIO);
  });

  test('the bridge family: whole frames, tags put back', async () => {
    const inBridge = async (command: string, ...args: string[]) => {
      const done = await lab.exec('bridge', command, args);
      assert.equal(done.code, 0, `${command} ${args.join(' ')}: ${done.stderr}`);
    };
    await inBridge('ip', 'link', 'add', 'br0', 'type', 'bridge');
    for (const port of ['eth0', 'eth1']) await inBridge('ip', 'link', 'set', port, 'master', 'br0');
    await inBridge('ip', 'link', 'set', 'br0', 'up');
    await inBridge(
      'nft',
      'table bridge t { chain f { type filter hook forward priority 0; ether saddr 02:53:00:00:00:01 log group 6; }; }',
    );
    const logger = await Peer.start(lab, 'bridge');
    assert.equal(await logger.do('logOpen', 'br', { group: 6 }), '');
    const wire = { src: ADDRESS.client, dst: ADDRESS.server };
    const packet = ipv4({ ...wire, proto: PROTO.udp }, udp({ ...wire, srcPort: 1, dstPort: 2 }, Buffer.from('through the bridge')));
    const macs = { src: '02:53:00:00:00:01', dst: '02:53:00:00:00:02' };
    const sent = [[], [{ id: 5, pcp: 3 }], [{ tpid: 0x88a8, id: 7 }], [{ tpid: 0x88a8, id: 7 }, { id: 8 }]].map((vlans) =>
      ethernet({ ...macs, vlans }, packet),
    );
    await peer.do('send', 'eth0', sent);
    const got: NetfilterFrame[] = [];
    while (got.length < sent.length) {
      const more = await logger.do('sourceTake', 'br');
      assert.notEqual(more.length, 0, `${got.length} of ${sent.length} came`);
      got.push(...more);
    }
    const ports = JSON.parse((await lab.exec('bridge', 'ip', ['-j', 'link', 'show', 'eth0'])).stdout)[0] as { ifindex: number };
    got.forEach(({ bytes, words }, i) => {
      assert.deepEqual(Buffer.from(bytes).toString('hex'), Buffer.from(sent[i]).toString('hex'));
      assert.deepEqual([words[FrameWord.Link], words[FrameWord.InDevice]], [1, ports.ifindex]);
    });
    assert.deepEqual(
      got.map(({ words }) => words[FrameWord.Lead]),
      [14, 18, 18, 18],
    );
  });
});
