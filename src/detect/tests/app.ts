/** Tests on application layers that are not on the bytes of a buffer. */
import { appProtoOf, BufferId } from '../../app-layer/buffers.js';
import { tlsVersion } from '../../app-layer/tls/tests.js';
import type { AppOption } from '../../rules/app-option.js';
import { tlsVersionCode, urilenOf } from '../../rules/app-values.js';
import type { Rule } from '../../rules/rule.js';
import { type Code, num } from '../codegen.js';
import { appEventOf } from '../literal.js';
import { numberTest } from './number.js';

/** Condition for `option` of `rule`; throws for one without a runtime. */
export function appTest(code: Code, rule: Rule, option: AppOption): string {
  const { keyword, value, negated } = option;
  switch (keyword) {
    case 'app-layer-protocol': {
      const proto = num(appProtoCode(value));
      // Unknown protocols pass no test, negated ones neither: nothing is known yet.
      return negated ? `p.appProto > 0 && p.appProto !== ${proto}` : `p.appProto === ${proto}`;
    }
    case 'app-layer-event': {
      const { bit } = appEventOf(rule)!;
      if (bit < 0) throw new Error(`${value} is no event of that protocol`);
      return `(x.events${bit < 32 ? '0' : '1'} & ${num(1 << (bit & 31))}) ${negated ? '===' : '!=='} 0`;
    }
    case 'urilen': {
      const { test, raw } = urilenOf(value)!;
      const length = `x.buffers.len[${num(raw ? BufferId.HttpUriRaw : BufferId.HttpUri)}]`;
      return `${length} >= 0 && (${numberTest(length, test)})`;
    }
    case 'tls.version': {
      const version = `${code.constant(tlsVersion)}(x.txWords, x.tx, p.direction)`;
      return negated ? `![0, ${num(tlsVersionCode(value)!)}].includes(${version})` : `${version} === ${num(tlsVersionCode(value)!)}`;
    }
    default:
      throw new Error(`${keyword} has no runtime`);
  }
}

export function appProtoCode(name: string): number {
  const code = appProtoOf(name);
  if (code < 0) throw new Error(`no application protocol is called ${name}`);
  return code;
}
