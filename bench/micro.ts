import { addon, checksum, decode, workerHash } from './micro-decode.js';
import { matcher, prefilter, threshold } from './micro-detect.js';
import { engine, events } from './micro-engine.js';
import { decodeFlow, flow, tcp } from './micro-flow.js';
import { caseNames, type Group, measure, printRows, type Row } from './micro-kit.js';
import { reassembly } from './micro-reassembly.js';
import { ring, ringbuf, TwoProcesses } from './micro-ring.js';

/**
 * The functions of the packet path one by one, nanoseconds per packet (tinybench, medians).
 *
 *   micro-kit      what a case is, how it is measured and shown
 *   micro-packets  the packets, in memory as a worker finds it
 *   micro-*        the cases, one file per part of the path
 *
 * `filter`: parts of "group: case", separated by semicolons (names have commas); '' = all.
 */
const GROUPS: Group[] = [
  addon,
  engine,
  decode,
  checksum,
  workerHash,
  flow,
  decodeFlow,
  tcp,
  reassembly,
  prefilter,
  matcher,
  threshold,
  events,
  ring,
  ringbuf,
];

export async function micro(filter = ''): Promise<Row[]> {
  const parts = filter
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const wanted = (name: string) => parts.length === 0 || parts.some((part) => name.toLowerCase().includes(part));
  const rows: Row[] = [];
  for (const group of GROUPS) rows.push(...measure(group, wanted));
  const pair = new TwoProcesses();
  try {
    if (caseNames(pair.group).some(wanted)) {
      await pair.start();
      rows.push(...measure(pair.group, wanted));
    }
  } finally {
    pair.close();
  }
  printRows(rows);
  return rows;
}
