import { TcpFlag } from '../../decode/packet.js';
import type { FlagsOption } from '../packet-option.js';
import { RuleError } from '../rule-error.js';
import { shorten } from '../text.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

const FLAGS: OptionSpec = { value: 'required', apply: flags };

export const TCP_OPTIONS: OptionTable = { flags: FLAGS, 'tcp.flags': FLAGS };

const FLAG_BITS: Record<string, number> = {
  F: TcpFlag.Fin,
  S: TcpFlag.Syn,
  R: TcpFlag.Rst,
  P: TcpFlag.Psh,
  A: TcpFlag.Ack,
  U: TcpFlag.Urg,
  E: TcpFlag.Ece,
  '2': TcpFlag.Ece,
  C: TcpFlag.Cwr,
  '1': TcpFlag.Cwr,
};

/** `[+*!]letters[,ignored]`; the modifier may also follow the letters; 0 = no flag set; 1 and 2 are C and E. */
function flags(state: RuleState, value: string, _negated: boolean, name: string): void {
  const match = /^([FSRPAUEC012+*!\s]+)(?:,\s*([FSRPAUEC12]+))?$/i.exec(value);
  if (match === null) throw new RuleError(name, `takes [+*!] and letters of FSRPAUEC or 0, then perhaps ,ignored; got "${shorten(value)}"`);
  const option: FlagsOption = { kind: 'flags', flags: 0, ignore: 0, modifier: '' };
  let letters = 0;
  let none = false;
  for (const char of match[1].toUpperCase()) {
    if (char === '+' || char === '*' || char === '!') {
      if (option.modifier !== '') throw new RuleError(name, 'takes one modifier of + * !');
      option.modifier = char;
    } else if (char === '0') {
      none = true;
    } else if (char in FLAG_BITS) {
      option.flags |= FLAG_BITS[char];
      letters++;
    }
  }
  if (none && letters > 0) throw new RuleError(name, '0 means no flag at all and stands alone');
  if (!none && letters === 0) throw new RuleError(name, 'names no flag');
  for (const char of (match[2] ?? '').toUpperCase()) option.ignore |= FLAG_BITS[char];
  state.rule.header.push(option);
}

/** Canonical letters of a flag mask. */
export function flagLetters(bits: number): string {
  let out = '';
  for (const letter of 'FSRPAUEC') if (bits & FLAG_BITS[letter]) out += letter;
  return out;
}

export function printTcpFlags(option: FlagsOption): string {
  return `flags:${option.modifier}${flagLetters(option.flags) || '0'}${option.ignore === 0 ? '' : `,${flagLetters(option.ignore)}`}`;
}
