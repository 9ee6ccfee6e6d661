/** Values of the tests on application layers that have a runtime (src/detect/tests/app.ts). */
import type { AppOption } from './app-option.js';
import { parseNumberTest, UINT16_MAX } from './numbers.js';
import type { NumberTest } from './packet-option.js';

/** `urilen:<number test>[,norm|,raw]`; undefined: another form, as in a rule that is only known by name. */
export function urilenOf(value: string): { test: NumberTest; raw: boolean } | undefined {
  const match = /^(.*?)\s*(?:,\s*(norm|raw)\s*)?$/s.exec(value);
  try {
    return match === null ? undefined : { test: parseNumberTest('urilen', match[1].trim(), UINT16_MAX), raw: match[2] === 'raw' };
  } catch {
    return undefined;
  }
}

const TLS_VERSIONS: Readonly<Record<string, number>> = { '1.0': 0x0301, '1.1': 0x0302, '1.2': 0x0303, '1.3': 0x0304 };

/** `tls.version:1.2` (in quotes or not), or the number on the wire (0x0303); undefined: neither. */
export function tlsVersionCode(value: string): number | undefined {
  const text = value.replace(/^"(.*)"$/, '$1');
  if (/^0x[0-9a-f]{1,4}$/i.test(text)) return Number.parseInt(text, 16);
  return Object.hasOwn(TLS_VERSIONS, text) ? TLS_VERSIONS[text] : undefined;
}

/** The option can be tested, once its protocol has a parser. */
export function hasRuntime({ keyword, value }: AppOption): boolean {
  if (keyword === 'urilen') return urilenOf(value) !== undefined;
  return keyword === 'tls.version' && tlsVersionCode(value) !== undefined;
}
