import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { SluiceError } from '../../src/errors.js';
import type { Case, Random, Subject } from './delivery.js';
import { packetCase, streamCase } from './engine-cases.js';
import { EngineRun } from './engine-run.js';
import { deliveriesOf, inFewerPackets } from './mutate.js';
import { ParserRun } from './parser-run.js';
import type { Seeds } from './seeds.js';

/** Every parser by the name of its records, and what is around them. */
export const SUBJECTS: readonly string[] = [...PROTOCOLS.map(({ names }) => names.type), 'stream', 'packet'];

export function makeSubject(name: string): Subject {
  if (name === 'stream' || name === 'packet') return new EngineRun(name);
  const spec = PROTOCOLS.find(({ names }) => names.type === name);
  if (spec === undefined) throw new SluiceError('SLUICE_USAGE', `fuzz: no parser is called ${name}; there are ${SUBJECTS.join(', ')}`);
  return new ParserRun(spec);
}

/** What makes the cases; null: nothing to make them from. */
export function caseMaker(name: string, from: Seeds): { seeds: number; make(random: Random): Case } | null {
  if (name === 'packet')
    return from.flows.length === 0 ? null : { seeds: from.flows.length, make: (random) => packetCase(random, from.flows) };
  const streams = () => [...from.talks.values()].flat().filter(({ datagrams, pieces }) => !datagrams && pieces.length > 0);
  if (name === 'stream') {
    const all = streams();
    return { seeds: all.length, make: (random) => streamCase(random, all) };
  }
  // Any bytes may be a file.
  const talks = name === 'ftp_data' ? streams() : (from.talks.get(name) ?? []).filter(({ pieces }) => pieces.length > 0);
  if (talks.length === 0) return null;
  return {
    seeds: talks.length,
    make: (random) => {
      const talk = random.pick(talks);
      return { datagrams: talk.datagrams, listener: false, deliveries: inFewerPackets(random, deliveriesOf(random, talk, talks)) };
    },
  };
}
