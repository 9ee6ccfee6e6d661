/**
 * Tests on a buffer that need no statement of their own, as source text: conditions in the nest of a chain (buffer.ts).
 */
import type { Packet } from '../decode/packet.js';
import type { Asn1Option, ContentOption, EntropyOption, IsDataAtOption, PcreOption } from '../rules/byte-option.js';
import { moved, operand, type Variables } from './byte-tests.js';
import { asn1, entropy, ftpBounce, rpcCall } from './byte-values.js';
import type { Test } from './chains.js';
import { type Code, num } from './codegen.js';
import type { Inspection } from './search.js';
import { DATASET_TESTS, DatasetRef, datarep, REPUTATION_OPS } from './state/datasets.js';
import { flowKey } from './state/names.js';
import { numberTest } from './tests/number.js';

/** The condition of a test on `buffer` that needs no statement, behind `base`; '' for none. */
export function condition(
  code: Code,
  variables: Variables,
  t: Exclude<Test, ContentOption | PcreOption>,
  base: string,
  buffer: string,
  origin = 'o',
): string {
  switch (t.kind) {
    case 'isdataat':
      return dataAt(variables, t, base, origin);
    case 'bsize':
      return numberTest(`(end - ${origin})`, t.test);
    case 'entropy':
      return entropyTest(code, variables, t, buffer);
    case 'asn1':
      return asn1Test(code, variables, t, base, origin);
    case 'dataset':
      // Of a buffer whose beginning is gone there is nothing to look up.
      return `${origin === 'o' ? '' : `${origin} === o && `}${code.constant(DATASET_TESTS[t.op])}(x, ${code.constant(new DatasetRef(t.name))}, mem, o, end)`;
    case 'datarep': {
      const found = `${code.constant(datarep)}(x, ${code.constant(new DatasetRef(t.name))}, mem, o, end)`;
      // -1 is below every reputation.
      return t.op === '<' ? `(${found} >>> 0) < ${num(t.value)}` : `${found} ${REPUTATION_OPS[t.op]} ${num(t.value)}`;
    }
    case 'rpc': {
      const numbers = [t.program, t.version ?? -1, t.procedure ?? -1].map(num).join(', ');
      return `${code.constant(rpcCall)}(p, mem, o, end, ${numbers})`;
    }
    case 'ftpbounce':
      return `${code.constant(ftpBounce)}(p, mem, o, end)`;
    default:
      // absent: asked before (presence).
      return '';
  }
}

function dataAt(variables: Variables, t: IsDataAtOption, base: string, origin: string): string {
  const v = operand(variables, t.at);
  const from = t.relative ? base : origin;
  // A variable "below 0" is one near 2^64: there is no data.
  const at = v.wide ? `Number(${v.code})` : v.negative ? `(${v.code} < 0 ? Infinity : ${v.code})` : v.code;
  // Relative, one byte less is asked for than absolute: user guide, "isdataat".
  const there = `${from} + ${at} ${t.relative ? '<=' : '<'} end`;
  return t.negated ? `!(${there})` : there;
}

function entropyTest(code: Code, variables: Variables, t: EntropyOption, buffer: string): string {
  const at = moved('o', t.offset, variables);
  const to = t.bytes === 0 ? 'end' : `Math.min(end, ${at} + ${num(t.bytes)})`;
  const key = flowKey('entropy', buffer.replaceAll('.', '_'));
  return `${code.constant(entropyMatch)}(p, x, ${code.constant(entropy)}(x, mem, ${at}, ${to}), ${code.constant(t)}, ${num(key)})`;
}

function asn1Test(code: Code, variables: Variables, t: Asn1Option, base: string, origin: string): string {
  const at = moved(t.relative ? base : origin, t.offset, variables);
  const asked = [num(t.oversize ?? -1), ...[t.bitstringOverflow, t.doubleOverflow].map((b) => (b ? 'true' : 'false'))].join(', ');
  const call = `${code.constant(asn1)}(x, mem, ${at}, end, ${asked})`;
  return t.offset < 0 || origin !== 'o' ? `${at} >= o && ${call}` : call;
}

/** Called by generated code; -1 stands for a buffer without bytes. What was measured stays with the flow, for the logs. */
function entropyMatch(p: Packet, x: Inspection, bits: number, { op, a, b }: EntropyOption, key: number): boolean {
  if (bits < 0) return false;
  x.store?.flowVars.setNumber(p.flow, key, bits);
  const equal = Math.abs(bits - a) < 1e-9;
  switch (op) {
    case '=':
      return equal;
    case '!=':
      return !equal;
    case '<':
      return bits < a;
    case '<=':
      return bits <= a;
    case '>':
      return bits > a;
    case '>=':
      return bits >= a;
    case '<>':
      return bits > a && bits < b;
    default:
      return !(bits > a && bits < b);
  }
}
