import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIME_OPTIONS } from '../../src/app-layer/mime/layout.js';
import { EXTENDED_HEADERS, SMTP_OPTIONS } from '../../src/app-layer/smtp/options.js';
import { loadConfig } from '../../src/config/load.js';

function load(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  try {
    const file = join(folder, 'suricata.yaml');
    writeFileSync(file, `%YAML 1.1\n---\n${yaml}`);
    return loadConfig(file).config.appLayer?.smtp;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const smtp = (...lines: string[]) => `app-layer:\n  protocols:\n    smtp:\n${lines.map((line) => `      ${line}\n`).join('')}`;
const eve = (...lines: string[]) =>
  `outputs:\n  - eve-log:\n      enabled: yes\n      types:\n${lines.map((line) => `        ${line}\n`).join('')}`;

test('nothing said: the defaults', () => {
  assert.deepEqual(load('{}'), SMTP_OPTIONS);
  assert.deepEqual(load(eve('- smtp')), SMTP_OPTIONS);
});

test('app-layer.protocols.smtp', () => {
  const read = load(
    smtp(
      'mime:',
      '  decode-base64: no',
      '  header-value-depth: 100',
      '  extract-urls-schemes: [HTTP, ftp://]',
      '  log-url-scheme: yes',
      '  body-md5: yes',
      'inspected-tracker:',
      '  content-limit: 1',
    ),
  );
  const mime = {
    ...MIME_OPTIONS,
    base64: false,
    headerDepth: 100,
    urlSchemes: ['http', 'ftp'],
    urlScheme: true,
    bodyMd5: true,
    inspect: 1,
  };
  assert.deepEqual(read, { ...SMTP_OPTIONS, mime });
});

test('the whole message is a file only where it is not decoded', () => {
  assert.equal(load(smtp('raw-extraction: yes'))?.raw, false);
  assert.equal(load(smtp('raw-extraction: yes', 'mime: {decode-mime: no}'))?.raw, true);
});

test('what records show', () => {
  const of = (...lines: string[]) => load(eve('- smtp:', ...lines.map((line) => `    ${line}`)))?.eve;
  assert.deepEqual(of('extended: yes'), { headers: EXTENDED_HEADERS, subjectMd5: false, bodyMd5: false });
  assert.deepEqual(of('custom: [Received, x_mailer, nonsense]', 'md5: [body, subject]'), {
    headers: ['received', 'x-mailer'],
    subjectMd5: true,
    bodyMd5: true,
  });
});
