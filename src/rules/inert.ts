import { APP_EVENTS } from '../app-layer/app-events.js';
import { bufferSpec, hasParser, Way } from '../app-layer/catalogue.js';
import { APP_KEYWORDS } from './app-keywords.js';
import type { AppOption } from './app-option.js';
import { hasRuntime } from './app-values.js';
import type { Rule } from './rule.js';

/** The application protocol or feature a rule waits for; undefined: it works. */
export function inertReason(rule: Rule): string | undefined {
  if (rule.appProto !== undefined && !hasParser(rule.appProto)) return rule.appProto;
  if (rule.transactional === true && hasBothWays(rule)) return 'rules on both directions (=>)';
  for (const { buffer } of rule.buffers) {
    const spec = bufferSpec(buffer);
    if (spec.id < 0 && !spec.packet) return spec.protos[0];
  }
  for (const option of rule.header) {
    const missing = option.kind === 'app' ? missingOf(rule, option) : undefined;
    if (missing !== undefined) return missing;
  }
  return undefined;
}

/** Some buffer belongs to the server's bytes, and some to the client's. */
function hasBothWays(rule: Rule): boolean {
  const ways = rule.buffers.map(({ buffer, way }) => (way === undefined ? bufferSpec(buffer).way : way === 'to_server' ? 0 : 1));
  return ways.includes(Way.ToServer) && ways.includes(Way.ToClient);
}

function missingOf(rule: Rule, option: AppOption): string | undefined {
  const { keyword, value } = option;
  switch (keyword) {
    case 'app-layer-protocol':
      // A mode asks for the protocol of one direction, or the one before a change of protocol: there is one here.
      return hasParser(value) ? undefined : /^(failed|unknown)|,/.test(value) ? keyword : value;
    case 'app-layer-event':
      return missingEvent(value);
    case 'app-layer-state':
      return rule.appProto ?? keyword;
    default:
      if (hasRuntime(option) && hasParser(APP_KEYWORDS.get(keyword)!.proto)) return undefined;
      return APP_KEYWORDS.get(keyword)?.proto ?? keyword;
  }
}

/** An event that its protocol's parser raises needs nothing. */
function missingEvent(value: string): string | undefined {
  if (!value.includes('.')) return 'protocol detection';
  const [proto, name] = value.split('.');
  return hasParser(proto) && APP_EVENTS[proto]?.includes(name) ? undefined : proto;
}
