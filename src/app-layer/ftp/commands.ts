import { upper } from '../recognise.js';

/** Commands that the parser does something about; all others it only passes on. */
export const enum FtpCommand {
  Unknown = 0,
  Other,
  AuthTls,
  Port,
  Eprt,
  Pasv,
  Epsv,
  Retr,
  /** STOR, and APPE and STOU, which store as well. */
  Stor,
}

/** Those that Suricata makes transactions of. */
const KNOWN =
  'ABOR ACCT ALLO APPE CDUP CWD DELE EPRT EPSV HELP IDLE LIST MAIL MDTM MKD MLFL MODE MRCP MRSQ MSAM MSND MSOM NLST NOOP PASS PASV ' +
  'PORT PWD QUIT REIN REST RETR RMD RNFR RNTO SITE SIZE SMNT STAT STOR STOU STRU SYST TYPE USER';
const SPECIAL: Readonly<Record<string, FtpCommand>> = {
  PORT: FtpCommand.Port,
  EPRT: FtpCommand.Eprt,
  PASV: FtpCommand.Pasv,
  EPSV: FtpCommand.Epsv,
  RETR: FtpCommand.Retr,
  STOR: FtpCommand.Stor,
  APPE: FtpCommand.Stor,
  STOU: FtpCommand.Stor,
};
const NAMES = KNOWN.split(' ');
/** The four letters as one number, 0 for a missing fourth. */
const WORDS = Int32Array.from(NAMES, (name) => {
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (i < name.length ? name.charCodeAt(i) : 0);
  return word;
});
const CODES = Uint8Array.from(NAMES, (name) => SPECIAL[name] ?? FtpCommand.Other);

/** The command in mem[at, end), letters in either case. */
export function ftpCommand(mem: Uint8Array, at: number, end: number): FtpCommand {
  const length = end - at;
  if (length < 3 || length > 4) return FtpCommand.Unknown;
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (i < length ? upper(mem[at + i]) : 0);
  for (let i = 0; i < WORDS.length; i++) if (WORDS[i] === word) return CODES[i];
  return FtpCommand.Unknown;
}

/** `text` in upper case; letters of the memory in either. */
export function startsWith(mem: Uint8Array, at: number, end: number, text: string): boolean {
  if (at + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (upper(mem[at + i]) !== text.charCodeAt(i)) return false;
  return true;
}
