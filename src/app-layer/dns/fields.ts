import type { RecordNames } from '../record.js';
import { RCODE_NAMES, RrType, TYPE_NAMES } from './codes.js';

/** Indices into DNS_NAMES.fields. */
export const enum Field {
  None = -1,
  Version = 0,
  Type = 1,
  TxId = 2,
  Id = 3,
  Flags = 4,
  Qr = 5,
  Aa = 6,
  Tc = 7,
  Rd = 8,
  Ra = 9,
  Z = 10,
  Opcode = 11,
  Rcode = 12,
  Rrname = 13,
  RrnameTruncated = 14,
  Rrtype = 15,
  Queries = 16,
  Answers = 17,
  Authorities = 18,
  Additionals = 19,
  Grouped = 20,
  Ttl = 21,
  Rdata = 22,
  RdataTruncated = 23,
  Soa = 24,
  Mname = 25,
  Rname = 26,
  /** The five numbers of an SOA record, in their order on the wire. */
  Serial = 27,
  Sshfp = 32,
  Fingerprint = 33,
  Algo = 34,
  Srv = 35,
  Priority = 36,
  Weight = 37,
  Port = 38,
  Name = 39,
  Opt = 40,
  Code = 41,
  Data = 42,
  /** + position in GROUPED. */
  Group = 43,
}

/** Types whose answers are grouped. */
export const GROUPED: readonly RrType[] = [
  RrType.A,
  RrType.Aaaa,
  RrType.Cname,
  RrType.Mx,
  RrType.Ns,
  RrType.Null,
  RrType.Ptr,
  RrType.Soa,
  RrType.Srv,
  RrType.Sshfp,
  RrType.Txt,
];

const FIELDS =
  'version type tx_id id flags qr aa tc rd ra z opcode rcode rrname rrname_truncated rrtype queries answers authorities additionals grouped ' +
  'ttl rdata rdata_truncated soa mname rname serial refresh retry expire minimum sshfp fingerprint algo srv priority weight port name opt ' +
  'code data';
/** Indices into DNS_NAMES.words. */
export const enum Word {
  Request = 0,
  Response = 1,
  Query = 2,
  Answer = 3,
  Rcode = 4,
}
const FIRST_TYPE = Word.Rcode + RCODE_NAMES.length;

export const DNS_NAMES: RecordNames = {
  type: 'dns',
  fields: [...FIELDS.split(' '), ...GROUPED.map((type) => TYPE_NAMES.get(type)!)],
  words: ['request', 'response', 'query', 'answer', ...RCODE_NAMES, ...TYPE_NAMES.values()],
};

/** Word of each type; 0: it has no name. */
export const TYPE_WORDS = new Int16Array(257);
for (const [i, type] of [...TYPE_NAMES.keys()].entries()) TYPE_WORDS[type] = FIRST_TYPE + i;
