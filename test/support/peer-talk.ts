import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What became of one end of a conversation. */
export interface Fate {
  /** '' while it lives, `ECONNRESET` and the like, or `end` when the other side closed in order. */
  code: string;
  /** When `code` came, milliseconds of the machine's monotonic clock: the same one in all processes. */
  at: number;
  got: string;
}

interface End extends Fate {
  socket: Socket | UdpSocket;
  say(text: string): void;
}

/**
 * Conversations whose ends tell what became of them. Both ends of a TCP or UDP conversation are known by the client's port,
 * each in the process it lives in.
 */
export class TalkPeer {
  private readonly ends = new Map<number, End>();

  /** Keeps what arrives, and echoes lines that begin with `echo`. */
  async talkServe(port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      const end = this.tcpEnd(socket.remotePort!, socket);
      socket.on('data', (more) => {
        if (more.toString('latin1').startsWith('echo')) end.say(more.toString('latin1'));
      });
    });
    await once(server.listen(port, '::'), 'listening');
  }

  /** Connects; returns the local port, by which the conversation is known. */
  async talkOpen(host: string, port: number, ms = 5000): Promise<number> {
    const socket = connect({ host, port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error(`no connection to ${host} ${port} within ${ms} ms`)), ms);
    await once(socket, 'connect').finally(() => clearTimeout(timer));
    this.tcpEnd(socket.localPort!, socket);
    return socket.localPort!;
  }

  /** A connected UDP socket, known by `name` = the client's port: `local` there, `port` in the server. */
  async talkDatagrams(name: number, local: number, host: string, port: number): Promise<void> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
    const end: End = { code: '', at: 0, got: '', socket, say: (text) => socket.send(Buffer.from(text, 'latin1')) };
    this.ends.set(name, end);
    socket.on('error', (error) => ended(end, (error as NodeJS.ErrnoException).code ?? error.message));
    socket.on('message', (message) => {
      end.got += message.toString('latin1');
    });
    socket.bind(local);
    await once(socket, 'listening');
    socket.connect(port, host);
    await once(socket, 'connect');
  }

  /** Says something; returns when that was. */
  talkSay(name: number, text: string): number {
    const at = now();
    this.end(name).say(text);
    return at;
  }

  talkFate(name: number): Fate {
    const { code, at, got } = this.end(name);
    return { code, at, got };
  }

  /** What those whose names are from `first` on have got, by name. */
  talkGot(first: number, count: number): Record<number, string> {
    const all: Record<number, string> = {};
    for (const [name, { got }] of this.ends) if (name >= first && name < first + count) all[name] = got;
    return all;
  }

  /** Once its fate is known, or `got` holds `text`, or after `ms`. */
  async talkAwait(name: number, text: string | undefined, ms: number): Promise<Fate> {
    const until = now() + ms;
    for (;;) {
      const end = this.ends.get(name);
      if ((end !== undefined && (end.code !== '' || (text !== undefined && end.got.includes(text)))) || now() > until)
        return { code: end?.code ?? '', at: end?.at ?? 0, got: end?.got ?? '' };
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Forgets a conversation. */
  talkClose(name: number): void {
    const socket = this.ends.get(name)?.socket;
    this.ends.delete(name);
    if (socket === undefined) return;
    if ('destroy' in socket) socket.destroy();
    else socket.close();
  }

  private tcpEnd(name: number, socket: Socket): End {
    const end: End = { code: '', at: 0, got: '', socket, say: (text) => void socket.write(text, 'latin1') };
    this.ends.set(name, end);
    socket.on('data', (more) => {
      end.got += more.toString('latin1');
    });
    socket.on('error', (error) => ended(end, (error as NodeJS.ErrnoException).code ?? error.message));
    socket.on('end', () => ended(end, 'end'));
    return end;
  }

  private end(name: number): End {
    const end = this.ends.get(name);
    if (end === undefined) throw new Error(`no conversation ${name}`);
    return end;
  }
}

function ended(end: End, code: string): void {
  if (end.code !== '') return;
  end.code = code;
  end.at = now();
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
