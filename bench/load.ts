import { readFileSync } from 'node:fs';
import { native } from '../src/native.js';

/**
 * One piece of the rig in a process of its own, inside a namespace: floor, generator or probe. Prints
 * one JSON line. `node load.js <what> <arguments as JSON>`; the calls block for the time they are given.
 */
export interface LoadArguments {
  floor: { a: string; b: string; seconds: number; vnet: boolean };
  generate: { interface: string; length: number; seconds: number; flows: number; pps: number; ip: string };
  send: { ip: string; port: number; pps: number; seconds: number; payload: number };
  receive: { port: number; seconds: number; expected: number };
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const BATCH = 64;

function run(what: string, json: string): unknown {
  switch (what) {
    case 'floor': {
      const o = JSON.parse(json) as LoadArguments['floor'];
      process.stderr.write('Engine started\n');
      return native.trafficFloor(o.a, o.b, o.seconds, o.vnet, BATCH);
    }
    case 'generate': {
      const o = JSON.parse(json) as LoadArguments['generate'];
      return { sent: native.trafficGenerate(o.interface, o.length, o.seconds, o.flows, o.pps, o.ip, BROADCAST) };
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
  }
  throw new Error(`load: unknown part ${what}`);
}

process.stdout.write(`${JSON.stringify(run(process.argv[2], process.argv[3] ?? readFileSync(0, 'utf8')))}\n`);
