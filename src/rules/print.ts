import { printAddresses } from './addresses.js';
import { printNumberTest } from './numbers.js';
import { flagLetters } from './options/packet.js';
import { printPorts } from './ports.js';
import type { ContentOption, HeaderOption, PcreOption, Rule } from './rule.js';

/**
 * Canonical text of a rule, as a byte string: parseRule gives an equal rule back (its `text` aside).
 * Variables are printed resolved.
 */
export function printRule(rule: Rule): string {
  const options: string[] = [];
  if (rule.msg !== '') options.push(`msg:"${utf8(rule.msg).replace(/["\\;]/g, '\\$&')}"`);
  for (const option of rule.header) options.push(printHeaderOption(option));
  options.push(...printTests(rule.payload));
  for (const { buffer, tests } of rule.buffers) options.push(buffer, ...printTests(tests));
  if (rule.threshold !== undefined) {
    const { type, track, count, seconds } = rule.threshold;
    options.push(`threshold:type ${type}, track ${track}, count ${count}, seconds ${seconds}`);
  }
  if (rule.noalert) options.push('noalert');
  if (rule.bypass) options.push('bypass');
  if (rule.nfqMark !== undefined) options.push(`nfq_set_mark:${hex(rule.nfqMark.mark)}/${hex(rule.nfqMark.mask)}`);
  for (const reference of rule.references) options.push(`reference:${utf8(reference)}`);
  const metadata = Object.entries(rule.metadata).flatMap(([key, values]) =>
    values.length === 0 ? [key] : values.map((value) => `${key} ${value}`),
  );
  if (metadata.length > 0) options.push(`metadata:${utf8(metadata.join(', '))}`);
  if (rule.classtype !== '') options.push(`classtype:${rule.classtype}`);
  options.push(`priority:${rule.priority}`);
  if (rule.gid !== 1) options.push(`gid:${rule.gid}`);
  options.push(`sid:${rule.sid}`, `rev:${rule.rev}`);
  const source = `${printAddresses(rule.src)} ${printPorts(rule.srcPorts)}`;
  const target = `${printAddresses(rule.dst)} ${printPorts(rule.dstPorts)}`;
  return `${rule.action} ${rule.appProto ?? rule.proto} ${source} ${rule.bidirectional ? '<>' : '->'} ${target} (${options.join('; ')};)`;
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16)}`;
}

/** Text for people back to a byte string. */
function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function printHeaderOption(option: HeaderOption): string {
  switch (option.kind) {
    case 'dsize':
    case 'ttl':
    case 'itype':
    case 'icode':
      return `${option.kind}:${printNumberTest(option.test)}`;
    case 'ip_proto':
      return `ip_proto:${option.op === '=' ? '' : option.op}${option.proto}`;
    case 'flow':
      return `flow:${[option.direction, option.state, option.stream, option.frag].filter((x) => x !== undefined).join(',')}`;
    case 'flags':
      return `flags:${option.modifier}${flagLetters(option.flags) || '0'}${option.ignore === 0 ? '' : `,${flagLetters(option.ignore)}`}`;
  }
}

function printTests(tests: readonly (ContentOption | PcreOption)[]): string[] {
  return tests.flatMap((option) => (option.kind === 'content' ? printContent(option) : [printPcre(option)]));
}

function printContent(option: ContentOption): string[] {
  const out = [`content:${option.negated ? '!' : ''}"${printPattern(option.pattern)}"`];
  if (option.nocase) out.push('nocase');
  if (option.rawbytes) out.push('rawbytes');
  if (option.startswith) out.push('startswith');
  if (option.endswith) out.push('endswith');
  if (option.offset !== undefined) out.push(`offset:${option.offset}`);
  if (option.depth !== undefined) out.push(`depth:${option.depth}`);
  if (option.distance !== undefined) out.push(`distance:${option.distance}`);
  if (option.within !== undefined) out.push(`within:${option.within}`);
  if (option.replace !== undefined) out.push(`replace:"${printPattern(option.replace)}"`);
  if (option.fastPatternOnly) out.push('fast_pattern:only');
  else if (option.fastPatternChop !== undefined) out.push(`fast_pattern:${option.fastPatternChop.offset},${option.fastPatternChop.length}`);
  else if (option.fastPattern) out.push('fast_pattern');
  return out;
}

/** Printable ASCII as it is, all else in |hex|; what the grammar uses is hex too. */
function printPattern(pattern: Uint8Array): string {
  let out = '';
  let hex = false;
  for (const byte of pattern) {
    const plain = byte >= 0x20 && byte < 0x7f && !'"\\;:|'.includes(String.fromCharCode(byte));
    if (plain === hex) out += '|';
    else if (hex) out += ' ';
    hex = !plain;
    out += plain ? String.fromCharCode(byte) : byte.toString(16).toUpperCase().padStart(2, '0');
  }
  return hex ? `${out}|` : out;
}

function printPcre(option: PcreOption): string {
  return `pcre:${option.negated ? '!' : ''}"/${option.pattern}/${option.flags}${option.relative ? 'R' : ''}"`;
}
