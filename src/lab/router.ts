import { SluiceError } from '../errors.js';
import { ADDRESS, type Namespaces } from './namespaces.js';

/**
 * The lab with a router in the middle, for what netfilter shows: the `bridge` namespace gets addresses and forwards.
 *
 *   client                          bridge                               server
 *   10.99.0.1  eth0 ======= eth0 10.99.0.254  10.99.1.254 eth1 ======= eth0  10.99.1.2
 *   fd99::1                      fd99::fe     fd98::fe                       fd98::2
 */
export const ROUTED = {
  client: ADDRESS.client,
  client6: ADDRESS.client6,
  server: '10.99.1.2',
  server6: 'fd98::2',
  left: '10.99.0.254',
  left6: 'fd99::fe',
  right: '10.99.1.254',
  right6: 'fd98::fe',
} as const;

/** Turns a fresh lab into the routed one. Throws SLUICE_LAB. */
export async function makeRouter(lab: Namespaces): Promise<void> {
  const forwarding = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'].map((key) => `${key}=1`);
  const quiet = ['all', 'default', 'eth0', 'eth1', 'lo'].map((name) => `net.ipv6.conf.${name}.disable_ipv6=0`);
  await run(lab, 'bridge', 'sysctl', ['-q', '-w', ...quiet, ...forwarding]);
  await run(
    lab,
    'bridge',
    'ip',
    ['-batch', '-'],
    [
      `addr add ${ROUTED.left}/24 dev eth0`,
      `addr add ${ROUTED.left6}/64 dev eth0 nodad`,
      `addr add ${ROUTED.right}/24 dev eth1`,
      `addr add ${ROUTED.right6}/64 dev eth1 nodad`,
    ],
  );
  await run(
    lab,
    'server',
    'ip',
    ['-batch', '-'],
    [
      'addr flush dev eth0 scope global',
      `addr add ${ROUTED.server}/24 dev eth0`,
      `addr add ${ROUTED.server6}/64 dev eth0 nodad`,
      `route add default via ${ROUTED.right}`,
      `route add default via ${ROUTED.right6}`,
    ],
  );
  await run(lab, 'client', 'ip', ['-batch', '-'], [`route add default via ${ROUTED.left}`, `route add default via ${ROUTED.left6}`]);
}

async function run(
  lab: Namespaces,
  side: 'client' | 'bridge' | 'server',
  command: string,
  args: string[],
  lines: string[] = [],
): Promise<void> {
  const { code, stderr } = await lab.exec(side, command, args, { input: `${lines.join('\n')}\n` });
  if (code !== 0) throw new SluiceError('SLUICE_LAB', `'${command}' in the ${side} namespace failed: ${stderr.trim().split('\n')[0]}`);
}
