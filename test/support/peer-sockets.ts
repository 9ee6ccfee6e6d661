import { createHash } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

const BURST = 128;

/** Ordinary sockets of a peer process: TCP and UDP as the kernel makes them, offloads and all. */
export class SocketPeer {
  private readonly connections = new Map<string, Socket>();
  private readonly datagrams: string[] = [];
  private udp: UdpSocket | undefined;

  /** Echoes everything, on every address. */
  async tcpServe(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    await once(server.listen(port, '::'), 'listening');
  }

  /** Connects, from the address `from` if it is given; returns the local port, 0 when it could not within `ms`. */
  async tcpOpen(name: string, host: string, port: number, ms = 3000, from?: string): Promise<number> {
    const socket = connect({ host, port, noDelay: true, localAddress: from });
    socket.on('error', () => {});
    this.connections.set(name, socket);
    await within(ms, once(socket, 'connect')).catch(() => {});
    return socket.readyState === 'open' ? (socket.localPort ?? 0) : 0;
  }

  /** Says a line; returns what was echoed within `ms`. */
  async tcpSay(name: string, text: string, ms = 3000): Promise<string> {
    const socket = this.connections.get(name);
    if (socket === undefined) throw new Error(`no connection ${name}`);
    let answer = '';
    await within(
      ms,
      new Promise<void>((resolve) => {
        const take = (more: Buffer) => {
          answer += more.toString('latin1');
          if (answer.length < text.length) return;
          socket.off('data', take);
          resolve();
        };
        socket.on('data', take);
        socket.write(text, 'latin1');
      }),
    ).catch(() => {});
    return answer;
  }

  /** Closes in order; true when the other side closed too. */
  async tcpClose(name: string, ms = 3000): Promise<boolean> {
    const socket = this.connections.get(name);
    this.connections.delete(name);
    if (socket === undefined) return false;
    socket.resume();
    const closed = once(socket, 'close');
    socket.end();
    const done = await within(ms, closed).then(
      () => true,
      () => false,
    );
    socket.destroy();
    return done;
  }

  /** Sends `bytes` to an echo server; the digests of what was sent and of what came back. */
  async tcpEcho(host: string, port: number, bytes: number, ms = 15_000): Promise<{ sent: string; received: string; bytes: number }> {
    const socket = connect({ host, port });
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let got = 0;
    socket.on('error', () => {});
    socket.on('data', (part) => {
      received.update(part);
      got += part.length;
    });
    const ended = once(socket, 'end');
    const send = async () => {
      let state = bytes >>> 0 || 1;
      for (let left = bytes; left > 0; ) {
        const part = Buffer.alloc(Math.min(left, 1 << 16));
        for (let i = 0; i + 4 <= part.length; i += 4) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          part.writeUInt32LE(state, i);
        }
        sent.update(part);
        left -= part.length;
        if (!socket.write(part)) await once(socket, 'drain');
      }
      socket.end();
      await ended;
    };
    await within(ms, send()).catch(() => {});
    socket.destroy();
    return { sent: sent.digest('hex'), received: received.digest('hex'), bytes: got };
  }

  /** Keeps what arrives. */
  async udpServe(port: number): Promise<void> {
    this.udp = createSocket({ type: 'udp6' });
    this.udp.on('message', (message) => this.datagrams.push(message.toString('latin1')));
    this.udp.bind(port, '::');
    await once(this.udp, 'listening');
  }

  udpGot(): string[] {
    return this.datagrams;
  }

  udpForget(): void {
    this.datagrams.length = 0;
  }

  /** Datagrams of so many ports, `0` to `count - 1` in turn. `from`: the local address. */
  async udpBurst(host: string, port: number, count: number, ports = 1, from?: string): Promise<void> {
    const sockets = Array.from({ length: ports }, () => createSocket(host.includes(':') ? 'udp6' : 'udp4'));
    for (const socket of sockets) {
      socket.bind(0, from);
      await once(socket, 'listening');
    }
    const send = (i: number) =>
      new Promise<void>((resolve, reject) => {
        sockets[i % ports].send(`${i}`, port, host, (error) => (error ? reject(error) : resolve()));
      });
    // In parts: no burst may overrun a backlog on the way.
    for (let at = 0; at < count; at += BURST) {
      await Promise.all(Array.from({ length: Math.min(BURST, count - at) }, (_, i) => send(at + i)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const socket of sockets) socket.close();
  }

  /** One datagram from a fresh port, or from `from`. */
  async udpSend(host: string, port: number, text: string, from = 0): Promise<void> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
    if (from > 0) {
      socket.bind(from);
      await once(socket, 'listening');
    }
    await new Promise<void>((resolve, reject) => {
      socket.send(Buffer.from(text, 'latin1'), port, host, (error) => (error ? reject(error) : resolve()));
    });
    socket.close();
  }
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('too late')), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
