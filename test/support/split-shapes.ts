import { TCP } from '../../src/lab/packets.js';
import type { Flaw, Segment, SplitPlan } from './peer-split.js';

/** What stands in the place of the stream's own bytes in segments that say something else. */
export const OTHER = '#';

export interface Shape {
  name: string;
  timestamps?: boolean;
  syn?: string;
  /** 'all': a host gets the stream; 'mixed': of some bytes it may get OTHER; 'part': perhaps not all of it. */
  gets: 'all' | 'mixed' | 'part';
  segments(stream: string, random: Random): Segment[];
  /** No plain host reads all of it. */
  refused?: true;
  /** The stream that makes the application read this one. */
  carry?(stream: string, random: Random): string;
}

/** A number from 0 to n - 1. */
export type Random = (n: number) => number;

/** mulberry32 */
export function seeded(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor(((x ^ (x >>> 14)) >>> 0) / (0x1_0000_0000 / n));
  };
}

const FLAWS: readonly Flaw[] = ['sum', 'ttl', 'paws', 'md5', 'far', 'noack', 'ack'];
const FLAGS = [TCP.ack, TCP.fin | TCP.ack, TCP.rst, TCP.rst | TCP.ack, TCP.syn, TCP.syn | TCP.ack];

function cut(stream: string, random: Random, most = 5): Segment[] {
  const list: Segment[] = [];
  for (let at = 0; at < stream.length; ) {
    const n = 1 + random(most);
    list.push({ at, text: stream.slice(at, at + n) });
    at += n;
  }
  return list;
}

function shuffled<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

/** Each a little later or earlier. */
function stirred<T>(list: T[], random: Random, far = 4): T[] {
  const keyed = list.map((one, i) => ({ one, key: i + random(far) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
}

function widened(list: Segment[], stream: string, random: Random): Segment[] {
  return list.map(({ at, text }) => {
    const from = Math.max(0, at - random(5));
    return { at: from, text: stream.slice(from, at + text.length + random(5)) };
  });
}

function other({ at, text }: Segment, more: Partial<Segment> = {}): Segment {
  return { at, text: OTHER.repeat(text.length), ...more };
}

function waiting(list: Segment[], random: Random): Segment[] {
  return list.map((one) => ({ ...one, wait: random(3) === 0 }));
}

/** A segment without data that ends before the server. */
function lost(at: number, flags: number): Segment {
  return { at, text: '', flags, flaw: 'ttl' };
}

/** Before each segment one with other bytes that no plain host takes. */
function decoys(flaw: Flaw, gets: Shape['gets'], timestamps = false): Shape {
  return {
    name: `other bytes before, flaw ${flaw}`,
    timestamps,
    gets,
    segments: (stream, random) => waiting(cut(stream, random), random).flatMap((one) => [other(one, { flaw }), one]),
  };
}

/** In between, behind a segment whose answer was waited for: what `lies` says, from the position of the next byte on. */
function between(list: Segment[], random: Random, lies: (at: number) => Segment[]): Segment[] {
  const i = 1 + random(list.length - 1);
  list[i - 1].wait = true;
  return [...list.slice(0, i), ...lies(list[i].at), ...list.slice(i)];
}

/** The end of the connection in between, which the server does not take for one. */
function ends(name: string, flags: number, flaw: Flaw, gets: Shape['gets'], timestamps = false, shift = 0): Shape {
  return {
    name,
    timestamps,
    gets,
    segments: (stream, random) =>
      between(waiting(cut(stream, random), random), random, (at) => [{ at: at + shift, text: '', flags, flaw, wait: random(2) === 0 }]),
  };
}

/** With bytes in between that are urgent, and no part of what is read. */
function urgent(count: number, gets: Shape['gets']): Shape {
  return {
    name: `${count} urgent bytes`,
    gets,
    segments: (stream, random) =>
      waiting(cut(stream, random, 8), random).map((one) => {
        const i = one.text.lastIndexOf('!');
        return i < 0 ? one : { ...one, flags: TCP.psh | TCP.ack | TCP.urg, urgent: i + 1, wait: true };
      }),
    carry: (stream, random) => {
      let carried = stream;
      for (let i = 0; i < count; i++) {
        const at = 1 + random(carried.length - 1);
        carried = `${carried.slice(0, at)}!${carried.slice(at)}`;
      }
      return carried;
    },
  };
}

export const SHAPES: readonly Shape[] = [
  { name: 'cut once', gets: 'all', segments: (s, random) => halves(s, 1 + random(s.length - 1)) },
  { name: 'cut once, the second half first', gets: 'all', segments: (s, random) => halves(s, 1 + random(s.length - 1)).reverse() },
  { name: 'one byte each', gets: 'all', segments: (s, random) => waiting(cut(s, random, 1), random) },
  { name: 'one byte each, backwards', gets: 'all', segments: (s, random) => cut(s, random, 1).reverse() },
  { name: 'shuffled', gets: 'all', segments: (s, random) => shuffled(cut(s, random), random) },
  { name: 'overlaps', gets: 'all', segments: (s, random) => stirred(widened(cut(s, random), s, random), random) },
  {
    name: 'each twice, in any order',
    gets: 'all',
    segments: (s, random) => shuffled([...cut(s, random), ...widened(cut(s, random), s, random)], random),
  },
  {
    name: 'overlaps that differ',
    gets: 'mixed',
    segments: (s, random) => {
      const list = widened(cut(s, random), s, random).flatMap((one) => (random(6) === 0 ? [other(one), one] : [one]));
      return waiting(stirred([...list, ...cut(s, random)], random), random);
    },
  },
  {
    name: 'differing bytes ahead of a hole, then others, then the hole',
    gets: 'mixed',
    segments: (s, random) => {
      const [first, ...rest] = cut(s, random);
      const lies = widened(rest, s, random).filter(() => random(5) === 0);
      return [...stirred([...lies.map((one) => other(one)), ...rest], random, 8), first, ...cut(s, random)];
    },
  },
  {
    name: 'sent again with other bytes',
    gets: 'all',
    segments: (s, random) => waiting(cut(s, random), random).flatMap((one) => [one, other(one)]),
  },
  {
    name: 'all again with other bytes, twice',
    gets: 'mixed',
    segments: (s, random) => {
      const whole = { at: 0, text: s };
      return [...cut(s, random).slice(0, -2), other(whole, { wait: true }), other(whole), ...cut(s, random)];
    },
  },
  decoys('sum', 'all'),
  decoys('ttl', 'mixed'),
  decoys('paws', 'all', true),
  decoys('md5', 'mixed'),
  decoys('far', 'all'),
  decoys('noack', 'all'),
  decoys('ack', 'all'),
  {
    name: 'other bytes that do not arrive, acknowledged in the name of the server',
    gets: 'mixed',
    segments: (s, random) =>
      cut(s, random).flatMap((one) => [
        other(one, { flaw: 'ttl' }),
        { at: one.at + one.text.length, text: '', flags: TCP.ack, flaw: 'spoof' as const },
        { ...one, wait: random(3) === 0 },
      ]),
  },
  {
    name: 'options that make no sense',
    gets: 'all',
    segments: (s, random) => waiting(cut(s, random), random).map((one) => ({ ...one, flaw: 'option' as const })),
  },
  {
    name: 'IP fragments',
    gets: 'all',
    segments: (s, random) => waiting(cut(s, random, 9), random).map((one) => ({ ...one, flaw: 'fragments' as const })),
  },
  {
    name: 'a RST and SYNs, twice, that do not arrive',
    gets: 'part',
    segments: (s, random) =>
      between(cut(s, random), random, (at) => [lost(at, TCP.rst), lost(1000, TCP.syn), lost(1001, TCP.rst), lost(at - 1, TCP.syn)]),
  },
  {
    name: 'a RST and a SYN that do not arrive, answered in the name of the server',
    gets: 'part',
    segments: (s, random) =>
      between(cut(s, random), random, (at) => [
        lost(at, TCP.rst),
        lost(at - 1, TCP.syn),
        { at, text: '', flags: TCP.syn | TCP.ack, flaw: 'spoof' },
        { at, text: '', flags: TCP.ack },
      ]),
  },
  {
    name: 'a RST in the name of the server, and a SYN',
    gets: 'part',
    segments: (s, random) =>
      between(cut(s, random), random, (at) => [{ at, text: '', flags: TCP.rst | TCP.ack, flaw: 'spoof' }, lost(at - 1, TCP.syn)]),
  },
  {
    name: 'other bytes that do not arrive, with a timestamp far ahead',
    timestamps: true,
    gets: 'part',
    segments: (s, random) => cut(s, random).flatMap((one) => [other(one, { flaw: 'ttl', back: -1000 }), { ...one, back: 999, wait: true }]),
  },
  {
    name: 'anything',
    timestamps: true,
    gets: 'part',
    segments: (s, random) =>
      waiting(stirred(widened(cut(s, random), s, random), random, 3), random).flatMap((one) => {
        const flaw = FLAWS[random(FLAWS.length)];
        const lie = random(2) === 0 ? other(one, { flaw }) : { at: one.at + random(3), text: '', flaw, flags: FLAGS[random(FLAGS.length)] };
        const again: Segment = { ...one, wait: random(2) === 0 };
        return random(2) === 0 ? [lie, one] : [one, lie, again];
      }),
  },
  { name: 'other bytes in the SYN', gets: 'all', syn: OTHER.repeat(12), segments: (s, random) => waiting(cut(s, random), random) },
  {
    name: 'the beginning in the SYN too',
    gets: 'all',
    segments: (s, random) => [{ at: -1, text: s.slice(0, 9), flags: TCP.syn }, ...waiting(cut(s, random), random)],
  },
  ends('a FIN out of window', TCP.fin | TCP.ack, 'far', 'all'),
  ends('a FIN with an old timestamp', TCP.fin | TCP.ack, 'paws', 'all', true),
  ends('a FIN that does not arrive', TCP.fin | TCP.ack, 'ttl', 'part'),
  ends('a FIN with a signature', TCP.fin | TCP.ack, 'md5', 'part'),
  { ...ends('a FIN, and data behind it', TCP.fin | TCP.ack, '', 'part'), refused: true },
  ends('a RST in the window, not exact', TCP.rst, '', 'all', false, 1),
  ends('a RST out of window', TCP.rst, 'far', 'all'),
  ends('a RST that does not arrive', TCP.rst, 'ttl', 'part'),
  ends('a RST with a signature', TCP.rst | TCP.ack, 'md5', 'part'),
  ends('a RST with a wrong checksum', TCP.rst, 'sum', 'all'),
  {
    name: 'a RST and a new SYN that do not arrive',
    gets: 'part',
    segments: (s, random) => between(cut(s, random), random, (at) => [lost(at, TCP.rst), lost(1000, TCP.syn)]),
  },
  ends('a SYN in between', TCP.syn, '', 'all', false, 100),
  urgent(1, 'all'),
  urgent(2, 'part'),
  urgent(4, 'part'),
];

function halves(stream: string, at: number): Segment[] {
  return [
    { at: 0, text: stream.slice(0, at) },
    { at, text: stream.slice(at) },
  ];
}

/** `stream` in the shape. */
export function planOf(shape: Shape, port: number, stream: string, random: Random): SplitPlan {
  const carried = shape.carry?.(stream, random) ?? stream;
  return { port, timestamps: shape.timestamps === true, syn: shape.syn ?? '', segments: shape.segments(carried, random) };
}
