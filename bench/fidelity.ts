import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../src/config/paths.js';
import { SluiceError } from '../src/errors.js';
import { REFERENCE, unpacked } from './replay-capture.js';
import { ruleText } from './replay-rules.js';

export interface FidelityOptions {
  capture: string;
  config: string;
  rules: string[];
}

export interface Difference {
  sid: number;
  /** Alerts of the reference, ours, and those of the same sid and 5-tuple in both. */
  reference: number;
  ours: number;
  common: number;
  msg: string;
  why: string;
}

export interface Score {
  reference: number;
  ours: number;
  common: number;
  recall: number;
  precision: number;
}

export interface FidelityResult {
  sids: number;
  /** As multisets: two alerts of one rule on one flow count twice. */
  alerts: Score;
  /** As sets of (sid, 5-tuple). */
  pairs: Score;
  /** The same over every rule, application layers included. */
  everything: { alerts: Score; pairs: Score };
  differences: Difference[];
  /** sids of application layer rules with alerts of the reference, of which ours has any. */
  applicationLayer: { sids: number; ours: number };
}

const NOTES = join(PACKAGE_ROOT, 'bench', 'fidelity-notes.json');
const EVE = join(REFERENCE, 'mixed-a.suricata-7.0.6.eve.json.xz');

/** Header protocols and keywords that need a parser of an application layer. */
const APP_HEADER =
  /^\S+\s+(http|http1|http2|dns|tls|ssl|ftp|ftp-data|smtp|ssh|smb|dcerpc|tftp|ike|krb5|snmp|nfs|rdp|dhcp|quic|sip|rfb|mqtt|modbus|enip|dnp3|nntp|imap|telnet)\s/;
const APP_KEYWORD =
  /[(;]\s*(http[._][\w.]+|https?|dns[._][\w.]+|tls[._][\w.]+|ssl_\w+|ssh[._][\w.]+|ja3s?[._]\w+|ja3s?|file[._]\w+|file(name|ext|magic|store|md5|sha1|sha256|size)|smb[._][\w.]+|dcerpc[._][\w.]+|krb5[._]\w+|snmp[._]\w+|ftp[._][\w.]+|smtp[._][\w.]+|sip[._][\w.]+|rfb[._]\w+|mqtt[._][\w.]+|modbus|enip_\w+|dnp3_\w+|app-layer-(protocol|event)|urilen|uricontent)\s*[:;]/;

/**
 * Our alerts on the reference capture against those of the reference, by rule and 5-tuple. The reference is what
 * Suricata 7.0.6 said: no oracle, hence the notes.
 */
export function fidelity(options: FidelityOptions, say: (line: string) => void): FidelityResult {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-fidelity-'));
  const capture = unpacked(options.capture);
  try {
    const rules = join(folder, 'all.rules');
    const text = options.rules.map(ruleText).join('\n');
    writeFileSync(rules, text, 'latin1');
    const began = performance.now();
    sluice(folder, ['-c', options.config, '-r', capture.path, '-S', rules, '-k', 'none', '-l', folder, '--runmode', 'single']);
    say(`sluice -r: ${((performance.now() - began) / 1000).toFixed(1)} s, rules included`);
    const ours = alertsOf(readFileSync(join(folder, 'eve.json'), 'utf8'));
    const reference = alertsOf(ruleText(EVE));
    return compare(ours, reference, appLayerSids(text), notes());
  } finally {
    capture.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As bin/sluice, of the tree this file was compiled into. */
function sluice(folder: string, args: string[]): void {
  const start = join(folder, 'sluice.mjs');
  writeFileSync(start, `await (await import(${JSON.stringify(new URL('../src/cli/main.js', import.meta.url).href)})).entry();\n`);
  const { status, stderr } = spawnSync(process.execPath, [start, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new SluiceError('SLUICE_SYSTEM', `sluice ${args.join(' ')}: left with ${status}: ${stderr.slice(-2000)}`);
}

interface Alerts {
  /** `sid 5-tuple` to how often. */
  pairs: Map<string, number>;
  msgs: Map<number, string>;
}

function alertsOf(eve: string): Alerts {
  const pairs = new Map<string, number>();
  const msgs = new Map<number, string>();
  for (const line of eve.split('\n')) {
    if (!line.includes('"event_type":"alert"')) continue;
    const e = JSON.parse(line);
    const { signature_id: sid, signature } = e.alert;
    const key = `${sid} ${String(e.proto).toLowerCase()} ${e.src_ip} ${e.src_port ?? ''} ${e.dest_ip} ${e.dest_port ?? ''}`;
    pairs.set(key, (pairs.get(key) ?? 0) + 1);
    msgs.set(sid, signature);
  }
  return { pairs, msgs };
}

/** sids that need an application layer: by their header, a keyword, or a flowbit that only such rules set. */
function appLayerSids(text: string): Set<number> {
  const app = new Set<number>();
  const setters = new Map<string, number[]>();
  const needs = new Map<number, string[][]>();
  for (const line of text.split('\n')) {
    const sid = Number(/[(;]\s*sid\s*:\s*(\d+)/.exec(line)?.[1] ?? 0);
    if (sid === 0 || line.startsWith('#')) continue;
    if (APP_HEADER.test(line) || APP_KEYWORD.test(line)) app.add(sid);
    for (const [, op, names] of line.matchAll(/[(;]\s*flowbits\s*:\s*(set|toggle|isset)\s*,\s*([^;]+);/g)) {
      const list = names.split('|').map((name) => name.trim());
      if (op === 'isset') needs.set(sid, [...(needs.get(sid) ?? []), list]);
      else setters.set(list[0], [...(setters.get(list[0]) ?? []), sid]);
    }
  }
  for (let grew = true; grew; ) {
    grew = false;
    for (const [sid, sets] of needs) {
      if (app.has(sid)) continue;
      if (sets.some((names) => names.every((name) => (setters.get(name) ?? []).every((setter) => app.has(setter))))) {
        app.add(sid);
        grew = true;
      }
    }
  }
  return app;
}

function notes(): Record<string, string> {
  return existsSync(NOTES) ? JSON.parse(readFileSync(NOTES, 'utf8')) : {};
}

const sidOf = (key: string): number => Number(key.slice(0, key.indexOf(' ')));

function score(ours: Map<string, number>, reference: Map<string, number>, wanted: (sid: number) => boolean, once: boolean): Score {
  const count = (n: number) => (once ? Math.min(1, n) : n);
  let a = 0;
  let b = 0;
  let common = 0;
  for (const [key, n] of ours) if (wanted(sidOf(key))) a += count(n);
  for (const [key, n] of reference) {
    if (!wanted(sidOf(key))) continue;
    b += count(n);
    common += count(Math.min(n, ours.get(key) ?? 0));
  }
  return { reference: b, ours: a, common, recall: b === 0 ? 1 : common / b, precision: a === 0 ? 1 : common / a };
}

function compare(ours: Alerts, reference: Alerts, app: Set<number>, why: Record<string, string>): FidelityResult {
  const packet = (sid: number) => !app.has(sid);
  const all = () => true;
  const sids = new Set([...ours.msgs.keys(), ...reference.msgs.keys()]);
  const differences: Difference[] = [];
  for (const sid of [...sids].filter(packet).sort((a, b) => a - b)) {
    const s = score(ours.pairs, reference.pairs, (one) => one === sid, false);
    if (s.common === s.reference && s.common === s.ours) continue;
    const msg = reference.msgs.get(sid) ?? ours.msgs.get(sid) ?? '';
    differences.push({ sid, reference: s.reference, ours: s.ours, common: s.common, msg, why: why[sid] ?? '' });
  }
  const appSids = [...reference.msgs.keys()].filter((sid) => app.has(sid));
  return {
    sids: [...sids].filter(packet).length,
    alerts: score(ours.pairs, reference.pairs, packet, false),
    pairs: score(ours.pairs, reference.pairs, packet, true),
    everything: { alerts: score(ours.pairs, reference.pairs, all, false), pairs: score(ours.pairs, reference.pairs, all, true) },
    differences,
    applicationLayer: { sids: appSids.length, ours: appSids.filter((sid) => ours.msgs.has(sid)).length },
  };
}

export function printFidelity(r: FidelityResult): void {
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  const say = (what: string, s: Score) =>
    `${what.padEnd(34)} reference ${s.reference}, ours ${s.ours}, both ${s.common}: recall ${percent(s.recall)}, precision ${percent(s.precision)}\n`;
  process.stdout.write(`Rules that need no application layer, ${r.sids} sids with alerts:\n`);
  process.stdout.write(say('  alerts (multiset)', r.alerts));
  process.stdout.write(say('  sid and 5-tuple (set)', r.pairs));
  process.stdout.write(say('All rules: alerts', r.everything.alerts));
  process.stdout.write(say('           sid and 5-tuple', r.everything.pairs));
  process.stdout.write(`Application layer: ${r.applicationLayer.sids} sids in the reference, ${r.applicationLayer.ours} of them here\n`);
  process.stdout.write(`\n${'sid'.padEnd(8)} ${'ref'.padStart(5)} ${'ours'.padStart(5)} ${'both'.padStart(5)}  rule | why\n`);
  for (const d of r.differences)
    process.stdout.write(
      `${String(d.sid).padEnd(8)} ${String(d.reference).padStart(5)} ${String(d.ours).padStart(5)} ${String(d.common).padStart(5)}  ${d.msg} | ${d.why || '?'}\n`,
    );
}
