import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DNS_EVE_DEFAULTS } from '../../src/app-layer/dns/options.js';
import { widestDns } from '../../src/config/app-views.js';
import { loadConfig } from '../../src/config/load.js';
import { dnsView, wantedFields } from '../../src/output/app-view.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-view-'));
after(() => rmSync(folder, { recursive: true }));
const eves = (yaml: string) => {
  const file = join(folder, 'x.yaml');
  writeFileSync(file, yaml);
  const { outputs, appLayer } = loadConfig(file).config;
  return { all: [outputs.eve, ...(outputs.otherEves ?? [])], dns: appLayer?.dnsEve };
};
const LOG = '  - eve-log:\n      enabled: yes\n      filename: NAME\n      types:\n';
const log = (name: string, types: string) => LOG.replace('NAME', name) + types.replace(/^/gm, '        ');

test('each eve-log has its own fields of http and tls records', () => {
  const { all } = eves(
    `%YAML 1.1\n---\noutputs:\n${log('a', '- http:\n    extended: yes\n- tls')}\n${log('b', '- http\n- tls:\n    custom: [subject, not_after, client_chain]')}\n`,
  );
  assert.equal(wantedFields('http', all[0]), undefined, 'all');
  assert.equal(wantedFields('http', all[1])?.has('url'), true);
  assert.equal(wantedFields('http', all[1])?.has('status'), false);
  assert.equal(wantedFields('tls', all[0])?.has('sni'), false);
  assert.deepEqual([...(wantedFields('tls', all[1]) ?? [])], ['subject', 'notafter', 'client']);
  assert.equal(wantedFields('ssh', all[1]), undefined);
});

test('the parser makes what any log wants of dns, and each takes its part', () => {
  const { all, dns } = eves(
    `%YAML 1.1\n---\noutputs:\n${log('a', '- dns:\n    version: 2\n    requests: no\n    types: [mx]')}\n${log('b', '- dns:\n    version: 2\n    types: [a]\n    formats: [grouped]')}\n`,
  );
  assert.deepEqual(dns, { version: 2, requests: true, responses: true, detailed: true, grouped: true, types: [15, 1] });
  const answer = '{"type":"answer","rrname":"x","rrtype":"MX","answers":[1],"grouped":{"MX":[2]}}';
  assert.equal(dnsView(answer, all[0].dns!), answer);
  assert.equal(dnsView(answer, all[1].dns!), '', 'another type');
  assert.equal(dnsView(answer.replace('"MX",', '"A",'), all[1].dns!), '{"type":"answer","rrname":"x","rrtype":"A","grouped":{"MX":[2]}}');
  assert.equal(dnsView('{"type":"query","rrname":"x","rrtype":"MX"}', all[0].dns!), '', 'a request');
});

test('dns version 3: questions of other types are cut, a message without one that is wanted is left out', () => {
  const options = { ...DNS_EVE_DEFAULTS, types: [28] };
  const message = (...types: string[]) => JSON.stringify({ version: 3, type: 'request', queries: types.map((rrtype) => ({ rrtype })) });
  assert.equal(dnsView(message('A', 'AAAA'), options), message('AAAA'));
  assert.equal(dnsView(message('A'), options), '');
  assert.equal(dnsView(message(), options), message(), 'no question at all');
});

test('one set of options stays as it is; with all types in one of several, all are made', () => {
  const one = { ...DNS_EVE_DEFAULTS, responses: false, types: [1] };
  assert.equal(widestDns([one]), one);
  assert.equal(widestDns([]), undefined);
  assert.deepEqual(widestDns([one, { ...DNS_EVE_DEFAULTS, requests: false }]), DNS_EVE_DEFAULTS);
});
