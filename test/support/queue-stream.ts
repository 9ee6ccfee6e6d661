import type { Bridge } from './bridge.js';
import { type Namespaces, waitFor } from './netns.js';
import type { Peer } from './peer.js';
import type { Numbered, StreamOptions } from './peer-raw.js';
import { kernelQueues } from './queue-lab.js';

/** A numbered stream from the client to the server, once it arrives. */
export class QueueStream {
  private constructor(
    private readonly client: Peer,
    private readonly server: Peer,
    private readonly sent: Promise<number>,
  ) {}

  static async start(client: Peer, server: Peer, options: StreamOptions, until = 500): Promise<QueueStream> {
    await server.do('reset', 'eth0');
    const stream = new QueueStream(client, server, client.do('stream', 'eth0', options));
    await stream.received(until);
    return stream;
  }

  /** Until `more` have arrived beyond what has now. */
  async goesOn(more = 500): Promise<void> {
    await this.received((await this.books()).received + more);
  }

  received(count: number): Promise<unknown> {
    return waitFor(async () => (await this.books()).received >= count, { timeoutMs: 15_000, what: `${count} datagrams of the stream` });
  }

  books(): Promise<Numbered> {
    return this.server.do('books', 'eth0');
  }

  /** Ends it. Returns how many were sent, once `arrived` holds of the books or nothing has come for a while. */
  async end(): Promise<number> {
    await this.client.do('halt', 'eth0');
    return this.sent;
  }
}

/** The books once all is there that will come: nothing waits in the kernel's queues, and the last has had time to cross. */
export async function settled(lab: Namespaces, server: Peer): Promise<Numbered> {
  await emptyQueues(lab);
  let before = -1;
  await waitFor(
    async () => {
      const { received } = await server.do('books', 'eth0');
      const still = received === before;
      before = received;
      return still;
    },
    { intervalMs: 100, what: 'the last datagram' },
  );
  return server.do('books', 'eth0');
}

export async function emptyQueues(lab: Namespaces): Promise<void> {
  await waitFor(async () => (await kernelQueues(lab)).every(({ depth }) => depth === 0), {
    timeoutMs: 15_000,
    what: 'every queued packet to be answered',
  });
}

/** The last statistics record of a run that has ended. */
// biome-ignore lint/suspicious/noExplicitAny: EVE records have whatever shape their type has
export function lastStats(bridge: Bridge): any {
  return bridge.eve('stats').at(-1).stats;
}
