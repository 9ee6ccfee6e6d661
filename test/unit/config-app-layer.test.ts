import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { DNS_EVE_DEFAULTS } from '../../src/app-layer/dns/options.js';
import { chosenProtocols, PROTOCOLS } from '../../src/app-layer/protocols.js';
import { loadConfig } from '../../src/config/load.js';
import { DnsTalk, message, question } from '../support/dns.js';

function load(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  try {
    const file = join(folder, 'suricata.yaml');
    writeFileSync(file, `%YAML 1.1\n---\n${yaml}`);
    const { config, warnings } = loadConfig(file);
    // What it says of SMTP: config-smtp.test.ts.
    const { smtp: _, errorPolicy: _policy, ...rest } = config.appLayer ?? {};
    return { ...rest, warnings };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HTTP = { requestBody: 102_400, responseBody: 102_400, layers: 2, line: 18_432, maxTx: 512 };
const FTP = { memcap: 64 << 20, maxLine: 4096, maxTx: 1024 };
const eve = (dns: string, more = '') => `outputs:
  - eve-log:
      enabled: yes
      types:
        - alert
        - dns:${dns}${more}
`;

test('app-layer: the defaults are those of Suricata', () => {
  assert.deepEqual(load(''), {
    protocols: {},
    http: HTTP,
    ftp: FTP,
    dnsEve: undefined,
    hassh: 'auto',
    opaque: ['tls', 'ssh'],
    warnings: [],
  });
  assert.deepEqual(load(eve('')).dnsEve, DNS_EVE_DEFAULTS);
});

test('app-layer: what is written counts', () => {
  const yaml = `
app-layer:
  protocols:
    krb5:
      enabled: yes
    ftp:
      enabled: yes
      memcap: 1kb
      max-line-length: 5kb
      max-tx: 10
    tls:
      enabled: detection-only
      detection-ports:
        dp: 443, 8443
    ssh:
      enabled: no
      hassh: no
    dns:
      tcp:
        enabled: yes
        detection-ports:
          dp: 53
      udp:
        enabled: no
        detection-ports:
          dp: [ 5300, 53 ]
    http:
      enabled: yes
      libhtp:
        default-config:
          personality: IDS
          request-body-limit: 4kb
          response-body-limit: 0
          response-body-decompress-layer-limit: 3
          meta-field-limit: 8kb
          max-tx: 32
`;
  assert.deepEqual(load(yaml), {
    protocols: {
      tls: { tcp: true, udp: true, ports: [443, 8443] },
      dns: { tcp: true, udp: false, ports: [53, 5300], onlyThere: true },
      ssh: { tcp: false, udp: false, ports: [] },
    },
    http: { requestBody: 4096, responseBody: 1024 ** 3, layers: 3, line: 8192, maxTx: 32 },
    ftp: { memcap: 1024, maxLine: 5120, maxTx: 10 },
    dnsEve: undefined,
    hassh: 'no',
    opaque: ['tls', 'ssh'],
    warnings: [],
  });
  const dns = (more: string) => load(`app-layer:\n  protocols:\n    dns:\n      udp:\n        enabled: yes\n${more}`).protocols!.dns;
  assert.deepEqual(dns(''), { tcp: true, udp: true, ports: [], onlyThere: true });
  assert.deepEqual(dns('        detection-ports:\n          dp: any\n'), { tcp: true, udp: true, ports: [], onlyThere: false });
  assert.equal(load('libhtp:\n  default-config:\n    request-body-limit: 10\n').http!.requestBody, 10);
});

test('app-layer: the dns section of the first eve-log that is on', () => {
  const written =
    '\n            version: 2\n            requests: no\n            types: [a, aaaa]\n            formats: [grouped]\n            responses:';
  assert.deepEqual(load(eve(written)).dnsEve, {
    version: 2,
    requests: false,
    responses: true,
    detailed: false,
    grouped: true,
    types: [1, 28],
  });
  assert.equal(load(`${eve('')}${eve(written).replace('outputs:\n', '')}`).dnsEve!.version, 3);
  assert.throws(() => load(eve('\n            version: 4')), /dns.*4 is not 2 or 3/);
  assert.throws(() => load('app-layer:\n  protocols:\n    ftp:\n      enabled: perhaps\n'), /ftp\.enabled.*perhaps/);
});

test('the parsers are those that are on, on their ports', () => {
  assert.deepEqual(
    chosenProtocols().map(({ proto }) => proto),
    PROTOCOLS.map(({ proto }) => proto),
  );
  const chosen = chosenProtocols({
    protocols: {
      ssh: { tcp: false, udp: false, ports: [] },
      dns: { tcp: true, udp: false, ports: [53, 5300], onlyThere: true },
    },
  });
  assert.equal(
    chosen.find(({ proto }) => proto === AppProto.Ssh),
    undefined,
  );
  const dns = chosen.find(({ proto }) => proto === AppProto.Dns)!;
  assert.deepEqual([dns.tcp, dns.udp, dns.ports], [true, false, [53, 5300]]);
});

test('a message that the options leave out is inspected, and has no record', () => {
  const request = message({ questions: [question('twitter.com')] });
  for (const [options, logged] of [
    [{}, false],
    [{ requests: false }, true],
    [{ types: [28] }, true],
    [{ types: [1, 28] }, false],
  ] as const) {
    const talk = new DnsTalk({ limits: { eve: { ...DNS_EVE_DEFAULTS, ...options } } });
    talk.packet(0, request);
    assert.equal(talk.seen[0].logged, logged);
    assert.deepEqual(talk.seen[0].buffers['dns.query'], ['twitter.com']);
    talk.dns.release();
  }
});

test('app-layer: what fileinfo records are to say', () => {
  const wanted = (files: string) => load(`outputs:\n  - eve-log: { enabled: yes, types: [ { files: ${files} } ] }\n`).files;
  assert.equal(wanted('{ force-magic: no }'), undefined);
  assert.deepEqual(wanted('{ force-magic: yes, force-hash: [ md5, sha256 ] }'), { hashes: 5, magic: true });
  assert.equal(wanted('{ enabled: no, force-magic: yes }'), undefined);
  assert.throws(() => wanted('{ force-hash: [ crc32 ] }'), /crc32.*md5, sha1, sha256/s);
});

test('encryption-handling, of tls and ssh', () => {
  const of = (tls: string, ssh: string) => {
    const { bypass, opaque } = load(
      `app-layer:\n  protocols:\n    tls:\n      encryption-handling: ${tls}\n    ssh:\n      encryption-handling: ${ssh}\n`,
    );
    return [bypass ?? [], opaque];
  };
  assert.deepEqual(of('bypass', 'full'), [['tls'], []]);
  assert.deepEqual(of('default', 'bypass'), [['ssh'], ['tls']]);
  assert.deepEqual(of('track-only', 'track-only'), [[], ['tls', 'ssh']]);
  assert.throws(() => of('sometimes', 'full'), /encryption-handling/);
});

test('ja3-fingerprints, ja4-fingerprints: only `no` switches off', () => {
  const of = (ja3: string, ja4: string) =>
    load(`app-layer:\n  protocols:\n    tls:\n      ja3-fingerprints: ${ja3}\n      ja4-fingerprints: ${ja4}\n`).fingerprints;
  assert.equal(of('auto', 'yes'), undefined);
  assert.deepEqual(of('no', 'auto'), { ja3: false, ja4: true });
  assert.deepEqual(of('yes', 'off'), { ja3: true, ja4: false });
  assert.throws(() => of('perhaps', 'no'), /ja3-fingerprints/);
});

test('app-layer.error-policy: its own, else the master switch', () => {
  const policyOf = (yaml: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
    try {
      const file = join(folder, 'suricata.yaml');
      writeFileSync(file, `%YAML 1.1\n---\n${yaml}`);
      return loadConfig(file).config.appLayer?.errorPolicy;
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  assert.equal(policyOf(''), 'auto');
  assert.equal(policyOf('exception-policy: pass-flow\n'), 'pass-flow');
  assert.equal(policyOf('exception-policy: pass-flow\napp-layer:\n  error-policy: ignore\n'), 'ignore');
  assert.throws(() => policyOf('app-layer:\n  error-policy: maybe\n'), /error-policy/);
});

test('app-layer: a misspelled key leaves no default in force unnoticed', () => {
  const { opaque, warnings } = load(
    'app-layer:\n  protocols:\n    tls:\n      encryption-handlin: full\n      detection-ports: { dp: 443 }\n',
  );
  assert.deepEqual(opaque, ['tls', 'ssh']);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0],
    /suricata\.yaml:6: unknown key 'app-layer\.protocols\.tls\.encryption-handlin' is ignored; known: encryption-handling, /,
  );
  assert.deepEqual(load('app-layer:\n  protocols:\n    krb5:\n      whatever: 1\n').warnings, []);
});
