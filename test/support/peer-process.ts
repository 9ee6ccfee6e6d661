/** The process that a Peer (peer.ts) runs inside a namespace: carries out calls that come by IPC. */
import { NetfilterPeer } from './peer-netfilter.js';
import { RawPeer, type StreamOptions } from './peer-raw.js';
import { SocketPeer } from './peer-sockets.js';
import { SplitPeer, type SplitPlan } from './peer-split.js';
import { TalkPeer } from './peer-talk.js';

const sockets = new SocketPeer();
const talk = new TalkPeer();
const netfilter = new NetfilterPeer();
const raws = new Map<string, RawPeer>();
let split: SplitPeer | undefined;

function raw(iface: string): RawPeer {
  const open = raws.get(iface) ?? new RawPeer(iface);
  raws.set(iface, open);
  return open;
}

const calls = {
  ready: () => {},
  listen: (iface: string) => void raw(iface),
  send: (iface: string, frames: Uint8Array[]) => raw(iface).send(frames),
  stream: (iface: string, options: StreamOptions) => raw(iface).stream(options),
  halt: (iface: string) => raw(iface).halt(),
  frames: (iface: string) => raw(iface).frames(),
  books: (iface: string) => raw(iface).books(),
  reset: (iface: string) => raw(iface).reset(),
  tcpServe: sockets.tcpServe.bind(sockets),
  tcpOpen: sockets.tcpOpen.bind(sockets),
  tcpSay: sockets.tcpSay.bind(sockets),
  tcpClose: sockets.tcpClose.bind(sockets),
  tcpEcho: sockets.tcpEcho.bind(sockets),
  udpServe: sockets.udpServe.bind(sockets),
  udpGot: sockets.udpGot.bind(sockets),
  udpForget: sockets.udpForget.bind(sockets),
  udpBurst: sockets.udpBurst.bind(sockets),
  udpSend: sockets.udpSend.bind(sockets),
  talkServe: talk.talkServe.bind(talk),
  talkOpen: talk.talkOpen.bind(talk),
  talkDatagrams: talk.talkDatagrams.bind(talk),
  talkSay: talk.talkSay.bind(talk),
  talkFate: talk.talkFate.bind(talk),
  talkGot: talk.talkGot.bind(talk),
  talkAwait: talk.talkAwait.bind(talk),
  talkClose: talk.talkClose.bind(talk),
  splitOpen: (mac: string, server: string, port: number) => {
    split = new SplitPeer(mac, server, port);
  },
  splitRun: (plans: SplitPlan[]) => split!.run(plans),
  queueOpen: netfilter.queueOpen.bind(netfilter),
  queueAnswer: netfilter.answer.bind(netfilter),
  queueStatistics: netfilter.queueStatistics.bind(netfilter),
  logOpen: netfilter.logOpen.bind(netfilter),
  logStatistics: netfilter.logStatistics.bind(netfilter),
  sourceTake: netfilter.take.bind(netfilter),
  sourceCloseIntake: netfilter.closeIntake.bind(netfilter),
  sourceClose: netfilter.close.bind(netfilter),
  rawSend: netfilter.rawSend.bind(netfilter),
  linkSend: netfilter.linkSend.bind(netfilter),
};
export type Calls = typeof calls;

process.on('message', async ({ id, call, args }: { id: number; call: keyof Calls; args: unknown[] }) => {
  try {
    const result = await (calls[call] as (...a: unknown[]) => unknown)(...args);
    process.send?.({ id, result });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
