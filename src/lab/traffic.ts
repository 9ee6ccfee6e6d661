import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADDRESS, type ExecResult, type Namespaces } from './namespaces.js';
import { waitFor } from './wait.js';

/** Real programs at both ends of the bridge: nginx and iperf3 behind it, curl and iperf3 before it. */
export const BODY = 'This page crossed Sluice.\n';
export const BENIGN_URL = `http://${ADDRESS.server}/`;
export const ATTACK_URL = `http://${ADDRESS.server}/download?file=../../../../etc/passwd`;
const ATTACK_SECONDS = 3;

/** Starts nginx in `folder`; resolves when it answers in its own namespace. */
export async function startWebServer(lab: Namespaces, folder: string): Promise<void> {
  mkdirSync(join(folder, 'html'), { recursive: true });
  writeFileSync(join(folder, 'html', 'index.html'), BODY);
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n');
  const config = join(folder, 'nginx.conf');
  // One process in the foreground: it ends with the lab, and reads the lab's folder as root.
  const text = `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
${temp}
  access_log ${folder}/access.log;
  default_type text/plain;
  server {
    listen 80;
    listen [::]:80;
    root ${folder}/html;
    # Whatever is asked for exists: only Sluice stands between an attack and its answer.
    location / { try_files $uri /index.html; }
  }
}
`;
  writeFileSync(config, text);
  // -e: the place of errors before the configuration is read.
  lab.spawn('server', 'nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', config], { stdio: 'ignore' });
  await waitFor(async () => (await curl(lab, 'server', `http://127.0.0.1/`, 1)).stdout === BODY, {
    what: `nginx to answer (see ${folder}/error.log)`,
  });
}

export async function startBulkServer(lab: Namespaces): Promise<void> {
  lab.spawn('server', 'iperf3', ['-s'], { stdio: 'ignore' });
  await waitFor(async () => (await lab.exec('server', 'ss', ['-Hltn', 'sport = :5201'])).stdout !== '', { what: 'iperf3 to listen' });
}

export interface Requested {
  ok: boolean;
  detail: string;
}

/** The benign request: it must bring the page. */
export async function benignRequest(lab: Namespaces): Promise<Requested> {
  const result = await curl(lab, 'client', BENIGN_URL, 5);
  if (result.code !== 0) return { ok: false, detail: `curl: ${curlFailure(result)}` };
  return result.stdout === BODY
    ? { ok: true, detail: '200, the page came whole' }
    : { ok: false, detail: 'another page came than the server has' };
}

/** The attack: `ok` tells that the connection was made, the request sent, and nothing came back. */
export async function attackRequest(lab: Namespaces): Promise<Requested> {
  const result = await curl(lab, 'client', ATTACK_URL, ATTACK_SECONDS, ['-o', '/dev/null', '-w', '%{http_code} %{time_connect}']);
  const [status, connected] = result.stdout.trim().split(' ').map(Number);
  if (status > 0) return { ok: false, detail: `the server answered it with ${status}` };
  if (!(connected > 0)) return { ok: false, detail: `it could not even connect (curl: ${curlFailure(result)})` };
  return { ok: true, detail: `no answer (curl: ${curlFailure(result)})` };
}

/** One TCP stream from client to server; bits per second that arrived, 0 and the reason when none. */
export async function bulkTransfer(lab: Namespaces, seconds: number): Promise<{ bitsPerSecond: number; bytes: number; detail: string }> {
  const result = await lab.exec('client', 'iperf3', ['-c', ADDRESS.server, '-t', String(seconds), '-J', '--connect-timeout', '2000'], {
    timeoutMs: (seconds + 5) * 1000,
  });
  try {
    const report = JSON.parse(result.stdout);
    const received = report.end?.sum_received;
    if (received?.bits_per_second > 0) return { bitsPerSecond: received.bits_per_second, bytes: received.bytes, detail: '' };
    return { bitsPerSecond: 0, bytes: 0, detail: report.error ?? 'nothing arrived' };
  } catch {
    return {
      bitsPerSecond: 0,
      bytes: 0,
      detail: result.signal ? 'it hung and was ended' : result.stderr.trim() || `exit status ${result.code}`,
    };
  }
}

function curl(lab: Namespaces, side: 'client' | 'server', url: string, seconds: number, more: readonly string[] = []): Promise<ExecResult> {
  // -q and --noproxy: neither a .curlrc nor a proxy of the person who runs the lab may interfere.
  return lab.exec(side, 'curl', ['-q', '--noproxy', '*', '-sS', '--fail', '--path-as-is', '--max-time', String(seconds), ...more, url], {
    timeoutMs: (seconds + 5) * 1000,
  });
}

function curlFailure(result: ExecResult): string {
  return result.stderr.trim().replace(/^curl: /, '') || (result.signal ?? `exit status ${result.code}`);
}
