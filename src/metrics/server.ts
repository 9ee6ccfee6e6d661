import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config/config.js';
import { SluiceError } from '../errors.js';
import { buildRegistry, type MetricsSources } from './registry.js';
import { statusPage } from './status-page.js';

export type { MetricsSources } from './registry.js';

export interface MetricsServer {
  /** The port listened on; 0 when metrics are disabled. */
  port: number;
  close(): Promise<void>;
}

/** Serves `/metrics` (Prometheus), `/` (status page) and `/healthz`. Read-only; no input but the path. */
export async function startMetrics(config: Config['sluice']['metrics'], sources: MetricsSources): Promise<MetricsServer> {
  if (!config.enabled) return { port: 0, close: async () => {} };
  const registry = buildRegistry(sources);
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'only GET\n');
    if (path === '/metrics') {
      registry.metrics().then(
        (text) => send(response, 200, registry.contentType, text),
        (error: Error) => send(response, 500, 'text/plain', `${error.message}\n`),
      );
    } else if (path === '/healthz') {
      const down = sources.processes().filter((p) => !p.up);
      if (sources.up()) send(response, 200, 'text/plain', 'ok\n');
      else send(response, 503, 'text/plain', `not ok${down.map((p) => `; ${p.name} process is down`).join('')}\n`);
    } else if (path === '/') {
      send(response, 200, 'text/html; charset=utf-8', statusPage(sources));
    } else {
      send(response, 404, 'text/plain', 'here are /, /metrics and /healthz\n');
    }
  });
  // A scrape is short; whoever holds a connection open for longer is not Prometheus.
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(config, error)));
    server.listen(config.port, config.address, resolve);
  });
  server.on('error', () => {});
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  });
  response.end(body);
}

function listenError(config: Config['sluice']['metrics'], error: NodeJS.ErrnoException): SluiceError {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'the port is in use; stop the other program or set sluice.metrics.port (0 takes any free one)',
    EADDRNOTAVAIL: 'no interface has that address; correct sluice.metrics.address',
    EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE; set sluice.metrics.port to a higher one',
    ENOTFOUND: 'that is no address; correct sluice.metrics.address',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new SluiceError('SLUICE_CONFIG', `metrics cannot listen on ${config.address}:${config.port}: ${reason}`, { cause: error });
}
