/** Builders of TLS messages and certificates. Numbers in lists are bytes. */
export type Part = Uint8Array | number | string | readonly number[];

export function bytes(...parts: Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'number' ? [part] : typeof part === 'string' ? [...Buffer.from(part)] : [...part])),
  );
}
const big = (value: number, width: number) => Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) & 255);
/** Behind its length of `width` bytes. */
export const sized = (width: number, ...parts: Part[]) => {
  const body = bytes(...parts);
  return bytes(big(body.length, width), body);
};
export const u16 = (...values: number[]) => bytes(...values.map((v) => big(v, 2)));
export const record = (type: number, body: Uint8Array, version = 0x0303) => bytes(type, u16(version), sized(2, body));
export const message = (type: number, ...parts: Part[]) => bytes(type, sized(3, ...parts));
export const extension = (type: number, ...parts: Part[]) => bytes(u16(type), sized(2, ...parts));

export const sni = (name: string) => extension(0, sized(2, 0, sized(2, name)));
export const alpn = (...names: string[]) => extension(16, sized(2, ...names.map((name) => sized(1, name))));
export const groups = (...values: number[]) => extension(10, sized(2, u16(...values)));
export const points = (...values: number[]) => extension(11, sized(1, values));
export const signatures = (...values: number[]) => extension(13, sized(2, u16(...values)));
export const versions = (...values: number[]) => extension(43, sized(1, u16(...values)));

export const RANDOM = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i);

export interface ClientOptions {
  version?: number;
  session?: Uint8Array;
  ciphers?: number[];
  extensions?: Uint8Array[];
}
export function clientHello({ version = 0x0303, session = bytes(), ciphers = [0x1301, 0xc02f], extensions = [] }: ClientOptions = {}) {
  const tail = extensions.length > 0 ? sized(2, ...extensions) : bytes();
  return message(1, u16(version), RANDOM, sized(1, session), sized(2, u16(...ciphers)), sized(1, 0), tail);
}

export function serverHello(cipher: number, extensions: Uint8Array[] = [], version = 0x0303, session = bytes(), random = RANDOM) {
  const tail = extensions.length > 0 ? sized(2, ...extensions) : bytes();
  return message(2, u16(version), random, sized(1, session), u16(cipher), 0, tail);
}

export function der(tag: number, ...parts: Part[]): Uint8Array {
  const body = bytes(...parts);
  if (body.length < 128) return bytes(tag, body.length, body);
  if (body.length < 65536) return bytes(tag, 0x82, big(body.length, 2), body);
  return bytes(tag, 0x83, big(body.length, 3), body);
}
const OIDS: Record<string, number[]> = {
  C: [0x55, 4, 6],
  O: [0x55, 4, 10],
  OU: [0x55, 4, 11],
  CN: [0x55, 4, 3],
  '?': [0x2a, 0x86, 0x48, 0x63],
};
/** `[['C', 'US'], ['CN', 'www']]`, each an RDN. */
export const name = (...parts: [string, string | Uint8Array, number?][]) =>
  der(0x30, ...parts.map(([type, text, tag]) => der(0x31, der(0x30, der(6, OIDS[type]), der(tag ?? 0x0c, text)))));

export interface CertificateOptions {
  serial?: number[];
  issuer?: Uint8Array;
  subject?: Uint8Array;
  validity?: Uint8Array;
  names?: Uint8Array[];
}
export function certificate(o: CertificateOptions = {}): Uint8Array {
  const san = o.names ? [der(0xa3, der(0x30, der(0x30, der(6, [0x55, 0x1d, 17]), der(4, der(0x30, ...o.names)))))] : [];
  const algorithm = der(0x30, der(6, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]), der(5));
  const tbs = der(
    0x30,
    der(0xa0, der(2, 2)),
    der(2, o.serial ?? [0, 0x97, 0xe6]),
    algorithm,
    o.issuer ?? name(['C', 'US'], ['O', 'Foo, Inc.'], ['CN', 'root']),
    o.validity ?? der(0x30, der(0x17, '150212180727Z'), der(0x18, '20500209180727Z')),
    o.subject ?? name(['C', 'US'], ['O', 'Foo'], ['CN', 'bar']),
    der(0x30, algorithm, der(3, 0, RANDOM)),
    ...san,
  );
  return der(0x30, tbs, algorithm, der(3, 0, RANDOM));
}
export const certificates = (...list: Uint8Array[]) => message(11, sized(3, ...list.map((one) => sized(3, one))));
export const CIPHER_SPEC = record(20, bytes(1));
