import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { native } from '../src/native.js';

/**
 * One piece of the rig in a process of its own, inside a namespace: floor, generator or probe. Prints
 * one JSON line. `node load.js <what> <arguments as JSON>`; the calls block for the time they are given.
 */
export interface LoadArguments {
  floor: { a: string; b: string; seconds: number; vnet: boolean };
  'queue-floor': { queue: number; seconds: number; batch: number; gso: boolean };
  generate: { interface: string; length: number; seconds: number; flows: number; pps: number; ip: string; mac: string };
  send: { ip: string; port: number; pps: number; seconds: number; payload: number };
  receive: { port: number; seconds: number; expected: number };
  /** Datagrams, each from a socket of its own. */
  say: { ip: string; port: number; texts: string[] };
  /** Counts datagrams up to the one that says `last`. */
  listen: { port: number; last: string; seconds: number };
}

const BATCH = 64;

async function run(what: string, json: string): Promise<unknown> {
  switch (what) {
    case 'floor': {
      const o = JSON.parse(json) as LoadArguments['floor'];
      process.stderr.write('Engine started\n');
      return native.trafficFloor(o.a, o.b, o.seconds, o.vnet, BATCH);
    }
    case 'queue-floor': {
      const o = JSON.parse(json) as LoadArguments['queue-floor'];
      process.stderr.write('Engine started\n');
      return native.trafficQueueFloor(o.queue, o.seconds, o.batch, o.gso);
    }
    case 'generate': {
      const o = JSON.parse(json) as LoadArguments['generate'];
      return { sent: native.trafficGenerate(o.interface, o.length, o.seconds, o.flows, o.pps, o.ip, o.mac) };
    }
    case 'send': {
      const o = JSON.parse(json) as LoadArguments['send'];
      return { sent: native.trafficProbeSend(o.ip, o.port, o.pps, o.seconds, o.payload) };
    }
    case 'receive': {
      const o = JSON.parse(json) as LoadArguments['receive'];
      process.stderr.write('ready\n');
      const latencies = new Float64Array(o.expected);
      const n = native.trafficProbeReceive(o.port, o.seconds, 0.5, latencies);
      const sorted = latencies.subarray(0, n).sort();
      const at = (q: number) => (n === 0 ? 0 : sorted[Math.min(n - 1, Math.floor(n * q))] / 1000);
      return { received: n, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
    }
    case 'say': {
      const o = JSON.parse(json) as LoadArguments['say'];
      for (const text of o.texts) {
        const socket = createSocket('udp4');
        await new Promise<void>((resolve, reject) => socket.send(text, o.port, o.ip, (error) => (error ? reject(error) : resolve())));
        socket.close();
      }
      return { sent: o.texts.length };
    }
    case 'listen': {
      const o = JSON.parse(json) as LoadArguments['listen'];
      const socket = createSocket('udp4');
      let datagrams = 0;
      let last = 0;
      const deadline = setTimeout(() => socket.close(), o.seconds * 1000);
      socket.on('message', (text) => {
        datagrams++;
        if (text.toString('latin1') !== o.last) return;
        last = 1;
        socket.close();
      });
      socket.bind(o.port, () => process.stderr.write('ready\n'));
      await once(socket, 'close');
      clearTimeout(deadline);
      return { datagrams, last };
    }
  }
  throw new Error(`load: unknown part ${what}`);
}

process.stdout.write(`${JSON.stringify(await run(process.argv[2], process.argv[3] ?? readFileSync(0, 'utf8')))}\n`);
