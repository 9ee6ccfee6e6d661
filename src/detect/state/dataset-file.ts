/**
 * Files of datasets (user guide, "Datasets", "File formats"): a value a line, as base64 (string), hex (md5, sha256) or an
 * address; with `,N` behind it its reputation. Read where rules are loaded, written when the engine ends, by one process.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import ipaddr from 'ipaddr.js';
import type { DatasetSpec, DatasetTypeName } from '../../rules/datasets.js';
import { Added, DatasetTable, DatasetType, MAX_VALUE } from './dataset-table.js';

const TYPES: Readonly<Record<DatasetTypeName, DatasetType>> = {
  string: DatasetType.String,
  md5: DatasetType.Md5,
  sha256: DatasetType.Sha256,
  ipv4: DatasetType.Ipv4,
  ip: DatasetType.Ip,
};

/** Largest file that is read. */
const MAX_FILE = 2 ** 30;
/** Bytes of memory that a byte of a file may need at most: a short string of its own entry. */
const GROWTH = 16;

/** The set with what its file holds, or why it cannot be had. A state file that is not there yet is empty. */
export function loadDataset(spec: DatasetSpec): SharedArrayBuffer | string {
  let text = '';
  if (spec.load !== '') {
    try {
      if (fs.statSync(spec.load).size > MAX_FILE) return `${spec.load} is larger than ${MAX_FILE} bytes`;
      text = fs.readFileSync(spec.load, 'latin1');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || spec.load !== spec.save) return `the set ${spec.name} cannot be read: ${message}`;
    }
  }
  // One that nothing is added to later need not be larger than its file.
  const memcap = spec.changes ? spec.memcap : Math.min(spec.memcap, 65_536 + GROWTH * text.length);
  const memory = DatasetTable.create(TYPES[spec.type], memcap, spec.hashsize);
  const table = new DatasetTable(memory, spec.changes);
  let line = 0;
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    const entry = text.slice(at, end).trim();
    at = end + 1;
    line++;
    if (entry === '' || entry.startsWith('#')) continue;
    const comma = entry.indexOf(',');
    const value = parseValue(spec.type, comma < 0 ? entry : entry.slice(0, comma).trim());
    const reputation = comma < 0 ? 0 : reputationOf(entry.slice(comma + 1).trim());
    if (value === null || value.length > MAX_VALUE || reputation < 0)
      return `${spec.load}:${line} is no ${spec.type === 'string' ? 'base64 text' : spec.type}${comma < 0 ? '' : ' with a reputation from 0 to 65535'}`;
    if (table.add(value, 0, value.length, reputation) === Added.Full)
      return `${spec.load} is too large for the set's memcap, ${spec.memcap} bytes: give it more`;
  }
  return memory;
}

function reputationOf(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : -1;
}

function parseValue(type: DatasetTypeName, text: string): Uint8Array | null {
  switch (type) {
    case 'string':
      return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : null;
    case 'md5':
      return /^[0-9a-f]{32}$/i.test(text) ? Buffer.from(text, 'hex') : null;
    case 'sha256':
      return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : null;
    case 'ipv4':
      return ipaddr.IPv4.isValidFourPartDecimal(text) ? Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray()) : null;
    case 'ip':
      if (ipaddr.IPv4.isValidFourPartDecimal(text)) return Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray());
      return ipaddr.IPv6.isValid(text) && !text.includes('%') && !text.includes('/')
        ? Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray())
        : null;
  }
}

/** A value as its line in a file. */
export function printValue(type: DatasetType, value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  switch (type) {
    case DatasetType.String:
      return bytes.toString('base64');
    case DatasetType.Md5:
    case DatasetType.Sha256:
      return bytes.toString('hex');
    default: {
      if (value.length === 4) return value.join('.');
      if (bytes.readUInt32BE(0) === 0 && bytes.readUInt32BE(4) === 0 && bytes.readUInt32BE(8) === 0xffff)
        return value.subarray(12).join('.');
      return bytes.toString('hex').replace(/(....)(?=.)/g, '$1:');
    }
  }
}

/** Writes a set to its file, whole or not at all; '' or why it could not. */
export function saveDataset(spec: DatasetSpec, table: DatasetTable): string {
  const temporary = join(dirname(spec.save), `.${process.pid}.${spec.name.replace(/[^\w.-]/g, '_')}.tmp`);
  try {
    makeFolder(dirname(spec.save));
    const fd = fs.openSync(temporary, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW, 0o644);
    try {
      let lines: string[] = [];
      const flush = () => {
        fs.writeSync(fd, lines.join(''));
        lines = [];
      };
      table.each((value, reputation) => {
        lines.push(`${printValue(table.type, value)}${reputation === 0 ? '' : `,${reputation}`}\n`);
        if (lines.length === 4096) flush();
      });
      flush();
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, spec.save);
    return '';
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    return `the set ${spec.name} is not saved to ${spec.save}: ${(error as Error).message}`;
  }
}

/** Not mkdir's own recursion: on file systems that answer ENOENT to every mkdir (/proc) it never ends. */
function makeFolder(path: string): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  fs.mkdirSync(path, { mode: 0o755 });
}
