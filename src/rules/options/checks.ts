import { APP_PROTO_NAMES, BUFFERS, type BufferSpec } from '../../app-layer/buffers.js';
import type { ByteOption, ContentOption } from '../byte-option.js';
import { APP_TRANSPORTS } from '../protocols.js';
import type { Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { largestPayload } from './packet.js';

/**
 * What a rule's options must satisfy together, whatever their order: the combinations
 * Suricata documents as impossible or refuses at load. Throws RuleError with the option at fault.
 */
export function checkRule(rule: Rule): void {
  checkTests(rule.payload, largestPayload(rule.header));
  for (const { tests } of rule.buffers) checkTests(tests, Number.POSITIVE_INFINITY);
  if (rule.buffers.length > 0) checkBuffers(rule);
  if (rule.payload.some((o) => o.kind === 'content' && o.replace !== undefined)) checkReplace(rule);
}

/** One list of tests, the payload's or a buffer's; `room` is the most bytes it can have. */
function checkTests(tests: readonly ByteOption[], room: number): void {
  for (let i = 0; i < tests.length; i++) {
    const option = tests[i];
    const previous = i > 0 ? tests[i - 1] : undefined;
    if (option.kind === 'pcre') {
      if (!option.relative) continue;
      if (previous === undefined)
        throw new RuleError('pcre', 'flag R is relative to the match before it in the same buffer, and there is none');
      if (previous.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly('pcre');
      continue;
    }
    checkContent(option, room);
    const relative = option.distance !== undefined ? 'distance' : option.within !== undefined ? 'within' : '';
    if (relative !== '' && previous?.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly(relative);
    if (option.nocase) lowerCase(option.pattern);
  }
}

/** Tests of one packet's headers, where a transaction may span several (Suricata: "packet specific matches"). */
const PACKET_TESTS = new Set(['dsize', 'ttl', 'itype', 'icode', 'flags']);

/** A rule on buffers is matched once per transaction: all it looks at must belong to one protocol and one direction. */
function checkBuffers(rule: Rule): void {
  const specs = rule.buffers.map(({ buffer }) => BUFFERS.find((spec) => spec.name === buffer)!);
  const [first] = specs;
  const app = APP_PROTO_NAMES[first.proto];
  for (const spec of specs) {
    if (rule.appProto !== undefined && APP_PROTO_NAMES[spec.proto] !== rule.appProto) {
      throw new RuleError(spec.name, `belongs to ${APP_PROTO_NAMES[spec.proto]}, and the rule's header says ${rule.appProto}`);
    }
    if (spec.proto !== first.proto) {
      throw new RuleError(spec.name, `belongs to ${APP_PROTO_NAMES[spec.proto]}, ${first.name} to ${app}: no flow has both protocols`);
    }
    if (spec.direction !== first.direction) throw conflict(spec, `${first.name} ${TOWARDS[first.direction]}`);
  }
  const transport = APP_TRANSPORTS.get(app) ?? 'tcp';
  if (!['ip', 'ipv4', 'ipv6', transport, `${transport}-stream`].includes(rule.proto)) {
    throw new RuleError(first.name, `belongs to ${app}, which runs over ${transport}: the header ${rule.proto} never has it, write ${app}`);
  }
  for (const option of rule.header) {
    if (PACKET_TESTS.has(option.kind)) {
      throw new RuleError(option.kind, `tests one packet and cannot be combined with ${first.name}, which tests a transaction`);
    }
    if (option.kind === 'flow' && option.direction !== undefined && option.direction !== TOWARDS[first.direction]) {
      throw conflict(first, `flow:${option.direction} the other way`);
    }
  }
}

const TOWARDS = ['to_server', 'to_client'] as const;

function conflict(spec: BufferSpec, other: string): RuleError {
  return new RuleError(spec.name, `is sent ${TOWARDS[spec.direction]}, ${other}: a rule has one direction`);
}

/** Rewriting needs the packet itself (Suricata: a packet keyword). */
function checkReplace(rule: Rule): void {
  if (rule.buffers.length > 0) {
    throw new RuleError('replace', `rewrites one packet and cannot be combined with ${rule.buffers[0].buffer}, which tests a transaction`);
  }
  if (rule.proto === 'tcp-stream' || rule.header.some((o) => o.kind === 'flow' && o.stream === 'only_stream')) {
    throw new RuleError('replace', 'rewrites one packet and cannot be combined with tcp-stream or flow:only_stream');
  }
}

function relativeToFastPatternOnly(option: string): RuleError {
  return new RuleError(option, 'cannot be relative to a content with fast_pattern:only');
}

function checkContent(option: ContentOption, room: number): void {
  const { offset, depth, distance, within, negated } = option;
  const length = option.pattern.length;
  const absolute = depth !== undefined ? 'depth' : offset !== undefined ? 'offset' : '';
  const relative = distance !== undefined ? 'distance' : within !== undefined ? 'within' : '';
  if (absolute !== '' && relative !== '') {
    throw new RuleError(
      relative,
      `is relative to the match before, ${absolute} to the start of the payload: one content takes only one kind`,
    );
  }
  if (option.startswith && (absolute !== '' || relative !== '')) {
    throw new RuleError('startswith', `cannot be combined with ${absolute || relative} for one content`);
  }
  if (depth !== undefined && depth < length) throw new RuleError('depth', `${depth} is smaller than the ${length} bytes of its content`);
  if (within !== undefined && within < length)
    throw new RuleError('within', `${within} is smaller than the ${length} bytes of its content`);
  const placed = absolute || relative || (option.startswith ? 'startswith' : '');
  if (option.fastPatternOnly && (negated || placed !== '')) {
    throw new RuleError('fast_pattern', `only cannot be used with ${negated ? 'a negated content' : placed}`);
  }
  if (option.fastPattern && negated && placed !== '') {
    throw new RuleError('fast_pattern', `cannot be used with a negated content that has ${placed}`);
  }
  if (!negated && (offset ?? 0) + length > room) {
    throw new RuleError(
      'dsize',
      `the payload can have at most ${room} bytes, and a content needs ${(offset ?? 0) + length}: the rule can never match`,
    );
  }
}

function lowerCase(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] >= 0x41 && bytes[i] <= 0x5a) bytes[i] |= 0x20;
  }
}
