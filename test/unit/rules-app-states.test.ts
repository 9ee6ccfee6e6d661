import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SshState } from '../../src/app-layer/ssh/layout.js';
import { TlsState } from '../../src/app-layer/tls/layout.js';
import { STATE_DONE } from '../../src/app-layer/transactions.js';
import { transactionGroups } from '../../src/detect/literal.js';
import { stateTest } from '../../src/rules/app-states.js';
import { printRule } from '../../src/rules/print.js';
import { refused, withOptions } from '../support/rules.js';

const END = STATE_DONE + 1;

test('app-layer-state: reached, before, beyond', () => {
  assert.deepEqual(stateTest('tls', 'client_hello_done'), { direction: 0, from: TlsState.Hello, below: END });
  assert.deepEqual(stateTest('tls', '<client_hello_done'), { direction: 0, from: 0, below: TlsState.Hello });
  assert.deepEqual(stateTest('tls', '> server_cert_done'), { direction: 1, from: TlsState.HelloDone, below: END });
  assert.deepEqual(stateTest('ssh', '>response_banner_done'), { direction: 1, from: STATE_DONE, below: END });
  assert.deepEqual(stateTest('ssh', 'request_banner_done'), { direction: 0, from: SshState.Banner, below: END });
  assert.deepEqual(stateTest('dns', '>request_started'), { direction: 0, from: STATE_DONE, below: END });
  assert.deepEqual(stateTest('http1', '<response_complete'), { direction: 1, from: 0, below: STATE_DONE });
});

test('app-layer-state: states of each direction are in order, and each can be passed', () => {
  for (const name of ['request_started', 'request_line', 'request_headers', 'request_body', 'request_trailer', 'request_complete']) {
    const reached = stateTest('http', name);
    const before = stateTest('http', `<${name}`);
    assert.ok(typeof reached === 'object');
    if (name === 'request_started') assert.match(before as string, /nothing comes before/);
    else assert.deepEqual(before, { direction: 0, from: 0, below: reached.from });
  }
  assert.match(stateTest('tls', '>server_finished') as string, /nothing comes after/);
});

test('app-layer-state: what cannot be', () => {
  refused(() => withOptions('app-layer-state:client_hello;', 'tls'), 'app-layer-state', /takes a state of tls \(client_in_progress, /);
  refused(
    () => withOptions('app-layer-state:request_line;', 'dns'),
    'app-layer-state',
    /takes a state of dns \(request_started, request_complete, /,
  );
  refused(() => withOptions('app-layer-state:>client_finished;', 'tls'), 'app-layer-state', /nothing comes after client_finished/);
  refused(() => withOptions('app-layer-state:!client_hello_done;', 'tls'), 'app-layer-state', /takes a state, < or > before it/);
  refused(() => withOptions('app-layer-state:request_started;', 'tcp'), 'app-layer-state', /needs a protocol in the header/);
});

test('app-layer-state: the rule is asked in the direction of its state, and prints as it was written', () => {
  const rule = withOptions('app-layer-state:>server_hello;', 'tls');
  assert.equal(rule.inert, undefined);
  assert.deepEqual(
    transactionGroups(rule).map((group) => group & 1),
    [1],
  );
  assert.match(printRule(rule), /app-layer-state:>server_hello;/);
  assert.equal(withOptions('app-layer-state:anything;', 'smb').inert, 'smb');
});
