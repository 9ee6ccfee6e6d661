import { readFileSync } from 'node:fs';
import { SluiceError } from '../errors.js';

/** Numbers of a user by name or number, from passwd(5); `group` '' = the user's own. */
export function userIds(user: string, group = ''): { uid: number; gid: number } {
  const entry = find('/etc/passwd', user);
  if (entry === undefined)
    throw new SluiceError('SLUICE_CONFIG', `user ${user} does not exist; create it, or name another with --user or sluice.detect-user`);
  const gid = group === '' ? entry[3] : find('/etc/group', group)?.[2];
  if (gid === undefined) throw new SluiceError('SLUICE_CONFIG', `group ${group} does not exist; create it, or name another with --group`);
  return { uid: Number(entry[2]), gid: Number(gid) };
}

function find(file: string, name: string): string[] | undefined {
  return readFileSync(file, 'latin1')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields.length > 3 && (fields[0] === name || fields[2] === name));
}
