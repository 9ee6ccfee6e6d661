/**
 * `npm start`: Sluice at its main job, on a lab it builds itself. With --keep the lab stays up.
 * Exit status 0 when benign traffic crossed, the attack did not, and Sluice stopped cleanly; else 1.
 */
import { errorLine, SluiceError } from '../errors.js';
import { Engine, SLUICE } from './engine.js';
import { DROP_SID, fastLog, type LabFiles, METRICS_PORT, makeFiles } from './files.js';
import { LiveLine } from './live.js';
import { ADDRESS, BRIDGE_INTERFACES, canUseNamespaces, Namespaces } from './namespaces.js';
import { PORT, replay } from './offline.js';
import { Report } from './report.js';
import { ATTACK_URL, attackRequest, BENIGN_URL, benignRequest, bulkTransfer, startBulkServer, startWebServer } from './traffic.js';
import { waitFor } from './wait.js';

const BULK_SECONDS = 5;
const isDrop = (line: string) => line.includes('[Drop]') && line.includes(`:${DROP_SID}:`);

const USAGE = `npm start [-- --keep | --offline]
  --keep     leave the lab up to try things by hand; Ctrl-C ends it
  --offline  no namespaces: replay a capture, as is done where they are not allowed`;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => !['--keep', '--offline', '--help', '-h'].includes(arg));
  if (unknown !== undefined) throw new SluiceError('SLUICE_USAGE', `'${unknown}' is not an option of the lab; it takes --keep, --offline`);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return 0;
  }
  const files = makeFiles();
  const report = new Report();
  const reason = args.includes('--offline') ? '--offline was given' : canUseNamespaces();
  if (reason === '') await runLive(files, report, args.includes('--keep'));
  else {
    console.log(`No network namespaces (${reason}): replaying the same traffic from a capture instead.`);
    await runOffline(files, report);
  }
  console.log(report.text(files));
  return report.ok ? 0 : 1;
}

async function runLive(files: LabFiles, report: Report, keep: boolean): Promise<void> {
  const lab = Namespaces.create();
  try {
    console.log(
      `The lab: client ${ADDRESS.client} === ${BRIDGE_INTERFACES.join(' [Sluice] ')} === ${ADDRESS.server} server (nginx, iperf3)`,
    );
    const args = ['-c', files.config, '-S', files.rules, '-l', files.logs, '--af-packet'];
    console.log(`$ ${lab.command('bridge', 'bin/sluice', ...args)}`);
    await Promise.all([startWebServer(lab, files.nginx), startBulkServer(lab)]);
    // Detached: Ctrl-C reaches the lab alone, which then stops Sluice in order.
    const engine = new Engine(lab.spawn('bridge', SLUICE, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true }), files.logs);
    await engine.untilStarted();
    const live = new LiveLine(lab);
    await sendTraffic(lab, live, files, report);
    if (keep) await holdOpen(lab, live);
    live.stop();
    const failure = await engine.stop();
    report.expect('Sluice stopped cleanly on SIGTERM', failure === '', failure);
    if (!report.ok) console.log(`\nThe last lines of Sluice:\n${engine.lastLines()}`);
  } finally {
    lab.remove();
  }
}

async function sendTraffic(lab: Namespaces, live: LiveLine, files: LabFiles, report: Report): Promise<void> {
  live.progress = '1/3 benign request';
  const benign = await benignRequest(lab);
  live.print(`$ curl ${BENIGN_URL}  ->  ${benign.detail}`);
  report.expect('the benign request crossed', benign.ok, benign.detail);

  live.progress = '2/3 attack';
  const attack = await attackRequest(lab);
  live.print(`$ curl '${ATTACK_URL}'  ->  ${attack.detail}`);
  report.expect('the attack was blocked', attack.ok, attack.detail);
  const logged = () => fastLog(files).find(isDrop);
  const line = await waitFor(logged, { timeoutMs: 3000, what: 'the [Drop] line' }).catch(() => undefined);
  report.expect('fast.log tells of it', line !== undefined, line ?? `no [Drop] line of sid ${DROP_SID} in ${files.logs}/fast.log`);

  live.progress = '3/3 bulk transfer';
  const bulk = await bulkTransfer(lab, BULK_SECONDS);
  const rate =
    bulk.bitsPerSecond > 0
      ? `${(bulk.bitsPerSecond / 1e9).toFixed(2)} Gbit/s, ${(bulk.bytes / 1e6).toFixed(0)} MB in ${BULK_SECONDS} s`
      : bulk.detail;
  live.print(`$ iperf3 -c ${ADDRESS.server} -t ${BULK_SECONDS}  ->  ${rate}`);
  report.expect('the bulk transfer ran', bulk.bitsPerSecond > 0, rate);
  live.progress = 'done';
}

/** --keep: until Ctrl-C. */
async function holdOpen(lab: Namespaces, live: LiveLine): Promise<void> {
  live.progress = 'kept up; Ctrl-C ends it';
  const lines = [
    '',
    'The lab stays up. In another terminal:',
    `  ${lab.command('client', 'curl', '-i', BENIGN_URL)}`,
    `  ${lab.command('client', 'curl', '-i', '--max-time', '3', `'${ATTACK_URL}'`)}`,
    `  ${lab.command('client', 'iperf3', '-c', ADDRESS.server)}`,
    `  ${lab.command('bridge', 'curl', '-s', `http://127.0.0.1:${METRICS_PORT}/metrics`)}`,
    `  ${lab.command('client', 'bash')}    (a shell on the client; likewise ${lab.name('server')}, ${lab.name('bridge')})`,
    'Ctrl-C here ends it.',
    '',
  ];
  for (const line of lines) live.print(line);
  await lab.interrupted();
}

async function runOffline(files: LabFiles, report: Report): Promise<void> {
  const { packets, failure, engine } = await replay(files);
  const drops = fastLog(files).filter(isDrop);
  const attack = drops.find((line) => line.includes(`:${PORT.attack} `));
  const others = drops.filter((line) => !line.includes(`:${PORT.attack} `));
  report.expect(`Sluice read ${packets} packets and ended well`, failure === '', failure);
  report.expect('the attack was blocked', attack !== undefined, attack ?? `no [Drop] line of sid ${DROP_SID} in ${files.logs}/fast.log`);
  report.expect('nothing else was', others.length === 0, others[0] ?? '');
  if (!report.ok) console.log(`\nThe last lines of Sluice:\n${engine.lastLines()}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(errorLine(error));
  process.exitCode = 1;
}
