import type { ContentOption, Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { largestPayload } from './packet.js';

/**
 * What a rule's payload options must satisfy together, whatever their order: the combinations
 * Suricata documents as impossible or refuses at load. Throws RuleError with the option at fault.
 */
export function checkPayload(rule: Rule): void {
  const room = largestPayload(rule.header);
  for (let i = 0; i < rule.payload.length; i++) {
    const option = rule.payload[i];
    const previous = i > 0 ? rule.payload[i - 1] : undefined;
    if (option.kind === 'pcre') {
      if (!option.relative) continue;
      if (previous === undefined) throw new RuleError('pcre', 'flag R is relative to the match before it, and there is none');
      if (previous.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly('pcre');
      continue;
    }
    checkContent(option, room);
    const relative = option.distance !== undefined ? 'distance' : option.within !== undefined ? 'within' : '';
    if (relative !== '' && previous?.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly(relative);
    if (option.nocase) lowerCase(option.pattern);
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
