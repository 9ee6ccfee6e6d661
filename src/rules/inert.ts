import { bufferSpec, hasParser } from '../app-layer/catalogue.js';
import { APP_KEYWORDS } from './app-keywords.js';
import type { AppOption } from './app-option.js';
import type { Rule } from './rule.js';

/** The application protocol or feature a rule waits for; undefined: it works. */
export function inertReason(rule: Rule): string | undefined {
  if (rule.appProto !== undefined && !hasParser(rule.appProto)) return rule.appProto;
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

function missingOf(rule: Rule, { keyword, value }: AppOption): string | undefined {
  switch (keyword) {
    case 'app-layer-protocol':
      // A mode asks for the protocol of one direction, or the one before a change of protocol: there is one here.
      return hasParser(value) ? undefined : /^(failed|unknown)|,/.test(value) ? keyword : value;
    case 'app-layer-event':
      return value.includes('.') ? value.split('.', 1)[0] : 'protocol detection';
    case 'app-layer-state':
      return rule.appProto ?? keyword;
    default:
      return APP_KEYWORDS.get(keyword)?.proto ?? keyword;
  }
}
