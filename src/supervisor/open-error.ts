import type { SourcePlan } from '../capture/plan.js';
import { SluiceError } from '../errors.js';

export function names(sources: SourcePlan[]): string {
  return sources.map((source) => source.name).join(' and ');
}

/** Why the sockets of one capture thread did not open, for a person, with the mend. */
export function openError(error: NodeJS.ErrnoException, sources: SourcePlan[]): Error {
  const what = `${names(sources)}: ${error.message}`;
  if (sources[0].kind !== 'af-packet') return netfilterError(error, sources[0], what);
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new SluiceError('SLUICE_CAPABILITY', `opening packet sockets on ${what}; run as root or with CAP_NET_RAW and CAP_NET_ADMIN`);
  if (error.code === 'ENOMEM') return new SluiceError('SLUICE_SYSTEM', `opening packet sockets on ${what}; lower ring-size or threads`);
  if (error.message.startsWith('PACKET_FANOUT'))
    return new SluiceError(
      'SLUICE_INTERFACE',
      `joining the fanout group on ${what}; another program uses this cluster-id with other settings, choose one of your own`,
    );
  return error.code?.startsWith('E') ? new SluiceError('SLUICE_SYSTEM', `opening packet sockets on ${what}`) : error;
}

function netfilterError(error: NodeJS.ErrnoException, source: SourcePlan, what: string): Error {
  const queue = source.kind === 'nfqueue';
  switch (error.code) {
    case 'EBUSY':
      return new SluiceError(
        'SLUICE_SYSTEM',
        queue
          ? `taking queue ${what}; another program holds it (its portid is in /proc/net/netfilter/nfnetlink_queue): stop that, or choose another number with -q`
          : `listening to log group ${what}; another program holds it (see /proc/net/netfilter/nfnetlink_log): stop that, or choose another group`,
      );
    case 'EPERM':
    case 'EACCES':
      return new SluiceError('SLUICE_CAPABILITY', `opening ${what}; run as root or with CAP_NET_ADMIN and CAP_NET_RAW`);
    case 'ENOENT':
    case 'EPROTONOSUPPORT':
    case 'EOPNOTSUPP':
    case 'EINVAL':
      return new SluiceError(
        'SLUICE_SYSTEM',
        `opening ${what}; the kernel does not offer it, 'modprobe ${queue ? 'nfnetlink_queue' : 'nfnetlink_log'}'`,
      );
  }
  return error.code?.startsWith('E') ? new SluiceError('SLUICE_SYSTEM', `opening ${what}`) : error;
}
