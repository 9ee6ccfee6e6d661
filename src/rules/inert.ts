import { APP_EVENTS } from '../app-layer/app-events.js';
import { bufferSpec, hasParser } from '../app-layer/catalogue.js';
import { protoEventCode } from '../app-layer/proto-events.js';
import { APP_KEYWORDS } from './app-keywords.js';
import { type AppOption, protocolsOf } from './app-option.js';
import { hasRuntime } from './app-values.js';
import { FILE_TESTS } from './file-values.js';
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

function missingOf(rule: Rule, option: AppOption): string | undefined {
  const { keyword, value } = option;
  switch (keyword) {
    case 'app-layer-protocol':
      return missingProtocol(value);
    case 'app-layer-event':
      return missingEvent(value);
    case 'app-layer-state':
      return hasRuntime(option) ? undefined : (rule.appProto ?? keyword);
    default:
      if (hasRuntime(option) && (FILE_TESTS.has(keyword) || hasParser(APP_KEYWORDS.get(keyword)!.proto))) return undefined;
      return APP_KEYWORDS.get(keyword)?.proto ?? keyword;
  }
}

/** Of several protocols one that is recognised will do. */
function missingProtocol(value: string): string | undefined {
  const { names } = protocolsOf(value)!;
  return names.some((name) => name === 'failed' || name === 'unknown' || hasParser(name)) ? undefined : names[0];
}

/** An event that its protocol's parser raises needs nothing. */
function missingEvent(value: string): string | undefined {
  if (!value.includes('.')) return protoEventCode(value) >= 0 ? undefined : 'protocol detection';
  const [proto, name] = value.split('.');
  return hasParser(proto) && APP_EVENTS[proto]?.includes(name) ? undefined : proto;
}
