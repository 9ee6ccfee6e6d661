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
}
