/**
 * Run in a namespace as root: two threads hold a queue each, the first asked to keep its right, then the process gives
 * up all rights. Prints, as JSON, what each can still do. The queues (3 and 4) get one datagram each from here.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { FrameWord, Nf } from '../../src/capture/frames.js';
import { native } from '../../src/native.js';
import { NetfilterPeer } from './peer-netfilter.js';

export interface Rights {
  /** Errno name of raiseNetAdmin, '' when it succeeded. */
  raised: string;
  /** Effective capabilities, before and after raiseNetAdmin. */
  effective: [string, string];
  permitted: string;
  /** Verdict messages the kernel refused, before and after raiseNetAdmin. */
  refused: [number, number];
  depth: number;
}

const FIRST_QUEUE = 3;
const UID = 65534;

if (isMainThread) await main();
else thread();

async function main(): Promise<void> {
  const threads = [0, 1].map((i) => new Worker(fileURLToPath(import.meta.url), { workerData: i }));
  await Promise.all(threads.map((one) => once(one, 'message')));
  native.confine(UID, UID);
  const socket = createSocket('udp4');
  for (const i of [0, 1]) {
    const sent = new Promise((resolve) => {
      socket.send('x', FIRST_QUEUE + i, '127.0.0.1', resolve);
    });
    await sent;
  }
  socket.close();
  const results: Rights[] = [];
  for (const one of threads) {
    one.postMessage('go');
    results.push((await once(one, 'message'))[0] as Rights);
    await one.terminate();
  }
  process.stdout.write(JSON.stringify(results));
}

function thread(): void {
  const peer = new NetfilterPeer();
  const failed = peer.queueOpen('q', { queue: FIRST_QUEUE + (workerData as number) });
  if (failed !== '') throw new Error(failed);
  if (workerData === 0) native.keepNetAdmin();
  const capability = (name: string) => new RegExp(`^${name}:\\s*(\\w+)`, 'm').exec(readFileSync('/proc/thread-self/status', 'utf8'))![1];
  /** Answers the packet; what the kernel refused of it. */
  const answer = (id: number) => {
    peer.answer('q', [{ id, verdict: Nf.Accept }]);
    peer.take('q', 64, 0);
    return peer.answer('q', [])[1];
  };
  parentPort!.on('message', () => {
    const [frame] = peer.take('q');
    const id = frame.words[FrameWord.PacketId];
    const before = [capability('CapEff'), answer(id)] as const;
    let raised = '';
    try {
      native.raiseNetAdmin();
    } catch (error) {
      raised = (error as NodeJS.ErrnoException).code ?? '';
    }
    parentPort!.postMessage({
      raised,
      effective: [before[0], capability('CapEff')],
      permitted: capability('CapPrm'),
      refused: [before[1], answer(id)],
      depth: peer.queueStatistics('q')[0],
    } satisfies Rights);
  });
  parentPort!.postMessage('ready');
}
