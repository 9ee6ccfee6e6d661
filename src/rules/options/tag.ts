import { RuleError } from '../rule-error.js';
import type { TagEffect } from '../state-option.js';
import { parseInteger, shorten, trim } from '../text.js';
import type { RuleState } from './option.js';

/** Packets a tag without a count lasts. */
const DEFAULT_PACKETS = 256;

/** `session|host[,count,packets|bytes|seconds[,src|dst]]` (user guide, "Tag"). */
export function tag({ rule }: RuleState, value: string): void {
  const [scope, count, metric, side, ...more] = value.split(',').map(trim);
  if (scope !== 'session' && scope !== 'host') throw new RuleError('tag', `scope is session or host, got "${shorten(scope)}"`);
  if (more.length > 0 || (count !== undefined && metric === undefined))
    throw new RuleError('tag', `takes scope[,count,metric[,src|dst]], got "${shorten(value)}"`);
  if (metric !== undefined && metric !== 'packets' && metric !== 'bytes' && metric !== 'seconds')
    throw new RuleError('tag', `counts packets, bytes or seconds, got "${shorten(metric)}"`);
  if (side !== undefined && side !== 'src' && side !== 'dst') throw new RuleError('tag', `direction is src or dst, got "${shorten(side)}"`);
  rule.effects.push({
    kind: 'tag',
    scope,
    count: count === undefined ? DEFAULT_PACKETS : parseInteger('tag', count, 1, 0x7fffffff),
    metric: metric ?? 'packets',
    // Of a session the side has no meaning.
    side: scope === 'session' ? 'dst' : (side ?? 'dst'),
  });
}

/** Canonical text. */
export function printTag({ scope, count, metric, side }: TagEffect): string {
  return `tag:${scope},${count},${metric}${scope === 'host' ? `,${side}` : ''}`;
}
