import { trim } from './text.js';

/**
 * Tests on application layers that are not on the bytes of a buffer: `app-layer-protocol`, `tls.version`, `dns.rcode`, `filesize`, ...
 * Until a protocol's parser hands out what they ask for, they are known by name and syntax alone and make their rule inert.
 */
export interface AppOption {
  kind: 'app';
  keyword: string;
  /** As written, blanks at its ends and the `!` before it taken off; '' without one. */
  value: string;
  /** A `!` stands before the value. */
  negated: boolean;
  /** Whose bytes it is about, where the rule says so (`filesize:to_client,>100`). */
  way?: 'to_server' | 'to_client';
  /** Application protocol of the rule's header, where the value means something else with each (`app-layer-state`). */
  proto?: string;
}

/** Which of a flow's protocols `app-layer-protocol` asks for (user guide, "app-layer-protocol"). */
export const PROTOCOL_MODES = ['direction', 'to_server', 'to_client', 'either', 'final', 'original'] as const;
export type ProtocolMode = (typeof PROTOCOL_MODES)[number];

export interface ProtocolsValue {
  /** In lower case. */
  names: string[];
  mode: ProtocolMode;
  /** Each name stands for that protocol alone, not for what runs over it too. */
  exact: boolean;
}

/** Value of `app-layer-protocol`: `name[|name ...][,mode][,exact]`; undefined when it is none. Names are not looked up. */
export function protocolsOf(value: string): ProtocolsValue | undefined {
  const [list, ...qualifiers] = value.toLowerCase().split(',').map(trim);
  const names = list.split('|').map(trim);
  if (names.includes('')) return undefined;
  const modes = qualifiers
    .filter((word) => word !== 'exact')
    .map((word) => (word === 'toserver' ? 'to_server' : word === 'toclient' ? 'to_client' : word));
  const exact = modes.length < qualifiers.length;
  if (modes.length > 1 || qualifiers.length - modes.length > 1) return undefined;
  const mode = PROTOCOL_MODES.find((one) => one === (modes[0] ?? 'direction'));
  return mode === undefined ? undefined : { names, mode, exact };
}
