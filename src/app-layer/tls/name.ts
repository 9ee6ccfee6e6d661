import { type Der, oidBytes, sameBytes, Tag } from './der.js';
import type { Printer } from './printer.js';

/** Attribute types with the names that Suricata prints; any other is `OID(1.2.3)`. */
const ATTRIBUTES = `
  2.5.4.3 CN  2.5.4.6 C  2.5.4.7 L  2.5.4.8 ST  2.5.4.10 O  2.5.4.11 OU  0.9.2342.19200300.100.1.25 DC
  1.2.840.113549.1.9.1 Email  1.2.840.113549.1.9.2 unstructuredName  2.5.4.0 objectClass
  2.5.4.4 surname  2.5.4.5 serialNumber  2.5.4.9 streetAddress  2.5.4.12 title  2.5.4.13 description
  2.5.4.15 businessCategory  2.5.4.16 postalAddress  2.5.4.17 postalCode  2.5.4.20 telephoneNumber  2.5.4.41 name
  2.5.4.42 givenName  2.5.4.43 initials  2.5.4.44 generationQualifier  2.5.4.45 uniqueIdentifier  2.5.4.46 dnQualifier
  1.3.6.1.4.1.311.60.2.1.1 msJurisdictionLocality  1.3.6.1.4.1.311.60.2.1.2 msJurisdictionStateOrProvince
  1.3.6.1.4.1.311.60.2.1.3 msJurisdictionCountry
`
  .trim()
  .split(/\s+/);
const OIDS: Uint8Array[] = [];
const NAMES: Uint8Array[] = [];
for (let i = 0; i < ATTRIBUTES.length; i += 2) {
  OIDS.push(oidBytes(ATTRIBUTES[i]));
  NAMES.push(Uint8Array.from(ATTRIBUTES[i + 1], (c) => c.charCodeAt(0)));
}
const OID_OPEN = Uint8Array.from('OID(', (c) => c.charCodeAt(0));

const BASE64 = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) => c.charCodeAt(0));

const COMMA = 0x2c;
const SPACE = 0x20;
const PLUS = 0x2b;
const EQUALS = 0x3d;
const DOT = 0x2e;
const CLOSE = 0x29;

/**
 * Prints a distinguished name (RFC 5280, 4.1.2.4; the content of its SEQUENCE) as Suricata does: `C=US, O=Foo + OU=Bar, CN=www`.
 * False: not a name; what was printed until then stands.
 */
export function printName(der: Der, mem: Uint8Array, off: number, end: number, out: Printer): boolean {
  for (let rdn = off, first = true; rdn < end; first = false) {
    if (!der.expect(Tag.Set, mem, rdn, end)) return false;
    const setEnd = der.to;
    if (!first) {
      out.byte(COMMA);
      out.byte(SPACE);
    }
    for (let attribute = der.from, alone = true; attribute < setEnd; alone = false) {
      if (!der.expect(Tag.Sequence, mem, attribute, setEnd)) return false;
      const attributeEnd = der.to;
      if (!der.expect(Tag.Oid, mem, der.from, attributeEnd)) return false;
      const valueAt = der.to;
      if (!alone) {
        out.byte(SPACE);
        out.byte(PLUS);
        out.byte(SPACE);
      }
      printOid(mem, der.from, der.to, out);
      out.byte(EQUALS);
      if (!der.read(mem, valueAt, attributeEnd)) return false;
      printValue(der.tag, mem, der.from, der.to, out);
      attribute = attributeEnd;
    }
    rdn = setEnd;
  }
  return true;
}

function printOid(mem: Uint8Array, from: number, to: number, out: Printer): void {
  for (let i = 0; i < OIDS.length; i++) {
    if (!sameBytes(mem, from, to - from, OIDS[i])) continue;
    out.copy(NAMES[i], 0, NAMES[i].length);
    return;
  }
  out.copy(OID_OPEN, 0, OID_OPEN.length);
  let arc = 0;
  for (let at = from, first = true; at < to; at++) {
    // Larger ones than any in use are printed as what is left of them.
    arc = (arc % 2 ** 44) * 128 + (mem[at] & 0x7f);
    if (mem[at] >= 0x80) continue;
    if (first) {
      const top = arc < 80 ? Math.floor(arc / 40) : 2;
      out.decimal(top);
      arc -= top * 40;
    }
    out.byte(DOT);
    out.decimal(arc);
    arc = 0;
    first = false;
  }
  out.byte(CLOSE);
}

function printValue(tag: number, mem: Uint8Array, from: number, to: number, out: Printer): void {
  if (tag === Tag.BmpString) {
    for (let i = from; i + 1 < to; i += 2) {
      let code = (mem[i] << 8) | mem[i + 1];
      if ((code & 0xfc00) === 0xd800 && i + 3 < to && (mem[i + 2] & 0xfc) === 0xdc) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (((mem[i + 2] & 3) << 8) | mem[i + 3]);
        i += 2;
      }
      out.utf8(code);
    }
  } else if (tag === Tag.UniversalString) {
    for (let i = from; i + 3 < to; i += 4) {
      const code = ((mem[i] << 24) | (mem[i + 1] << 16) | (mem[i + 2] << 8) | mem[i + 3]) >>> 0;
      out.utf8(code < 0x110000 ? code : 0xfffd);
    }
  } else if (isString(tag)) out.copy(mem, from, to - from);
  else printBase64(mem, from, to, out);
}

/** UTF8String and those of one byte per character. */
function isString(tag: number): boolean {
  return tag === 0x07 || tag === Tag.Utf8String || (tag >= 0x12 && tag <= 0x16) || (tag >= 0x19 && tag <= 0x1b);
}

function printBase64(mem: Uint8Array, from: number, to: number, out: Printer): void {
  for (let i = from; i < to; i += 3) {
    const left = to - i;
    const bits = (mem[i] << 16) | (left > 1 ? mem[i + 1] << 8 : 0) | (left > 2 ? mem[i + 2] : 0);
    out.byte(BASE64[bits >> 18]);
    out.byte(BASE64[(bits >> 12) & 63]);
    out.byte(left > 1 ? BASE64[(bits >> 6) & 63] : EQUALS);
    out.byte(left > 2 ? BASE64[bits & 63] : EQUALS);
  }
}
