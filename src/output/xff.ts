import { isIP } from 'node:net';
import type { XffConfig } from '../config/xff.js';
import { appRecordHidden } from './app-record.js';
import type { EventRecord } from './event-decode.js';

/** The address that the proxies of the event's request name; '': none, or nothing that is one. Hostile bytes. */
export function forwardedFor(e: EventRecord, xff: XffConfig | undefined): string {
  if (xff === undefined || e.app.length === 0) return '';
  const [first = '', last = ''] = appRecordHidden(e.appProto, e.app).split(',');
  return addressIn(xff.deployment === 'forward' ? first : last);
}

/** `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:443`. */
function addressIn(word: string): string {
  const [, inner = word] = /^\[([^\]]*)\](?::\d+)?$/.exec(word) ?? /^([\d.]+):\d+$/.exec(word) ?? [];
  return isIP(inner) === 0 || inner.includes('%') ? '' : inner;
}
