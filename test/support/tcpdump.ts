import { readFileSync } from 'node:fs';
import { CaptureFile } from '../../src/capture/pcap/capture-file.js';
import { Packet } from '../../src/decode/packet.js';
import { type Namespaces, type Side, waitFor } from './netns.js';

/** Frames as tcpdump sees them: an observer that shares no code with Sluice (libpcap puts VLAN tags back itself). */
export class Tcpdump {
  private constructor(
    private readonly path: string,
    private readonly end: () => Promise<void>,
  ) {}

  /** Resolves when it listens. `path`: where to write. */
  static async start(lab: Namespaces, side: Side, path: string, iface = 'eth0'): Promise<Tcpdump> {
    const args = ['-i', iface, '-w', path, '-U', '--immediate-mode', '-Q', 'in', '-s', '0', '-Z', 'root', '-n'];
    const child = lab.spawn(side, 'tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
    await waitFor(() => said.includes('listening on'), { what: `tcpdump to listen (${said})` });
    return new Tcpdump(path, async () => {
      child.kill('SIGINT');
      await exited;
    });
  }

  /** Frames so far that begin with this MAC source prefix. */
  frames(mark: readonly number[]): Uint8Array[] {
    if (readFileSync(this.path).length < 24) return [];
    const file = new CaptureFile();
    file.open(this.path);
    const found: Uint8Array[] = [];
    for (const p = new Packet(); file.next(p); ) {
      const frame = p.mem.slice(p.off, p.off + p.capLen);
      if (mark.every((byte, i) => frame[6 + i] === byte)) found.push(frame);
    }
    file.dispose();
    return found;
  }

  stop(): Promise<void> {
    return this.end();
  }
}
