import { printAddresses } from './addresses.js';
import { isAppOption, printAppOption } from './options/app-layer.js';
import { printBuffer } from './options/buffers.js';
import { printThreshold } from './options/meta.js';
import { printPacketOption } from './options/packet.js';
import { printByteOptions } from './options/payload.js';
import { isStateOption, printEffect, printStateOption } from './options/state.js';
import { printPorts } from './ports.js';
import type { HeaderOption, Rule } from './rule.js';

/**
 * Canonical text of a rule, as a byte string: parseRule gives an equal rule back (its `text` aside).
 * Variables are printed resolved.
 */
export function printRule(rule: Rule): string {
  const options: string[] = [];
  if (rule.msg !== '') options.push(`msg:"${utf8(rule.msg).replace(/["\\;]/g, '\\$&')}"`);
  for (const option of rule.header) options.push(printHeaderOption(option));
  options.push(...printByteOptions(rule.payload));
  for (const tests of rule.buffers) options.push(...printBuffer(tests), ...printByteOptions(tests.tests));
  options.push(...rule.effects.map(printEffect));
  if (rule.threshold !== undefined) options.push(printThreshold(rule.threshold));
  if (rule.noalert) options.push('noalert');
  if (rule.alert === true) options.push('alert');
  if (rule.target !== undefined) options.push(`target:${rule.target}`);
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
  return `${rule.action} ${rule.appProto ?? rule.proto} ${source} ${rule.transactional === true ? '=>' : rule.bidirectional ? '<>' : '->'} ${target} (${options.join('; ')};)`;
}

function printHeaderOption(option: HeaderOption): string {
  if (isAppOption(option)) return printAppOption(option);
  return isStateOption(option) ? printStateOption(option) : printPacketOption(option);
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16)}`;
}

/** Text for people back to a byte string. */
function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
