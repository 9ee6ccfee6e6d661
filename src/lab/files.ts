import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../native.js';
import { BRIDGE_INTERFACES, isAlive } from './namespaces.js';

/** The sid of the rule in etc/rules/demo.rules that the attack must run into. */
export const DROP_SID = 1000001;
export const METRICS_PORT = 9917;

/** A run's folder: os.tmpdir()/sluice-lab-<pid>. It stays for the reader of its logs until the next run. */
export interface LabFiles {
  folder: string;
  config: string;
  rules: string;
  logs: string;
  nginx: string;
  capture: string;
}

export function makeFiles(): LabFiles {
  removeOldFolders();
  const folder = join(tmpdir(), `sluice-lab-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  const files = {
    folder,
    config: join(folder, 'sluice.yaml'),
    rules: join(folder, 'demo.rules'),
    logs: join(folder, 'log'),
    nginx: join(folder, 'nginx'),
    capture: join(folder, 'lab.pcap'),
  };
  mkdirSync(files.logs, { recursive: true });
  copyFileSync(join(ROOT, 'etc', 'rules', 'demo.rules'), files.rules);
  writeFileSync(files.config, CONFIG);
  return files;
}

/** The lines of fast.log so far. */
export function fastLog(files: LabFiles): string[] {
  try {
    return readFileSync(join(files.logs, 'fast.log'), 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

function removeOldFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(/^sluice-lab-(\d+)$/.exec(name)?.[1] ?? 0);
    if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

const [LEFT, RIGHT] = BRIDGE_INTERFACES;

const CONFIG = `%YAML 1.1
---
# Written by npm start: an inline bridge between ${LEFT} and ${RIGHT}.
af-packet:
  - interface: ${LEFT}
    threads: 1
    cluster-id: 98
    cluster-type: cluster_flow
    defrag: no
    copy-mode: ips
    copy-iface: ${RIGHT}
  - interface: ${RIGHT}
    threads: 1
    cluster-id: 97
    cluster-type: cluster_flow
    defrag: no
    copy-mode: ips
    copy-iface: ${LEFT}

outputs:
  - fast:
      enabled: yes
      filename: fast.log
  - eve-log:
      enabled: yes
      filename: eve.json
      types:
        - alert
        - drop
        - flow

sluice:
  metrics:
    enabled: yes
    address: 127.0.0.1
    port: ${METRICS_PORT}
`;
