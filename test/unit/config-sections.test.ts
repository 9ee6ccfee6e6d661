import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { defaultConfig, type Loaded, loadConfig } from '../../src/config/load.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-sections-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'suricata.yaml');

function load(yaml: string): Loaded {
  writeFileSync(file, yaml);
  return loadConfig(file);
}

const refuses = (yaml: string, message: RegExp) =>
  assert.throws(
    () => load(yaml),
    (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG', error.stack);
      assert.match(error.message, message);
      return true;
    },
  );

test('outputs: what is listed and enabled, with eve types as words or sections', () => {
  const { config, warnings } = load(`
outputs:
  - fast: { enabled: yes, filename: f.log, append: no }
  - eve-log:
      enabled: yes
      community-id: true
      community-id-seed: 7
      pcap-file: yes
      types:
        - alert: { payload: yes, payload-printable: yes, packet: yes, metadata: no, payload-buffer-size: 8kb, verdict: yes }
        - anomaly: { types: { decode: yes } }
        - drop: { alerts: yes, flows: all, verdict: no }
        - flow
        - stats: { totals: no, threads: yes, deltas: yes }
  - stats: { enabled: yes, null-values: yes }
  - pcap-log: { enabled: no }
`);
  assert.deepEqual(config.outputs, {
    fast: { enabled: true, filename: 'f.log', append: false },
    eve: {
      enabled: true,
      filename: 'eve.json',
      append: true,
      communityId: true,
      communityIdSeed: 7,
      pcapFile: true,
      ethernet: false,
      prefix: '',
      alert: {
        enabled: true,
        payload: true,
        payloadPrintable: true,
        payloadLength: false,
        packet: true,
        metadata: false,
        reference: false,
        raw: false,
        flow: false,
        verdict: true,
        taggedPackets: true,
        payloadBufferSize: 8192,
        appLayer: false,
      },
      anomaly: { decode: true, stream: false, applayer: true, packetHeader: false },
      drop: { enabled: true, alerts: true, flows: 'all', verdict: false },
      flow: true,
      netflow: false,
      files: false,
      metadata: true,
      app: [],
      fields: {},
      stats: { enabled: true, totals: false, threads: true, deltas: true, nullValues: true },
    },
    otherEves: [],
    stats: { enabled: true, filename: 'stats.log', append: true, totals: true, threads: false, nullValues: true },
  });
  assert.deepEqual(warnings, []);
});

test('outputs: several eve-logs, each with its own types; metadata as a section', () => {
  const { config } = load(`
outputs:
  - eve-log: { enabled: no, filename: off.json, types: [ flow ] }
  - eve-log:
      enabled: yes
      filename: a.json
      types: [ { alert: { metadata: { flow: no, rule: { raw: yes, reference: yes } } } } ]
  - eve-log: { enabled: yes, filename: b.json, ethernet: yes, types: [ drop, netflow ] }
`);
  const { eve, otherEves = [] } = config.outputs;
  assert.deepEqual([eve.filename, ...otherEves.map((one) => one.filename)], ['a.json', 'b.json']);
  const { flow, raw, reference, metadata } = eve.alert;
  assert.deepEqual({ flow, raw, reference, metadata }, { flow: false, raw: true, reference: true, metadata: true });
  assert.deepEqual(
    [otherEves[0].ethernet, otherEves[0].drop.enabled, otherEves[0].netflow, otherEves[0].alert.enabled],
    [true, true, true, false],
  );
});

test('outputs: not listed, not enabled or enabled: no is off', () => {
  const { config } = load(
    'outputs:\n  - fast:\n  - eve-log: { enabled: yes, types: [ { alert: { enabled: no } }, { flow: { enabled: no } } ] }\n',
  );
  assert.equal(config.outputs.fast.enabled, false);
  assert.equal(config.outputs.stats.enabled, false);
  assert.equal(config.outputs.eve.enabled, true);
  assert.equal(config.outputs.eve.alert.enabled, false);
  assert.equal(config.outputs.eve.flow, false);
  assert.equal(config.outputs.eve.drop.enabled, false);
});

test('outputs: enabled ones that are not built are named in one warning, unknown ones in their own', () => {
  const { warnings } = load(`
outputs:
  - pcap-log: { enabled: yes }
  - http-log: { enabled: no }
  - fsat: { enabled: yes }
  - eve-log: { enabled: yes, filetype: redis, types: [ alert, http, smtp, nfs, { smb: { enabled: no } }, bogus ] }
  - eve-log: { enabled: yes, filename: second.json }
`);
  assert.deepEqual(
    warnings.map((warning) => warning.replace(/^\S+ /, '')),
    [
      `unknown output 'fsat' is ignored`,
      `eve-log filetype 'redis' is not built: a regular file is written`,
      `unknown eve-log type 'bogus' is ignored`,
      'enabled but not built, nothing will be written for: pcap-log, eve-log nfs',
    ],
  );
});

test('outputs: bad shapes are refused', () => {
  refuses('outputs: { fast: { enabled: yes } }', /outputs is not a list/);
  refuses('outputs: [ [ a ] ]', /outputs\.0 has no name/);
  refuses('outputs: [ { eve-log: { enabled: yes, types: yes } } ]', /outputs\.0\.eve-log\.types is not a list/);
  refuses('outputs: [ { fast: { enabled: aye } } ]', /outputs\.0\.fast\.enabled is 'aye'/);
});

test('exception policies: the master switch, with its own per case', () => {
  const auto = load('').config;
  assert.deepEqual(
    [auto.flow.memcapPolicy, auto.defrag.memcapPolicy, auto.stream.memcapPolicy, auto.stream.midstreamPolicy],
    ['auto', 'auto', 'auto', 'auto'],
  );
  // Flow and defrag memcap have no flow to act on.
  const drop = load('exception-policy: drop-flow\ndefrag: { memcap-policy: bypass }\nstream: { memcap-policy: pass-flow }\n').config;
  assert.deepEqual(
    [drop.exceptionPolicy, drop.flow.memcapPolicy, drop.defrag.memcapPolicy, drop.stream.memcapPolicy, drop.stream.midstreamPolicy],
    ['drop-flow', 'drop-packet', 'ignore', 'pass-flow', 'drop-flow'],
  );
  assert.equal(load('exception-policy: ignore').config.flow.memcapPolicy, 'ignore');
});

test('exception policies: midstream follows the matrix of the user guide', () => {
  const policyOf = (yaml: string) => load(yaml).config.stream.midstreamPolicy;
  assert.equal(policyOf('stream: { midstream: yes }'), 'ignore');
  assert.equal(policyOf('stream: { midstream: no }'), 'auto');
  assert.equal(policyOf('stream: { midstream: yes, midstream-policy: pass-flow }'), 'pass-flow');
  assert.equal(policyOf('exception-policy: bypass\nstream: { midstream: yes }'), 'bypass');
  assert.equal(policyOf('stream: { midstream-policy: drop-flow }'), 'drop-flow');
  refuses(
    'stream: { midstream: yes, midstream-policy: drop-flow }',
    /midstream-policy is 'drop-flow', which drops what midstream: yes asks for/,
  );
  refuses('stream: { midstream-policy: pass-packet }', /acts on packets/);
  const { config, warnings } = load('exception-policy: drop-packet\nstream: { midstream: no }');
  assert.equal(config.stream.midstreamPolicy, 'ignore');
  assert.match(warnings[0], /'drop-packet' does not fit stream\.midstream/);
});

test('threading: cpu sets as a list and as a mapping', () => {
  const sets = 'receive-cpu-set: { cpu: [ 0 ] }';
  const worker = 'worker-cpu-set: { cpu: [ "2-4", 1 ], threads: 3, mode: exclusive, prio: { default: high } }';
  for (const yaml of [`[ { management-cpu-set: { cpu: [ 0 ] } }, { ${sets} }, { ${worker} } ]`, `{ ${sets}, ${worker} }`]) {
    const { config, warnings } = load(`threading: { set-cpu-affinity: yes, cpu-affinity: ${yaml}, detect-thread-ratio: 1.0 }`);
    assert.deepEqual(config.threading, { setCpuAffinity: true, captureCpus: [0], workerCpus: [1, 2, 3, 4], workers: 3 });
    assert.equal(config.sluice.workers, 3);
    assert.deepEqual(warnings, []);
  }
  assert.deepEqual(load('threading: { cpu-affinity: [ { worker-cpu-set: { cpu: [ all ] } } ] }').config.threading.workerCpus, []);
  refuses('threading: { cpu-affinity: [ { worker-cpu-set: { cpu: [ 4-2 ] } } ] }', /cpu-affinity\.0\.worker-cpu-set\.cpu/);
  refuses('threading: { cpu-affinity: nowhere }', /threading\.cpu-affinity is 'nowhere'/);
  assert.equal(
    load('sluice: { workers: 5 }\nthreading: { cpu-affinity: [ { worker-cpu-set: { threads: 3 } } ] }').config.sluice.workers,
    5,
  );
});

test('tunnel ports: numbers, lists, ranges, variables, any', () => {
  const vars = 'vars: { port-groups: { VXLAN_PORTS: "[4789,8472]", NEST: "[$VXLAN_PORTS,1:3]" } }\n';
  const vxlan = (ports: string) => load(`${vars}decoder: { vxlan: { ports: ${ports} } }`).config.vxlanPorts;
  assert.deepEqual(vxlan('$VXLAN_PORTS'), [4789, 8472]);
  assert.deepEqual(vxlan("'[8472, 4789]'"), [4789, 8472]);
  assert.deepEqual(vxlan('[ 1, $NEST ]'), [1, 2, 3, 4789, 8472]);
  assert.deepEqual(load('decoder: { vxlan: { enabled: no } }').config.vxlanPorts, []);
  const any = load('decoder: { teredo: { enabled: true, ports: any } }').config;
  assert.deepEqual([any.teredo, any.teredoPorts], [true, []]);
  assert.deepEqual(load('decoder: { teredo: { enabled: no } }').config.teredo, false);
  for (const bad of ['any', '0:65535', '70000', '"!80"', '$NOPE', 'vxlan'])
    refuses(`decoder: { vxlan: { ports: ${bad} } }`, /decoder\.vxlan\.ports is/);
});

test('vars: text, lists, and what is neither', () => {
  const { vars } = load(
    'vars: { address-groups: { A: [ 10.0.0.0/8, "!10.1.0.0/16" ], B: any }, port-groups: { P: 80, Q: [ 1, 2 ] } }',
  ).config;
  assert.deepEqual(vars, { addressGroups: { A: '[10.0.0.0/8,!10.1.0.0/16]', B: 'any' }, portGroups: { P: '80', Q: '[1,2]' } });
  refuses('vars: { address-groups: { A: "" } }', /vars\.address-groups\.A is empty/);
  refuses('vars: { address-groups: { A: { b: c } } }', /is a section/);
  refuses('vars: { address-groups: [ a ] }', /vars\.address-groups is not a section/);
  refuses('vars: { port-groups: { P: "[80" } }', /a \[ without a \]/);
  refuses('vars: { port-groups: { P: http } }', /'http' is no port/);
  refuses('vars: { port-groups: { P: $Q, Q: $P } }', /names itself/);
  refuses('vars: { port-groups: { P: $NOPE } }', /is not in vars\.port-groups/);
});

test('port variables that multiply are still checked at once', () => {
  const groups = ['P0: "80"'];
  for (let i = 1; i < 30; i++) groups.push(`P${i}: "[$P${i - 1},$P${i - 1}]"`);
  const { config } = load(`vars: { port-groups: { ${groups.join(', ')} } }\ndecoder: { vxlan: { ports: $P29 } }`);
  assert.deepEqual(config.vxlanPorts, [80]);
});

test('logging, run-as and pid-file', () => {
  const { engine, warnings } = load(`
logging:
  default-log-level: info
  outputs:
  - console: { enabled: no }
  - file: { enabled: yes, level: debug, filename: /tmp/x.log, type: json }
  - syslog: { enabled: yes, facility: local5 }
run-as: { user: sluice, group: adm }
pid-file: /run/x.pid
`);
  assert.deepEqual(engine.logging, {
    defaultLevel: 'info',
    console: { enabled: false, level: 'info' },
    file: { enabled: true, level: 'debug', filename: '/tmp/x.log', append: true },
  });
  assert.deepEqual(engine.runAs, { user: 'sluice', group: 'adm' });
  assert.equal(engine.pidFile, '/run/x.pid');
  assert.deepEqual(warnings, []);
  refuses('logging: { default-log-level: loud }', /logging\.default-log-level is 'loud'/);
  refuses('logging: { outputs: nowhere }', /logging\.outputs is 'nowhere'/);
});

test('defaultConfig: no file, the outputs of the shipped file', () => {
  const config = defaultConfig();
  assert.equal(config.file, '');
  assert.ok(config.outputs.fast.enabled && config.outputs.eve.enabled && config.outputs.stats.enabled);
  assert.ok(
    config.outputs.eve.alert.enabled && config.outputs.eve.drop.enabled && config.outputs.eve.flow && config.outputs.eve.stats.enabled,
  );
  assert.deepEqual(config.ruleFiles, []);
  assert.match(config.classificationFile, /\/etc\/classification\.config$/);
  assert.notEqual(defaultConfig(), config, 'a new object each time');
});
