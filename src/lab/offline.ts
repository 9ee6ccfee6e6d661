import { spawn } from 'node:child_process';
import { CaptureWriter } from '../capture/pcap/writer.js';
import { Engine, SLUICE } from './engine.js';
import type { LabFiles } from './files.js';
import { ADDRESS } from './namespaces.js';
import { bytes, ethernet, ipv4, PROTO, TCP, tcp } from './packets.js';
import { ATTACK_URL, BENIGN_URL, BODY } from './traffic.js';

const RUN_MS = 20_000;
export const BULK_SEGMENTS = 2000;
const SEGMENT = 1448;
/** Client ports: a fast.log line tells by them which exchange it is about. */
export const PORT = { benign: 40001, attack: 40002, bulk: 40003 } as const;

/**
 * The lab without a network: the same exchanges, written as a capture and replayed through
 * `bin/sluice -r`. Returns the packets written, and what went wrong with Sluice ('' for nothing).
 */
export async function replay(files: LabFiles): Promise<{ packets: number; failure: string; engine: Engine }> {
  const packets = writeCapture(files.capture);
  const args = ['-c', files.config, '-S', files.rules, '-l', files.logs, '-r', files.capture, '--simulate-ips'];
  const engine = new Engine(spawn(SLUICE, args, { stdio: ['ignore', 'pipe', 'pipe'] }), files.logs);
  const failure = await engine.untilEnded(RUN_MS).catch((error: Error) => error.message);
  return { packets, failure, engine };
}

/** A benign exchange, the attack, a bulk transfer: three whole TCP connections. Returns how many packets. */
export function writeCapture(path: string): number {
  const writer = new CaptureWriter(path);
  const response = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\nContent-Type: text/plain\r\n\r\n${BODY}`;
  exchange(writer, PORT.benign, 80, [request(BENIGN_URL)], [response]);
  exchange(writer, PORT.attack, 80, [request(ATTACK_URL)], []);
  exchange(writer, PORT.bulk, 5201, new Array(BULK_SEGMENTS).fill('x'.repeat(SEGMENT)), []);
  writer.close();
  return writer.packets;
}

function request(url: string): string {
  const { pathname, search } = rawPath(url);
  return `GET ${pathname}${search} HTTP/1.1\r\nHost: ${ADDRESS.server}\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n`;
}

/** As curl's --path-as-is: nothing normalised. */
function rawPath(url: string): { pathname: string; search: string } {
  const [, pathname, search = ''] = /^http:\/\/[^/]+([^?]*)(\?.*)?$/.exec(url)!;
  return { pathname, search };
}

interface End {
  src: string;
  dst: string;
  srcPort: number;
  dstPort: number;
  seq: number;
}

/** Handshake, what the client sends, what the server answers, an orderly end. */
function exchange(writer: CaptureWriter, port: number, serverPort: number, sends: readonly string[], answers: readonly string[]): void {
  const client: End = { src: ADDRESS.client, dst: ADDRESS.server, srcPort: port, dstPort: serverPort, seq: 1000 };
  const server: End = { src: ADDRESS.server, dst: ADDRESS.client, srcPort: serverPort, dstPort: port, seq: 5000 };
  const send = (from: End, to: End, flags: number, data = '') => {
    const segment = tcp({ ...from, ack: flags & TCP.ack ? to.seq : 0, flags }, bytes(data));
    const frame = ethernet({}, ipv4({ src: from.src, dst: from.dst, proto: PROTO.tcp }, segment));
    // A packet every 100 µs, in the order of the calls.
    const at = writer.packets * 100_000;
    writer.write(frame, 1_700_000_000 + Math.floor(at / 1e9), at % 1e9);
    from.seq += data.length + (flags & (TCP.syn | TCP.fin) ? 1 : 0);
  };
  send(client, server, TCP.syn);
  send(server, client, TCP.syn | TCP.ack);
  send(client, server, TCP.ack);
  for (const data of sends) {
    send(client, server, TCP.psh | TCP.ack, data);
    send(server, client, TCP.ack);
  }
  for (const data of answers) {
    send(server, client, TCP.psh | TCP.ack, data);
    send(client, server, TCP.ack);
  }
  send(client, server, TCP.fin | TCP.ack);
  send(server, client, TCP.fin | TCP.ack);
  send(client, server, TCP.ack);
}
