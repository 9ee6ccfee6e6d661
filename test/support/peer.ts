import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Namespaces, Side } from './netns.js';
import type { Calls } from './peer-process.js';

const SCRIPT = fileURLToPath(new URL('./peer-process.js', import.meta.url));

/** A helper process in a namespace that sends and receives: raw frames, TCP, UDP. It ends with the namespaces. */
export class Peer {
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private lastId = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const call = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Error(error));
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the peer process ended (${signal ?? code})`));
    });
  }

  static async start(lab: Namespaces, side: Side): Promise<Peer> {
    const child = lab.spawn(side, process.execPath, [SCRIPT], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    const peer = new Peer(child);
    await peer.do('ready');
    return peer;
  }

  do<K extends keyof Calls>(call: K, ...args: Parameters<Calls[K]>): Promise<Awaited<ReturnType<Calls[K]>>> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.child.send({ id, call, args });
    });
  }
}
