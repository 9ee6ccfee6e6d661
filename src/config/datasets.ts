import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DatasetSpec, DatasetsConfig } from '../rules/datasets.js';
import type { Context } from './context.js';
import { besideConfig } from './paths.js';
import { choice, int, section, size, text, truth } from './values.js';

/** The keys of `datasets` that are no set. */
const SETTINGS = new Set(['defaults', 'limits', 'rules', 'enabled', 'save-directory']);
const MAX_NAME = 63;
const MAX_HASHSIZE = 2 ** 28;
const MEMCAP = 16 * 1024 ** 2;
const types = ['string', 'md5', 'sha256', 'ipv4', 'ip'] as const;
const memcap = (fallback: number) => size(fallback, 1024, 1024 ** 4);

const defaults = section({ memcap: memcap(MEMCAP), hashsize: size(4096, 1, MAX_HASHSIZE) });
const limits = section({ 'total-hashsizes': size(16_777_216, 0, 2 ** 32), 'single-hashsize': size(65_536, 0, MAX_HASHSIZE) });
const rules = section({ 'allow-write': truth(true), 'allow-absolute-filenames': truth(false) });
const set = section({
  type: choice<(typeof types)[number]>('string', types),
  load: text(),
  state: text(),
  memcap: memcap(0),
  hashsize: int(0, 1, MAX_HASHSIZE),
});

/** The section `datasets` (user guide, "Datasets"). A name without a type is no set, as in Suricata. */
export function readDatasets(context: Context, configFile: string): DatasetsConfig {
  const dataDir = resolve(context.read(['default-data-dir'], text('/var/lib/sluice/data')));
  const fallback = context.read(['datasets', 'defaults'], defaults);
  const bounds = context.read(['datasets', 'limits'], limits);
  const allowed = context.read(['datasets', 'rules'], rules);
  const sets: DatasetSpec[] = [];
  for (const [name, node] of context.find(['datasets'])?.children ?? []) {
    if (SETTINGS.has(name) || node.child('type') === undefined) continue;
    const path = ['datasets', name];
    if (name.length > MAX_NAME || /\s/.test(name))
      context.bad(node, path, 'is no name of a set', `up to ${MAX_NAME} characters without spaces`);
    const read = context.read(path, set);
    if (read.load !== '' && read.state !== '')
      context.bad(node, path, 'has load and state', 'one of them: state is load and save of one file');
    const state = read.state === '' ? '' : resolve(dataDir, read.state);
    const inData = resolve(dataDir, read.load);
    const load = read.load === '' ? state : existsSync(inData) ? inData : besideConfig(read.load, configFile);
    sets.push({
      name: name.toLowerCase(),
      type: read.type,
      load,
      save: state,
      memcap: read.memcap || fallback.memcap,
      hashsize: read.hashsize || fallback.hashsize,
      dynamic: true,
      changes: true,
    });
  }
  return {
    dataDir,
    defaults: { memcap: fallback.memcap, hashsize: fallback.hashsize },
    singleHashsize: bounds['single-hashsize'],
    totalHashsizes: bounds['total-hashsizes'],
    allowWrite: allowed['allow-write'],
    allowAbsolute: allowed['allow-absolute-filenames'],
    sets,
  };
}
